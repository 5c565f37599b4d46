//! Forking runs: a new run begun with another's results before a step, to do that step anew.

use std::sync::Arc;

use stepwell_core::entry::{ForkedFrom, RunStarted};
use stepwell_core::run::{Again, ForkPlan, fold, fork_at};
use stepwell_core::{EventId, Payload, RunId, StepAddress, Timestamp};
use stepwell_store::{Append, Change, Commit, CommitError, Seen};

use crate::chance::Chance;
use crate::check::check;
use crate::drive::Fresh;
use crate::intake::{Prepared, land, order};
use crate::operator::{OperateError, Operator, blocking};
use crate::shared::Shared;
use crate::starting::{Begun, draw, first_append, input_row};

/// The name of the events that hold the input a run was forked with.
const FORKED: &str = "stepwell/run.forked";

/// How a run is to be forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkAsk {
    /// The run.
    pub run: RunId,
    /// The first step that is done anew.
    pub step: StepAddress,
    /// Another input than the run's own.
    pub input: Option<Payload>,
    /// The version of the workflow's code; the run's own if not given.
    pub version: Option<u32>,
}

/// What forking a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forked {
    /// The new run; `None` for a preview.
    pub run: Option<RunId>,
    /// The version of the code it begins with.
    pub version: u32,
    /// Steps whose results it has.
    pub keeps: Vec<StepAddress>,
    /// Steps that are done anew, as the run forked did them; its code may come to others.
    pub again: Vec<Again>,
}

/// A fork put together: its first entries, and the row that holds another input.
struct Put {
    run: RunId,
    append: Append,
    input: Option<Change>,
    fresh: Fresh,
    forked: Forked,
}

impl Operator {
    /// What forking the run would come to; nothing is written.
    ///
    /// # Errors
    /// There is no such run or step, what came before the step does not stand by itself, or the
    /// run cannot be read.
    pub async fn preview_fork(
        &self,
        ask: &ForkAsk,
        now: Timestamp,
    ) -> Result<Forked, OperateError> {
        let mut forked = self.put_fork(ask, &Chance::Machine, now).await?.forked;
        forked.run = None;
        Ok(forked)
    }

    /// Forks the run on a store that no engine drives; resolves once the new run is durable. The
    /// next engine that opens the store drives it.
    ///
    /// # Errors
    /// As [`Operator::preview_fork`], and the store cannot be written.
    pub async fn fork(&self, ask: &ForkAsk, now: Timestamp) -> Result<Forked, OperateError> {
        let put = self.put_fork(ask, &Chance::Machine, now).await?;
        let store = self.store();
        let commit = Commit {
            fence: store.fence(),
            seen: Seen::OWNER,
            appends: vec![put.append],
            changes: put.input.into_iter().collect(),
        };
        store
            .commit(commit)
            .await
            .map_err(|error| refused(ask.run, error))?;
        Ok(put.forked)
    }

    async fn put_fork(
        &self,
        ask: &ForkAsk,
        chance: &Chance,
        now: Timestamp,
    ) -> Result<Put, OperateError> {
        let (store, run) = (Arc::clone(self.store()), ask.run);
        let journal = blocking(move || store.journal(run)).await?;
        let Some(stepwell_core::EntryBody::RunStarted(started)) =
            journal.first().map(|entry| &entry.body)
        else {
            return Err(OperateError::NoSuchRun(run));
        };
        let input = match &ask.input {
            Some(input) => input.clone(),
            None => self.input_of(run, started).await?,
        };
        let next = draw(chance, now);
        let begin = begun(ask, started, next, &input);
        let refused = |why| OperateError::Fork { run, why };
        let plan = fork_at(&journal, &ask.step, next, begin, now)
            .map_err(|error| refused(error.to_string()))?;
        put(ask, plan, next, input, now)
            .ok_or_else(|| refused("it cannot be put together".to_owned()))
    }

    async fn input_of(&self, run: RunId, started: &RunStarted) -> Result<Payload, OperateError> {
        let event = self.event(started.event.clone()).await?;
        Ok(event.ok_or(OperateError::NoInput { run })?.data)
    }
}

/// How the new run begins. Nobody waits for it and no deadline holds for it: it is a person's.
fn begun(ask: &ForkAsk, started: &RunStarted, next: RunId, input: &Payload) -> RunStarted {
    let event = match &ask.input {
        Some(_) => EventId::new(format!("stepwell/forked/{next}")),
        None => started.event.clone(),
    };
    RunStarted {
        workflow: started.workflow.clone(),
        version: ask.version.unwrap_or(started.version),
        event,
        input_bytes: input.len() as u64,
        since: started.since,
        parent: None,
        cancel_on: started.cancel_on.clone(),
        start_at: None,
        start_by: None,
        finish_by: None,
        forked: Some(ForkedFrom {
            run: ask.run,
            step: ask.step.clone(),
        }),
    }
}

fn put(ask: &ForkAsk, plan: ForkPlan, run: RunId, input: Payload, now: Timestamp) -> Option<Put> {
    let state = fold(run, &plan.kept).ok()?;
    let row = ask.input.as_ref().map(|input| {
        let event = state.started.event.clone();
        input_row(event, FORKED, input.clone(), vec![run], now)
    });
    let forked = Forked {
        run: Some(run),
        version: state.started.version,
        keeps: plan.keeps,
        again: plan.again,
    };
    Some(Put {
        run,
        append: first_append(plan.kept, &state),
        input: row,
        fresh: Fresh { state, input },
        forked,
    })
}

/// What a commit that failed means for whoever asked. One too large says nothing of the store.
fn refused(run: RunId, error: CommitError) -> OperateError {
    let why = match error {
        CommitError::TooLarge { bytes, limit } => {
            return OperateError::Fork {
                run,
                why: format!(
                    "what it keeps takes {bytes} bytes, and is written at once in at most {limit}: \
                     fork from an earlier step"
                ),
            };
        }
        error => error.to_string(),
    };
    OperateError::NotStored { run, why }
}

/// [`Operator::preview_fork`] by the engine that would drive the new run.
pub(crate) async fn preview(
    shared: &Arc<Shared>,
    operator: &Operator,
    ask: &ForkAsk,
) -> Result<Forked, OperateError> {
    let mut forked = put_fitting(shared, operator, ask).await?.forked;
    forked.run = None;
    Ok(forked)
}

/// Puts the fork together, unless the code here would disagree with what it keeps: such a run would
/// be quarantined before it did anything.
async fn put_fitting(
    shared: &Arc<Shared>,
    operator: &Operator,
    ask: &ForkAsk,
) -> Result<Put, OperateError> {
    let (chance, now) = (&shared.options.chance, shared.clock.now());
    let put = operator.put_fork(ask, chance, now).await?;
    let registry = shared.registry.clone();
    let (run, kept, input) = (put.run, put.append.entries.clone(), put.fresh.input.clone());
    let verdict = blocking(move || Ok(check(&registry, run, &kept, &input))).await?;
    match verdict.quarantines() {
        None => Ok(put),
        Some(reason) => Err(OperateError::Fork {
            run: ask.run,
            why: format!("the code would not go on from there: {reason}"),
        }),
    }
}

/// [`Operator::fork`] beside the engine that drives the store.
pub(crate) async fn fork(
    shared: &Arc<Shared>,
    operator: &Operator,
    ask: &ForkAsk,
) -> Result<Forked, OperateError> {
    let put = put_fitting(shared, operator, ask).await?;
    let landing = {
        // What it is cancelled by is counted before its place is taken, as for every run.
        let places = shared.events.lock();
        for key in &put.append.waits.begun {
            shared.events.watch(*key);
        }
        let mut prepared = Prepared::empty(shared, Seen::OWNER);
        prepared.commit.changes.extend(put.input);
        prepared.begin(Begun {
            run: put.run,
            append: put.append,
            fresh: put.fresh,
        });
        order(shared, places, prepared)
    };
    match land(shared, landing, false).await {
        Ok(_) => Ok(put.forked),
        Err(error) => {
            let too_large = matches!(error, CommitError::TooLarge { .. });
            if !error.retry() && !too_large {
                shared.fail(&error);
            }
            Err(refused(ask.run, error))
        }
    }
}
