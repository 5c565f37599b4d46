//! What people ask of a store: look at runs, journals and events, and leave requests for runs.
//!
//! Works on any store, with or without an engine behind it: the CLI uses it on a data directory
//! that no engine has open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stepwell_core::run::{Command, Outcome, Refusal, RunState, RunStatus, decide, fold};
use stepwell_core::{
    Entry, EntryBody, EventId, Failure, Payload, RunId, Seq, StepAddress, Timestamp,
};
use stepwell_store::{
    Change, Commit, EventRow, InboxRow, ReadError, RunFilter, RunHead, Seen, Store,
};

use crate::calls::newest;
use crate::inbox::next_id;
use crate::standing::{Standing, standing};

/// A body that is in flight right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The step; `None` while workflow code between steps is being driven.
    pub step: Option<StepAddress>,
    /// Which attempt, from 1; 0 between steps.
    pub attempt: u32,
    /// Since when.
    pub since: Timestamp,
}

/// A run as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Its head, with the status as of now.
    pub head: RunHead,
    /// What the workflow returned, for a completed run looked at by itself.
    pub output: Option<Payload>,
    /// Why it failed, for a failed run looked at by itself.
    pub error: Option<Failure>,
    /// Why nothing more happens to it, while it is quarantined.
    pub quarantine: Option<String>,
    /// What is in flight, when an engine is driving it.
    pub in_flight: Option<InFlight>,
    /// What its journal says beside, for a run looked at by itself whose journal can be read.
    pub standing: Option<Standing>,
}

/// A run with its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalView {
    /// The run.
    pub run: RunView,
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// Why a request of a person cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The run's state does not allow it.
    #[error("run {run} is {status}: {why}")]
    Refused {
        /// The run.
        run: RunId,
        /// Its status.
        status: RunStatus,
        /// What stands in the way.
        why: String,
    },
    /// The input of the run is not stored any more.
    #[error("input of run {run} is not stored any more")]
    NoInput {
        /// The run.
        run: RunId,
    },
    /// The run cannot be forked there.
    #[error("run {run} cannot be forked: {why}")]
    Fork {
        /// The run.
        run: RunId,
        /// What stands in the way.
        why: String,
    },
    /// What is stored cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("request for run {run} was not stored: {why}")]
    NotStored {
        /// The run.
        run: RunId,
        /// Why.
        why: String,
    },
}

/// Runs being driven, by id; shared by an engine's shards.
pub(crate) type LiveRuns = Arc<Mutex<BTreeMap<RunId, InFlight>>>;

/// Looks at a store, and leaves requests in it.
#[derive(Clone)]
pub struct Operator {
    store: Arc<dyn Store>,
    live: LiveRuns,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operator")
    }
}

impl Operator {
    /// An operator on a store that no engine is driving.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            live: LiveRuns::default(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn beside(store: Arc<dyn Store>, live: LiveRuns) -> Self {
        Self { store, live }
    }

    /// One run with its output or error.
    ///
    /// # Errors
    /// When what is stored cannot be read. A damaged journal is reported as quarantine, not as an
    /// error, so that a damaged run can still be looked at.
    pub async fn run(&self, run: RunId) -> Result<Option<RunView>, OperateError> {
        Ok(self.look(run).await?.map(|(view, _)| view))
    }

    /// One run with its whole journal.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] when the journal is damaged, naming the entry.
    pub async fn journal(&self, run: RunId) -> Result<Option<JournalView>, OperateError> {
        match self.look(run).await? {
            None => Ok(None),
            Some((view, entries)) => Ok(Some(JournalView {
                run: view,
                entries: entries?,
            })),
        }
    }

    /// How a run ended; `None` while it has not.
    ///
    /// # Errors
    /// [`OperateError::NoSuchRun`], or what is stored cannot be read.
    pub async fn outcome(&self, run: RunId) -> Result<Option<Outcome>, OperateError> {
        let store = Arc::clone(&self.store);
        let journal = blocking(move || store.journal(run)).await?;
        if journal.is_empty() {
            return Err(OperateError::NoSuchRun(run));
        }
        let state = folded(run, &journal)?;
        Ok(state.outcome)
    }

    /// Up to `limit` runs, newest first, without outputs.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn runs(
        &self,
        filter: RunFilter,
        limit: usize,
    ) -> Result<Vec<RunView>, OperateError> {
        // A run being driven is stored as queued, running or waiting, so for those the status is
        // compared after the look and pages are read until enough match.
        let wanted = filter.status;
        let stored = RunFilter {
            status: wanted.filter(|status| status.ended() || *status == RunStatus::Quarantined),
            ..filter
        };
        let mut views = Vec::new();
        let mut page = stored;
        while views.len() < limit {
            let store = Arc::clone(&self.store);
            let ask = page.clone();
            let size = limit.max(64);
            let heads = blocking(move || store.runs(&ask, size)).await?;
            let Some(last) = heads.last().map(|head| head.run) else {
                break;
            };
            let full = heads.len() == size;
            let matching = heads.into_iter().map(|head| self.view_of(head));
            views.extend(matching.filter(|view| wanted.is_none_or(|s| s == view.head.status)));
            if !full {
                break;
            }
            page.before = Some(last);
        }
        views.truncate(limit);
        Ok(views)
    }

    /// An event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<EventRow>, OperateError> {
        let store = Arc::clone(&self.store);
        Ok(blocking(move || store.event(&id)).await?)
    }

    /// The runs an event started, with outputs; `None` when there is no such event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn runs_of_event(&self, id: EventId) -> Result<Option<Vec<RunView>>, OperateError> {
        let Some(event) = self.event(id).await? else {
            return Ok(None);
        };
        let mut views = Vec::with_capacity(event.runs.len());
        for run in event.runs {
            views.extend(self.run(run).await?);
        }
        Ok(Some(views))
    }

    /// Leaves a request to cancel. It takes effect at the run's next step boundary, or when an
    /// engine next opens the store.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or the request cannot be stored.
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.goes_on_as(run).await?;
        self.still_open(run, "cancelled").await?;
        let reason = reason.to_owned();
        self.leave(run, InboxRow::Cancel { reason }).await
    }

    /// Leaves a request to end a run where it stands: no compensation runs.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or the request cannot be stored.
    pub async fn kill(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.goes_on_as(run).await?;
        self.still_open(run, "killed").await?;
        let reason = reason.to_owned();
        self.leave(run, InboxRow::Kill { reason }).await
    }

    /// Leaves a request to release a run from quarantine or from a pause.
    ///
    /// # Errors
    /// When there is no such run, nobody holds it, or the request cannot be stored.
    pub async fn resume(&self, run: RunId) -> Result<(), OperateError> {
        self.ask(run, Command::Resume, InboxRow::Resume).await
    }

    /// Leaves a request to pause a run: bodies in flight end, and nothing new of it begins.
    ///
    /// # Errors
    /// When there is no such run, it has ended or stands still already, or the request cannot be
    /// stored.
    pub async fn pause(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.goes_on_as(run).await?;
        let reason = reason.to_owned();
        let command = Command::Pause {
            reason: reason.clone(),
        };
        self.ask(run, command, InboxRow::Pause { reason }).await
    }

    /// Leaves a request to try again what failed of a failed run, or what backs off of one that
    /// goes on.
    ///
    /// # Errors
    /// When there is no such run, nothing of it failed, what failed cannot be tried again in the
    /// same run, or the request cannot be stored.
    pub async fn retry(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.goes_on_as(run).await?;
        let reason = reason.to_owned();
        let command = Command::Retry {
            reason: reason.clone(),
        };
        self.ask(run, command, InboxRow::Retry { reason }).await
    }

    /// Leaves `row` if the run as it stands would not refuse the `command` it stands for. The run
    /// decides when it takes it up.
    async fn ask(&self, run: RunId, command: Command, row: InboxRow) -> Result<(), OperateError> {
        self.takes(run, command).await?;
        self.leave(run, row).await
    }

    /// Whether the run as it stands would not refuse `command`.
    pub(crate) async fn takes(&self, run: RunId, command: Command) -> Result<(), OperateError> {
        let (view, journal) = self.look(run).await?.ok_or(OperateError::NoSuchRun(run))?;
        let state = folded(run, &journal?)?;
        // As of its last entry: what is due by now is for its shard to see.
        match decide(&state, command, state.changed_at) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(OperateError::Refused {
                run,
                status: view.head.status,
                why: why(&refusal),
            }),
        }
    }

    /// The run that `run` goes on as, or itself: what is asked of the one is meant for the other.
    pub(crate) async fn goes_on_as(&self, run: RunId) -> Result<RunId, OperateError> {
        let store = Arc::clone(&self.store);
        Ok(blocking(move || newest(store.as_ref(), run)).await?)
    }

    /// Refuses unless the run goes on and its journal can be read: nothing can be asked of any
    /// other.
    pub(crate) async fn still_open(&self, run: RunId, done: &str) -> Result<(), OperateError> {
        let (view, journal) = self.look(run).await?.ok_or(OperateError::NoSuchRun(run))?;
        journal?;
        let status = view.head.status;
        if status.ended() {
            let why = format!("a run that has ended cannot be {done}");
            return Err(OperateError::Refused { run, status, why });
        }
        Ok(())
    }

    /// Resolves once the request is durable: an answer must not promise what a crash undoes.
    pub(crate) async fn leave(&self, run: RunId, row: InboxRow) -> Result<(), OperateError> {
        let id = next_id(self.store.fence());
        let commit = Commit {
            fence: self.store.fence(),
            seen: Seen::OWNER,
            appends: Vec::new(),
            changes: vec![Change::PutInbox(run, id, row)],
        };
        let ticket = self.store.commit(commit);
        ticket.await.map_err(|error| OperateError::NotStored {
            run,
            why: error.to_string(),
        })
    }

    async fn look(&self, run: RunId) -> Result<Option<Look>, OperateError> {
        let store = Arc::clone(&self.store);
        let read = move || {
            // The head says that there is a run; the journal is the truth about it.
            let Some(head) = store.head(run)? else {
                return Ok::<_, ReadError>(None);
            };
            // Before the journal, which takes up what is left here.
            let inbox = store.inbox(run)?;
            Ok(Some((head, inbox, store.journal(run))))
        };
        let Some((head, inbox, journal)) = blocking(read).await? else {
            return Ok(None);
        };
        let entries = match journal {
            Ok(entries) => entries,
            Err(damage) => {
                let mut view = self.view_of(head);
                view.quarantine = Some(damage.to_string());
                return Ok(Some((view, Err(damage))));
            }
        };
        let state = folded(run, &entries)?;
        let inbox: Vec<_> = inbox.into_iter().map(|(_, row)| row).collect();
        let mut view = self.view_in(head, &state, &entries);
        view.standing = Some(standing(&state, &entries, &inbox));
        Ok(Some((view, Ok(entries))))
    }

    fn view_in(&self, head: RunHead, state: &RunState, entries: &[Entry]) -> RunView {
        let fresh = RunHead::of(state);
        let mut view = self.view_of(RunHead {
            changed_at: head.changed_at,
            ..fresh
        });
        view.quarantine = state.quarantined.as_ref().map(ToString::to_string);
        match &state.outcome {
            Some(Outcome::Completed(output)) => view.output = Some(output.clone()),
            Some(Outcome::Failed(failure)) => view.error = Some(failure.clone()),
            Some(Outcome::Continued(_) | Outcome::Cancelled) | None => {}
        }
        if let (None, Some(failure)) = (&view.error, last_failure(entries)) {
            // A waiting run says what it recovers from.
            view.error = (view.head.status == RunStatus::Waiting).then(|| failure.clone());
        }
        view
    }

    fn view_of(&self, mut head: RunHead) -> RunView {
        let in_flight = {
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.get(&head.run).cloned()
        };
        let open = matches!(head.status, RunStatus::Queued | RunStatus::Waiting);
        if in_flight.is_some() && open && head.wake_at.is_none() {
            head.status = RunStatus::Running;
        }
        RunView {
            head,
            output: None,
            error: None,
            quarantine: None,
            in_flight,
            standing: None,
        }
    }
}

/// What stands in the way, behind the words "run R is S: ".
fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotHeld { .. } => "there is nothing to resume".to_owned(),
        Refusal::NothingToRetry { .. } => {
            "only what failed, or backs off after a failure, is retried".to_owned()
        }
        Refusal::Ended { .. } => "it changes no more".to_owned(),
        Refusal::Quarantined => "resume it first".to_owned(),
        Refusal::Cancelling => "it is being cancelled".to_owned(),
        other => other.to_string(),
    }
}

/// The state of a run whose journal was read: one that does not fold is damaged.
pub(crate) fn folded(run: RunId, journal: &[Entry]) -> Result<RunState, ReadError> {
    fold(run, journal).map_err(|illegal| {
        let seq = journal.last().map_or(Seq::FIRST, |entry| entry.seq);
        ReadError::Damaged {
            run,
            seq,
            what: illegal.to_string(),
        }
    })
}

type Look = (RunView, Result<Vec<Entry>, ReadError>);

fn last_failure(entries: &[Entry]) -> Option<&Failure> {
    match entries.last().map(|entry| &entry.body) {
        Some(EntryBody::StepFailed(fields)) => Some(&fields.failure),
        Some(EntryBody::AttemptFailed(fields)) => Some(&fields.failure),
        _ => None,
    }
}

/// Runs a read where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|error| {
            Err(ReadError::Failed {
                why: error.to_string(),
            })
        })
}
