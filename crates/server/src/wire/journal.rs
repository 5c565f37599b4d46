//! Journals on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::run::RunStatus;
use stepwell_core::{Entry, EntryBody, StepAddress, StepKind, WaitOn};
use stepwell_engine::JournalView;

use super::raw::Raw;
use super::run::{FailureJson, ForkedFromJson};
use super::step_kind::StepJsonKind;
use super::time::Instant;

/// A run's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalJson {
    /// The run's id.
    pub run: String,
    /// Its workflow.
    pub workflow: String,
    /// Its status.
    pub status: RunStatus,
    /// The entries in order.
    pub entries: Vec<EntryJson>,
}

/// One entry.
///
/// `seq`, `at`, `kind`, `step` and `attempt` are always there; the others where the kind has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryJson {
    /// Its number, from 0.
    pub seq: u64,
    /// When the engine decided it.
    pub at: Instant,
    /// What happened.
    pub kind: EntryKind,
    /// The step concerned.
    pub step: Option<String>,
    /// The attempt concerned, from 1, crashes counted.
    pub attempt: Option<u32>,
    /// What kind of call the step is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_kind: Option<StepJsonKind>,
    /// What the step or the workflow returned.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "Raw::present"
    )]
    pub output: Option<Raw>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureJson>,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Instant>,
    /// The database whose transaction carried a step's effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Why: of a quarantine, a cancellation, a pause, a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a recovery: whether the run was the only one being driven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<bool>,
    /// Of a start: the id of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Of a start: the version of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Of a wait: what it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Of a wait: its instant or deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// Of a child or a run that goes on as another: that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// Of a fork: how many branches it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branches: Option<u32>,
    /// Of a branch that ended: which, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<u32>,
    /// Of a signal: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Of the start of a run: the run that waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Of a change of the code: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Of a retry: the steps that are tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// Of the start of a run: the run it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFromJson>,
}

/// What an entry says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// The run exists.
    RunStarted,
    /// A step's result is recorded.
    StepSucceeded,
    /// One attempt at a step failed.
    StepFailed,
    /// The run was in flight when the engine died.
    Recovered,
    /// Workflow code outside any step failed.
    AttemptFailed,
    /// Somebody asked for the run to be cancelled.
    CancelRequested,
    /// The run ended with an output.
    RunCompleted,
    /// The run ended with an error.
    RunFailed,
    /// The run ended because it was cancelled.
    RunCancelled,
    /// The run is untouched until a person decides.
    Quarantined,
    /// A person released the run from quarantine or from a pause.
    Resumed,
    /// The run waits for an instant, an event or a signal.
    WaitStarted,
    /// A wait reached its deadline first.
    WaitTimedOut,
    /// An event is put to a wait whose code judges it.
    EventOffered,
    /// A wait has its event.
    EventReceived,
    /// A wait's code turned an event down.
    EventRejected,
    /// A signal arrived.
    SignalReceived,
    /// Another run was started.
    ChildStarted,
    /// The line splits into branches.
    ForkStarted,
    /// A branch ended.
    BranchEnded,
    /// A scope undoes what it did.
    UndoStarted,
    /// The run goes on as another.
    RunContinued,
    /// The run was ended where it stood.
    RunKilled,
    /// A change of the code applies to the run.
    Patched,
    /// A person holds the run.
    Paused,
    /// A person had what failed tried again.
    Retried,
}

impl EntryKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RunStarted => "run-started",
            Self::StepSucceeded => "step-succeeded",
            Self::StepFailed => "step-failed",
            Self::Recovered => "recovered",
            Self::AttemptFailed => "attempt-failed",
            Self::CancelRequested => "cancel-requested",
            Self::RunCompleted => "run-completed",
            Self::RunFailed => "run-failed",
            Self::RunCancelled => "run-cancelled",
            Self::Quarantined => "quarantined",
            Self::Resumed => "resumed",
            Self::WaitStarted => "wait-started",
            Self::WaitTimedOut => "wait-timed-out",
            Self::EventOffered => "event-offered",
            Self::EventReceived => "event-received",
            Self::EventRejected => "event-rejected",
            Self::SignalReceived => "signal-received",
            Self::ChildStarted => "child-started",
            Self::ForkStarted => "fork-started",
            Self::BranchEnded => "branch-ended",
            Self::UndoStarted => "undo-started",
            Self::RunContinued => "run-continued",
            Self::RunKilled => "run-killed",
            Self::Patched => "patched",
            Self::Paused => "paused",
            Self::Retried => "retried",
        }
    }
}

impl From<JournalView> for JournalJson {
    fn from(view: JournalView) -> Self {
        Self {
            run: view.run.head.run.to_string(),
            workflow: view.run.head.workflow.to_string(),
            status: view.run.head.status,
            entries: view.entries.into_iter().map(EntryJson::from).collect(),
        }
    }
}

impl EntryJson {
    fn bare(seq: u64, at: Instant, kind: EntryKind) -> Self {
        Self {
            seq,
            at,
            kind,
            step: None,
            attempt: None,
            step_kind: None,
            output: None,
            error: None,
            retry_at: None,
            database: None,
            reason: None,
            alone: None,
            event: None,
            version: None,
            waits_for: None,
            until: None,
            child: None,
            branches: None,
            branch: None,
            signal: None,
            parent: None,
            patch: None,
            steps: Vec::new(),
            forked_from: None,
        }
    }

    fn at_step(self, step: &StepAddress, kind: StepKind) -> Self {
        Self {
            step: Some(step.to_string()),
            step_kind: Some(kind.into()),
            ..self
        }
    }

    fn of_step(self, step: &StepAddress, kind: StepKind, attempt: u32) -> Self {
        Self {
            step: Some(step.to_string()),
            step_kind: Some(kind.into()),
            attempt: Some(attempt),
            ..self
        }
    }
}

impl From<Entry> for EntryJson {
    fn from(entry: Entry) -> Self {
        let bare = |kind| Self::bare(entry.seq.0, entry.at.into(), kind);
        match entry.body {
            EntryBody::RunStarted(started) => Self {
                event: Some(started.event.to_string()),
                version: Some(started.version),
                parent: started.parent.map(|parent| parent.run.to_string()),
                until: started.start_at.map(Instant),
                forked_from: started.forked.as_ref().map(ForkedFromJson::from),
                ..bare(EntryKind::RunStarted)
            },
            EntryBody::StepSucceeded(done) => Self {
                output: Some(done.output.into()),
                database: done.database,
                ..bare(EntryKind::StepSucceeded).of_step(&done.step, done.kind, done.attempt)
            },
            EntryBody::StepFailed(failed) => Self {
                error: Some(FailureJson::from(&failed.failure)),
                retry_at: failed.retry_at.map(Instant),
                ..bare(EntryKind::StepFailed).of_step(&failed.step, failed.kind, failed.attempt)
            },
            EntryBody::Recovered(recovered) => {
                let fresh = bare(EntryKind::Recovered);
                let of_step = match &recovered.step {
                    Some((step, kind)) => fresh.of_step(step, *kind, recovered.attempt),
                    None => fresh,
                };
                Self {
                    alone: Some(recovered.alone),
                    ..of_step
                }
            }
            EntryBody::AttemptFailed(failed) => Self {
                attempt: Some(failed.attempt),
                error: Some(FailureJson::from(&failed.failure)),
                retry_at: Some(failed.retry_at.into()),
                ..bare(EntryKind::AttemptFailed)
            },
            body @ (EntryBody::CancelRequested(_)
            | EntryBody::Quarantined(_)
            | EntryBody::Resumed
            | EntryBody::Patched(_)
            | EntryBody::Paused(_)
            | EntryBody::Retried(_)) => of_intervention(body, bare),
            body @ (EntryBody::RunCompleted(_)
            | EntryBody::RunFailed(_)
            | EntryBody::RunCancelled
            | EntryBody::RunContinued(_)
            | EntryBody::RunKilled(_)) => of_end(body, bare),
            body @ (EntryBody::WaitStarted(_)
            | EntryBody::WaitTimedOut(_)
            | EntryBody::EventOffered(_)
            | EntryBody::EventReceived(_)
            | EntryBody::EventRejected(_)
            | EntryBody::SignalReceived(_)) => of_wait(body, bare),
            body @ (EntryBody::ChildStarted(_)
            | EntryBody::ForkStarted(_)
            | EntryBody::BranchEnded(_)
            | EntryBody::UndoStarted(_)) => of_lines(body, bare),
        }
    }
}

/// What people, the engine and a change of the code do to a run.
fn of_intervention(body: EntryBody, bare: impl Fn(EntryKind) -> EntryJson) -> EntryJson {
    match body {
        EntryBody::CancelRequested(cancel) => EntryJson {
            reason: Some(cancel.reason),
            ..bare(EntryKind::CancelRequested)
        },
        EntryBody::Quarantined(held) => EntryJson {
            reason: Some(held.reason.to_string()),
            ..bare(EntryKind::Quarantined)
        },
        EntryBody::Patched(patched) => EntryJson {
            patch: Some(patched.patch),
            ..bare(EntryKind::Patched)
        },
        EntryBody::Paused(paused) => EntryJson {
            reason: Some(paused.reason),
            ..bare(EntryKind::Paused)
        },
        EntryBody::Retried(retried) => EntryJson {
            reason: Some(retried.reason),
            steps: retried.steps.iter().map(ToString::to_string).collect(),
            ..bare(EntryKind::Retried)
        },
        // The caller hands over one more, which has no fields.
        _ => bare(EntryKind::Resumed),
    }
}

/// How a run ends.
fn of_end(body: EntryBody, bare: impl Fn(EntryKind) -> EntryJson) -> EntryJson {
    match body {
        EntryBody::RunCompleted(completed) => EntryJson {
            output: Some(completed.output.into()),
            ..bare(EntryKind::RunCompleted)
        },
        EntryBody::RunFailed(failed) => EntryJson {
            error: Some(FailureJson::from(&failed.failure)),
            ..bare(EntryKind::RunFailed)
        },
        EntryBody::RunContinued(continued) => EntryJson {
            child: Some(continued.next.to_string()),
            ..bare(EntryKind::RunContinued)
        },
        EntryBody::RunKilled(killed) => EntryJson {
            reason: Some(killed.reason),
            ..bare(EntryKind::RunKilled)
        },
        // The caller hands over one more, which has no fields.
        _ => bare(EntryKind::RunCancelled),
    }
}

/// What a wait begins with and comes to.
fn of_wait(body: EntryBody, bare: impl Fn(EntryKind) -> EntryJson) -> EntryJson {
    match body {
        EntryBody::WaitStarted(wait) => EntryJson {
            waits_for: Some(waits_for(&wait.on)),
            until: wait.until.map(Instant),
            ..bare(EntryKind::WaitStarted).at_step(&wait.step, wait.on.kind())
        },
        EntryBody::WaitTimedOut(wait) => EntryJson {
            step: Some(wait.step.to_string()),
            ..bare(EntryKind::WaitTimedOut)
        },
        EntryBody::EventOffered(offered) => EntryJson {
            event: Some(offered.event.to_string()),
            output: Some(offered.data.into()),
            ..bare(EntryKind::EventOffered).at_step(&offered.step, StepKind::WaitFor)
        },
        EntryBody::EventReceived(received) => EntryJson {
            event: Some(received.event.to_string()),
            output: received.data.map(Raw::from),
            ..bare(EntryKind::EventReceived).at_step(&received.step, StepKind::WaitFor)
        },
        EntryBody::EventRejected(rejected) => EntryJson {
            event: Some(rejected.event.to_string()),
            ..bare(EntryKind::EventRejected).at_step(&rejected.step, StepKind::WaitFor)
        },
        EntryBody::SignalReceived(signal) => EntryJson {
            signal: Some(signal.name),
            output: Some(signal.data.into()),
            ..bare(EntryKind::SignalReceived)
        },
        // The caller hands over nothing else.
        _ => bare(EntryKind::WaitStarted),
    }
}

/// What a wait is for, in words.
pub(super) fn waits_for(on: &WaitOn) -> String {
    match on {
        WaitOn::Until => "an instant".to_owned(),
        WaitOn::Event { awaited, .. } if awaited.key.is_empty() => {
            format!("event {}", awaited.name)
        }
        WaitOn::Event { awaited, .. } => format!("event {} with key {}", awaited.name, awaited.key),
        WaitOn::Signal { name } => format!("signal {name}"),
    }
}

/// What splits a run and what it starts.
fn of_lines(body: EntryBody, bare: impl Fn(EntryKind) -> EntryJson) -> EntryJson {
    match body {
        EntryBody::ChildStarted(child) => EntryJson {
            child: Some(child.run.to_string()),
            waits_for: (!child.detached).then(|| format!("the end of run {}", child.run)),
            ..bare(EntryKind::ChildStarted).at_step(&child.step, kind_of(child.detached))
        },
        EntryBody::ForkStarted(fork) => EntryJson {
            branches: Some(fork.branches),
            ..bare(EntryKind::ForkStarted).at_step(&fork.step, fork.kind)
        },
        EntryBody::BranchEnded(ended) => {
            let (output, error) = match ended.value {
                Some(Ok(output)) => (Some(output.into()), None),
                Some(Err(failure)) => (None, Some(FailureJson::from(&failure))),
                None => (None, None),
            };
            EntryJson {
                step: Some(ended.fork.to_string()),
                branch: Some(ended.branch),
                output,
                error,
                ..bare(EntryKind::BranchEnded)
            }
        }
        EntryBody::UndoStarted(undo) => EntryJson {
            error: undo.failure.as_ref().map(FailureJson::from),
            ..bare(EntryKind::UndoStarted).at_step(&undo.scope, StepKind::Scope)
        },
        // The caller hands over nothing else.
        _ => bare(EntryKind::ForkStarted),
    }
}

const fn kind_of(detached: bool) -> StepKind {
    if detached {
        StepKind::Start
    } else {
        StepKind::Invoke
    }
}
