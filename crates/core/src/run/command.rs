//! Requests to a run, and how they are answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::entry::{Awaited, ChildStarted, Entry, Failure, QuarantineReason, StepKind, WaitOn};
use crate::ids::{EventId, EventOrder, RunId, Seq, StepAddress, WorkflowName};
use crate::limits::RUN_STATE_BYTES;
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

use super::state::{RunStatus, StepOutcome};

/// A request to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Workflow code reached a step.
    StartStep(StartStep),
    /// A body ended, or a value was drawn.
    FinishStep(FinishStep),
    /// Code begins to wait, for what it was told to wait for itself.
    StartWait(StartWait),
    /// An event is there for the run.
    Deliver(Arrival),
    /// Code judged the event it was offered.
    Judge {
        /// The step that waits.
        step: StepAddress,
        /// Whether it takes the event.
        accepted: bool,
    },
    /// A signal to the run arrived.
    Signal {
        /// Its name.
        name: String,
        /// Its data.
        data: Payload,
    },
    /// Code started another run.
    StartChild(ChildStarted),
    /// A child the run waits for has ended.
    ChildEnded {
        /// The child.
        run: RunId,
        /// How.
        outcome: ChildOutcome,
    },
    /// Code splits its line.
    StartFork(StartFork),
    /// A branch of a fork ended.
    EndBranch(EndBranch),
    /// A scope's body failed, or the scope is to undo because of a cancellation.
    StartUndo {
        /// The scope.
        scope: StepAddress,
        /// When the body failed by itself: with what, and how many steps of its line it passed.
        failed: Option<(Failure, usize)>,
    },
    /// Workflow code asks to go on as another run.
    Continue {
        /// The run it goes on as.
        next: RunId,
        /// How many steps of the workflow's own line the code passed.
        passed: usize,
    },
    /// A deadline of the run has passed.
    Expire,
    /// The engine found the run in flight when it opened its store.
    Recover(Mark),
    /// Workflow code returned, failed or panicked.
    FinishRun {
        /// How.
        ended: Ended,
        /// How many steps of the workflow's own line the code passed.
        passed: usize,
        /// How often workflow code may fail without progress.
        policy: RetryPolicy,
    },
    /// Somebody asks for the run to be cancelled.
    RequestCancel {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// Somebody ends the run where it stands: no compensation runs.
    Kill {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// No body of the run is in flight: a requested cancellation takes effect.
    ConcludeCancel,
    /// The engine cannot go on with the run.
    Quarantine(QuarantineReason),
    /// A person releases the run from quarantine or from a pause.
    Resume,
    /// A person holds the run.
    Pause {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// A person has what failed tried again, or what backs off tried at once.
    Retry {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// Code asks whether a change applies to this run.
    Patch {
        /// The line that asks.
        branch: Arc<str>,
        /// The name of the change.
        patch: String,
        /// How many steps of the line the code passed.
        position: usize,
    },
}

/// See [`Command::StartStep`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartStep {
    /// The address the code asks for.
    pub step: StepAddress,
    /// The kind of call.
    pub kind: StepKind,
    /// How many steps of its branch the code passed before this one.
    pub position: usize,
    /// What the call is about, where that is recorded when it begins.
    pub subject: Option<Subject>,
}

/// What a step that is no body is about: code that asks for another is another code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An event, by name and key.
    Event(Awaited),
    /// A signal, by its name.
    Signal(String),
    /// A run of this workflow.
    Workflow(WorkflowName),
}

impl Subject {
    /// What a wait is about; nothing for one that is for an instant.
    #[must_use]
    pub fn of(on: &WaitOn) -> Option<Self> {
        match on {
            WaitOn::Until => None,
            WaitOn::Event { awaited, .. } => Some(Self::Event(awaited.clone())),
            WaitOn::Signal { name } => Some(Self::Signal(name.clone())),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(Awaited { name, key }) if key.is_empty() => write!(f, "event {name}"),
            Self::Event(Awaited { name, key }) => write!(f, "event {name} with key {key}"),
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::Workflow(name) => write!(f, "workflow {name}"),
        }
    }
}

/// What the in-flight file says of a run at the last death of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The step in flight, or `None` for workflow code.
    pub step: Option<(StepAddress, StepKind)>,
    /// The attempt that was in flight, from 1.
    pub attempt: u32,
    /// The number the run's next entry had when the mark was made.
    pub seq: Seq,
    /// Whether no other run was being driven.
    pub alone: bool,
}

/// See [`Command::FinishStep`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishStep {
    /// The address.
    pub step: StepAddress,
    /// The kind of call.
    pub kind: StepKind,
    /// The attempt that ended, as [`Reply::Execute`] numbered it.
    pub attempt: u32,
    /// Its result.
    pub result: Result<Payload, Failure>,
    /// The step's retry policy.
    pub policy: RetryPolicy,
    /// The database that carried the effect, for a transaction.
    pub database: Option<String>,
}

/// See [`Command::StartWait`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartWait {
    /// The step that waits.
    pub step: StepAddress,
    /// For what.
    pub on: WaitOn,
    /// The instant, or the deadline.
    pub until: Option<Timestamp>,
    /// The events found that came since the run began, oldest first: the first that fits is taken.
    pub found: Vec<Arrival>,
}

/// An event as it reaches a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its id.
    pub event: EventId,
    /// Its place among all events.
    pub order: EventOrder,
    /// Its name and the value of its key.
    pub awaited: Awaited,
    /// Its data.
    pub data: Payload,
}

/// How a child ended, as its parent is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChildOutcome {
    /// With this output.
    Completed(Payload),
    /// With this error.
    Failed(Failure),
    /// It was cancelled.
    Cancelled,
}

/// See [`Command::StartFork`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFork {
    /// The step that splits its line.
    pub step: StepAddress,
    /// Which kind of fork.
    pub kind: StepKind,
    /// How many steps of its branch the code passed before this one.
    pub position: usize,
    /// How many branches.
    pub branches: u32,
    /// How many may be under way at a time, at least 1.
    pub limit: u32,
}

/// See [`Command::EndBranch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndBranch {
    /// The step that split the line.
    pub fork: StepAddress,
    /// Which branch, from 0.
    pub branch: u32,
    /// How many steps of the branch's line the code passed.
    pub passed: usize,
    /// What the branch returned, for a race.
    pub value: Option<Result<Payload, Failure>>,
}

/// How workflow code ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It returned this.
    Returned(Payload),
    /// It returned an error, or panicked.
    Failed(Failure),
}

/// The answer to a command that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What to append, numbered and dated; empty when the journal already says it.
    pub entries: Vec<Entry>,
    /// What to tell whoever asked.
    pub reply: Reply,
}

/// What to tell whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The step has this recorded result.
    Recorded(StepOutcome),
    /// Call the body, as this attempt.
    Execute {
        /// From 1, crashes counted.
        attempt: u32,
    },
    /// Nothing to do before this instant.
    Park {
        /// When to ask again.
        until: Timestamp,
    },
    /// Wait until the instant, or until something happens.
    Wait {
        /// The instant or deadline.
        until: Option<Timestamp>,
    },
    /// Judge this event.
    Judge {
        /// Its data.
        data: Payload,
    },
    /// Run the branches.
    Fork {
        /// How many may be under way at a time, as recorded.
        limit: u32,
        /// What a scope is recorded to have failed with, whatever its body does this time.
        failed: Option<Failure>,
    },
    /// Nothing new begins on this line: it is being cancelled, or lost its race, or the run is
    /// paused. Of an arrival: others come first, and it is to be put to the run again.
    Hold,
    /// Whether the change asked about applies.
    Patched(bool),
    /// Stop polling the workflow: the run is cancelled, quarantined or over.
    Stop,
    /// Done as asked.
    Accepted,
}

/// The command was refused and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run has ended.
    #[error("run has already ended as {status}")]
    Ended {
        /// How it ended.
        status: RunStatus,
    },
    /// The run is in quarantine and only `Resume` is accepted.
    #[error("run is quarantined: resume it first")]
    Quarantined,
    /// `Resume` for a run that nobody holds.
    #[error("run is {status}, neither paused nor quarantined: there is nothing to resume")]
    NotHeld {
        /// What it is instead.
        status: RunStatus,
    },
    /// A result for another attempt than the one that is due.
    #[error("attempt {found} of step {step} reported, attempt {expected} is due")]
    StaleAttempt {
        /// The step.
        step: StepAddress,
        /// The attempt that is due.
        expected: u32,
        /// The attempt reported.
        found: u32,
    },
    /// A result for a step that already has one.
    #[error("step {step} already has a result")]
    AlreadyRecorded {
        /// The step.
        step: StepAddress,
    },
    /// The address stands for another kind of call in the journal.
    #[error("step {step} is recorded as {recorded}, not {found}")]
    KindDiffers {
        /// The step.
        step: StepAddress,
        /// The kind in the journal.
        recorded: &'static str,
        /// The kind reported.
        found: &'static str,
    },
    /// A result for a step behind one of its branch that has none.
    #[error("step {step} reported while step {open} before it has no result yet")]
    LeftOpen {
        /// The step reported.
        step: StepAddress,
        /// The step without a result.
        open: StepAddress,
    },
    /// A step's state is not what the request takes it for.
    #[error("step {step} does not stand where the request takes it to stand")]
    StandsElsewhere {
        /// The step.
        step: StepAddress,
    },
    /// A signal for which the run has no room.
    #[error("signal {name} would take the run over its limit of {RUN_STATE_BYTES} bytes")]
    Full {
        /// The signal's name.
        name: String,
    },
    /// `Retry` for a run of which nothing failed.
    #[error("run is {status}: only what failed, or backs off after a failure, is retried")]
    NothingToRetry {
        /// What it is.
        status: RunStatus,
    },
    /// `Retry` of a failure that code went on from before it failed.
    #[error("step {step} failed and others came after it: fork the run from there instead")]
    FailedBefore {
        /// The step.
        step: StepAddress,
    },
    /// `Retry` of what cannot be done again under the same keys.
    #[error("{kind} {step} cannot be tried again in this run: fork the run from it instead")]
    NotAgain {
        /// The step.
        step: StepAddress,
        /// The kind of call.
        kind: &'static str,
    },
    /// `Pause` of a run that is being cancelled.
    #[error("run is being cancelled: it is not paused any more")]
    Cancelling,
    /// `ConcludeCancel` without a request.
    #[error("no cancellation of the run was asked for")]
    NotCancelling,
}
