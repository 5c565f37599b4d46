//! Every open run held against the code there is: before a deploy, and when an engine starts.

use std::sync::Arc;

use stepwell::Registry;
use stepwell_core::run::RunStatus;
use stepwell_core::{Entry, EntryBody, RunId};
use stepwell_store::{InboxRow, ReadError, RunFilter, RunHead, Store};

use super::{Verdict, check};
use crate::operator::{OperateError, Operator, blocking};

/// Runs looked at in one go.
const PAGE: usize = 64;

/// An open run, and what a replay of the code there is came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRun {
    /// The run.
    pub head: RunHead,
    /// What was found.
    pub verdict: Verdict,
}

/// Open runs that are still to be checked, the newest first.
#[derive(Debug)]
pub struct OpenRuns {
    operator: Operator,
    registry: Registry,
    before: Option<RunId>,
}

impl OpenRuns {
    /// All runs of the operator's store that have not ended, to be held against `registry`.
    #[must_use]
    pub fn new(operator: Operator, registry: Registry) -> Self {
        Self {
            operator,
            registry,
            before: None,
        }
    }

    /// Checks the next few; `None` when all were.
    ///
    /// # Errors
    /// The store cannot be read. A run that cannot be is a verdict.
    pub async fn next_page(&mut self) -> Result<Option<Vec<CheckedRun>>, OperateError> {
        let store = Arc::clone(self.operator.store());
        let (registry, before) = (self.registry.clone(), self.before);
        let (last, page) = blocking(move || {
            let filter = RunFilter {
                before,
                ..RunFilter::default()
            };
            let heads = store.runs(&filter, PAGE)?;
            let last = heads.last().map(|head| head.run);
            let open = heads.into_iter().filter(|head| !head.status.ended());
            let page = open.map(|head| look(store.as_ref(), &registry, head));
            Ok((last, page.collect::<Result<Vec<_>, _>>()?))
        })
        .await?;
        self.before = last.or(self.before);
        Ok(last.map(|_| page))
    }

    /// Has the runs of `page` that break quarantined, before anything of them goes on: their code
    /// would find the same, at its time. Those quarantined already stay as they are.
    ///
    /// # Errors
    /// The request cannot be stored.
    pub async fn set_aside(&self, page: &[CheckedRun]) -> Result<Vec<RunId>, OperateError> {
        let mut asked = Vec::new();
        for found in page {
            let run = found.head.run;
            let Some(reason) = found.verdict.quarantines() else {
                continue;
            };
            if found.head.status == RunStatus::Quarantined {
                continue;
            }
            let row = InboxRow::Quarantine { reason };
            self.operator.leave(run, row).await?;
            asked.push(run);
        }
        Ok(asked)
    }
}

fn look(store: &dyn Store, registry: &Registry, head: RunHead) -> Result<CheckedRun, ReadError> {
    let verdict = match store.journal(head.run) {
        Ok(journal) => verdict_of(store, registry, head.run, &journal)?,
        Err(damage) => Verdict::Unreadable {
            why: damage.to_string(),
        },
    };
    Ok(CheckedRun { head, verdict })
}

fn verdict_of(
    store: &dyn Store,
    registry: &Registry,
    run: RunId,
    journal: &[Entry],
) -> Result<Verdict, ReadError> {
    let Some(EntryBody::RunStarted(started)) = journal.first().map(|entry| &entry.body) else {
        let why = "journal is empty".to_owned();
        return Ok(Verdict::Unreadable { why });
    };
    Ok(match store.event(&started.event) {
        Ok(Some(event)) => check(registry, run, journal, &event.data),
        Ok(None) => Verdict::Unreadable {
            why: format!("event {}, the run's input, is not stored", started.event),
        },
        Err(ReadError::Failed { why }) => return Err(ReadError::Failed { why }),
        Err(damage) => Verdict::Unreadable {
            why: damage.to_string(),
        },
    })
}
