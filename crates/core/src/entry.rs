//! Journal entries: the transitions of a run, the only thing about a run that is stored.

use serde::{Deserialize, Serialize};

use crate::ids::{EventId, Seq, StepAddress, WorkflowName};
use crate::payload::Payload;
use crate::time::Timestamp;

/// One record of a run's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal, from 0 without gaps.
    pub seq: Seq,
    /// When the engine decided it, by the engine's clock.
    pub at: Timestamp,
    /// What happened.
    pub body: EntryBody,
}

/// What an entry says happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryBody {
    /// The run exists. Always and only the first entry.
    RunStarted(RunStarted),
    /// A step's result is recorded; its body is never called again.
    StepSucceeded(StepSucceeded),
    /// One attempt at a step failed.
    StepFailed(StepFailed),
    /// The engine found the run in the middle of something when it opened its store.
    Recovered(Recovered),
    /// Workflow code outside any step failed, and will be replayed.
    AttemptFailed(AttemptFailed),
    /// Somebody asked for the run to be cancelled.
    CancelRequested(CancelRequested),
    /// The run ended with an output.
    RunCompleted(RunCompleted),
    /// The run ended with an error.
    RunFailed(RunFailed),
    /// The run ended because it was cancelled.
    RunCancelled,
    /// The run is untouched until a person decides.
    Quarantined(Quarantined),
    /// A person released the run from quarantine.
    Resumed,
}

/// See [`EntryBody::RunStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The workflow that runs.
    pub workflow: WorkflowName,
    /// The version of the workflow's code that started the run, from 1.
    pub version: u32,
    /// The event that started it; its data is the run's input and is stored with the event.
    pub event: EventId,
    /// Size of that input, in bytes of JSON, counted toward the run's state.
    pub input_bytes: u64,
}

/// What kind of durable call an address stands for; replay compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StepKind {
    /// A body with effects outside the engine.
    Run,
    /// A body whose effect is one database transaction, done exactly once.
    Transaction,
    /// The instant at which the call was first made.
    Now,
    /// A random number drawn once.
    Random,
    /// A ULID drawn once.
    Ulid,
}

impl StepKind {
    /// The word for it in journals and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Transaction => "transaction",
            Self::Now => "now",
            Self::Random => "random",
            Self::Ulid => "ulid",
        }
    }
}

/// See [`EntryBody::StepSucceeded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSucceeded {
    /// The step.
    pub step: StepAddress,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The attempt that succeeded, from 1, crashes counted.
    pub attempt: u32,
    /// Its result.
    pub output: Payload,
    /// The database whose transaction carried the effect, for [`StepKind::Transaction`].
    pub database: Option<String>,
}

/// See [`EntryBody::StepFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailed {
    /// The step.
    pub step: StepAddress,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The attempt that failed, from 1, crashes counted.
    pub attempt: u32,
    /// Why.
    pub failure: Failure,
    /// When the next attempt is due; `None` when the failure is final.
    pub retry_at: Option<Timestamp>,
}

/// See [`EntryBody::Recovered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The step whose body was in flight; `None` when workflow code itself was being polled.
    pub step: Option<(StepAddress, StepKind)>,
    /// The attempt that was cut short.
    pub attempt: u32,
    /// Whether the run was the only one being driven, so that the crash can only be its own.
    pub alone: bool,
}

/// See [`EntryBody::AttemptFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFailed {
    /// How often workflow code has failed since it last made progress, from 1.
    pub attempt: u32,
    /// Why.
    pub failure: Failure,
    /// When the code is replayed.
    pub retry_at: Timestamp,
}

/// See [`EntryBody::CancelRequested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// What the person gave as reason, possibly nothing.
    pub reason: String,
}

/// See [`EntryBody::RunCompleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCompleted {
    /// What the workflow returned.
    pub output: Payload,
}

/// See [`EntryBody::RunFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailed {
    /// The error the workflow returned, or the failure that used up its attempts.
    pub failure: Failure,
}

/// See [`EntryBody::Quarantined`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Why nothing more may happen to the run by itself.
    pub reason: QuarantineReason,
}

/// Why a run is quarantined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuarantineReason {
    /// The code asks for something else than the journal recorded at that place.
    Mismatch {
        /// What the journal holds: kind and address, or the end of the run.
        recorded: String,
        /// What the code attempted: kind and address, or returning.
        attempted: String,
    },
    /// The run took the engine down repeatedly while driven alone.
    Poison {
        /// The step in flight at the last of them, or nothing when workflow code itself was.
        step: Option<StepAddress>,
        /// Recoveries earned alone.
        recoveries: u32,
    },
    /// A stored value of the run cannot be read back as it was written.
    Damaged {
        /// The first entry that cannot be trusted.
        seq: Seq,
        /// What is wrong with it.
        what: String,
    },
    /// The binary does not register the run's workflow.
    UnknownWorkflow {
        /// The name the journal holds.
        workflow: WorkflowName,
    },
}

impl std::fmt::Display for QuarantineReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mismatch {
                recorded,
                attempted,
            } => {
                write!(
                    f,
                    "journal and code disagree: recorded {recorded}, attempted {attempted}"
                )
            }
            Self::Poison {
                step: Some(step),
                recoveries,
            } => write!(
                f,
                "engine died {recoveries} times while driving it alone, at last in step {step}"
            ),
            Self::Poison {
                step: None,
                recoveries,
            } => write!(
                f,
                "engine died {recoveries} times while driving it alone, at last in workflow code"
            ),
            Self::Damaged { seq, what } => write!(f, "journal damaged at entry {seq}: {what}"),
            Self::UnknownWorkflow { workflow } => {
                write!(f, "this binary registers no workflow named {workflow}")
            }
        }
    }
}

/// How a failure asks to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureClass {
    /// Try again by the policy.
    Retryable,
    /// Try again, not before this many milliseconds from now.
    RetryAfter {
        /// The wait asked for, in milliseconds.
        delay_ms: u64,
    },
    /// Never try again.
    Terminal,
    /// The attempt took longer than its limit; tried again by the policy.
    TimedOut,
    /// The body or the workflow panicked; tried again by the policy.
    Panicked,
}

impl FailureClass {
    /// The word for it in journals and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::RetryAfter { .. } => "retry-after",
            Self::Terminal => "terminal",
            Self::TimedOut => "timed-out",
            Self::Panicked => "panicked",
        }
    }
}

/// A failure as recorded: replay hands out the same class and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// How it asks to be treated.
    pub class: FailureClass,
    /// What went wrong, in the words of whoever failed.
    pub message: String,
    /// The step whose spent attempts this failure carries, when it left the workflow through one.
    pub step: Option<StepAddress>,
}

impl Failure {
    /// A failure of `class` with `message`, cut to the limit kept in journals.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > crate::limits::ERROR_MESSAGE_BYTES {
            let cut = message.floor_char_boundary(crate::limits::ERROR_MESSAGE_BYTES);
            message.truncate(cut);
        }
        Self {
            class,
            message,
            step: None,
        }
    }
}
