//! Journal entries: the transitions of a run, the only thing about a run that is stored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{EventId, EventKey, EventOrder, RunId, Seq, StepAddress, WorkflowName};
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
    /// A person released the run from quarantine, or from a pause.
    Resumed,
    /// The run waits: for an instant, an event, a signal.
    WaitStarted(WaitStarted),
    /// A wait reached its deadline first.
    WaitTimedOut(WaitTimedOut),
    /// An event is put to a wait whose code judges it.
    EventOffered(EventOffered),
    /// A wait has its event.
    EventReceived(EventReceived),
    /// A wait's code turned an event down.
    EventRejected(EventRejected),
    /// A signal arrived; it is kept until code asks for it.
    SignalReceived(SignalReceived),
    /// A run was started by this one.
    ChildStarted(ChildStarted),
    /// The line splits into branches.
    ForkStarted(ForkStarted),
    /// A branch ended; the first to end of a race wins it.
    BranchEnded(BranchEnded),
    /// A scope failed or was cancelled: what it did is undone.
    UndoStarted(UndoStarted),
    /// The run ended and goes on as another with a fresh journal.
    RunContinued(RunContinued),
    /// The run was ended where it stood.
    RunKilled(RunKilled),
    /// Code that asked whether a change applies to the run was told that it does.
    Patched(Patched),
    /// A person holds the run: nothing new of it begins.
    Paused(Paused),
    /// A person has what failed tried again.
    Retried(Retried),
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
    /// Events ordered after this one may satisfy the run's waits.
    pub since: EventOrder,
    /// Who started it and waits for its end.
    pub parent: Option<Parent>,
    /// Events that cancel it.
    pub cancel_on: Vec<Awaited>,
    /// Its code runs no earlier than this.
    pub start_at: Option<Timestamp>,
    /// It is cancelled when its code has not recorded anything by then.
    pub start_by: Option<Timestamp>,
    /// It is cancelled when it has not ended by then.
    pub finish_by: Option<Timestamp>,
    /// The run whose first entries it shares.
    pub forked: Option<ForkedFrom>,
}

/// Where a run was forked from another, whose results before that step it was begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkedFrom {
    /// The other run.
    pub run: RunId,
    /// The first step that is done anew.
    pub step: StepAddress,
}

/// The run that waits for a child, and the step it waits in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run.
    pub run: RunId,
    /// Its step.
    pub step: StepAddress,
}

/// An event somebody waits for: compared in full, name and key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Awaited {
    /// The event's name.
    pub name: String,
    /// The value of its key; empty for events whose type declares none.
    pub key: String,
}

impl Awaited {
    /// The digest it is indexed under.
    #[must_use]
    pub fn digest(&self) -> EventKey {
        EventKey::of(&self.name, &self.key)
    }
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
    /// A wait for an instant.
    Sleep,
    /// A wait for an event.
    WaitFor,
    /// A wait for a signal to this run.
    Signal,
    /// A child run, and the wait for its end.
    Invoke,
    /// A run started and left to itself.
    Start,
    /// Events sent.
    Send,
    /// A signal sent to another run.
    SendSignal,
    /// Branches that all end.
    Join,
    /// A branch for each of many items.
    Map,
    /// Branches the first of which to end wins.
    Race,
    /// A scope whose steps can be undone.
    Scope,
    /// A body that undoes a step.
    Undo,
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
            Self::Sleep => "sleep",
            Self::WaitFor => "wait-for",
            Self::Signal => "signal",
            Self::Invoke => "invoke",
            Self::Start => "start",
            Self::Send => "send",
            Self::SendSignal => "send-signal",
            Self::Join => "join",
            Self::Map => "map",
            Self::Race => "race",
            Self::Scope => "scope",
            Self::Undo => "undo",
        }
    }

    /// Whether it is done by attempts that end with a result: a body, a value drawn, a sending.
    #[must_use]
    pub(crate) const fn is_attempted(self) -> bool {
        match self {
            Self::Run
            | Self::Transaction
            | Self::Now
            | Self::Random
            | Self::Ulid
            | Self::Send
            | Self::SendSignal
            | Self::Undo => true,
            Self::Sleep
            | Self::WaitFor
            | Self::Signal
            | Self::Invoke
            | Self::Start
            | Self::Join
            | Self::Map
            | Self::Race
            | Self::Scope => false,
        }
    }

    /// Whether it can split a line into so many branches.
    #[must_use]
    pub(crate) const fn splits_into(self, branches: u32) -> bool {
        match self {
            Self::Join | Self::Map => true,
            Self::Race => branches > 0,
            Self::Scope => branches == 1,
            Self::Run
            | Self::Transaction
            | Self::Now
            | Self::Random
            | Self::Ulid
            | Self::Send
            | Self::SendSignal
            | Self::Undo
            | Self::Sleep
            | Self::WaitFor
            | Self::Signal
            | Self::Invoke
            | Self::Start => false,
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

/// See [`EntryBody::WaitStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitStarted {
    /// The step that waits.
    pub step: StepAddress,
    /// What it waits for.
    pub on: WaitOn,
    /// For [`WaitOn::Until`] the instant itself, else the deadline, if there is one.
    pub until: Option<Timestamp>,
}

/// What a wait is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitOn {
    /// An instant of the wall clock.
    Until,
    /// An event.
    Event {
        /// Which.
        awaited: Awaited,
        /// Whether the code judges each candidate before it is taken.
        judged: bool,
    },
    /// A signal to this run.
    Signal {
        /// Its name.
        name: String,
    },
}

impl WaitOn {
    /// The kind of step that waits for this.
    #[must_use]
    pub const fn kind(&self) -> StepKind {
        match self {
            Self::Until => StepKind::Sleep,
            Self::Event { .. } => StepKind::WaitFor,
            Self::Signal { .. } => StepKind::Signal,
        }
    }
}

/// See [`EntryBody::WaitTimedOut`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitTimedOut {
    /// The step that waited.
    pub step: StepAddress,
}

/// See [`EntryBody::EventOffered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventOffered {
    /// The step that waits.
    pub step: StepAddress,
    /// The event.
    pub event: EventId,
    /// Its data.
    pub data: Payload,
}

/// See [`EntryBody::EventReceived`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReceived {
    /// The step that waited.
    pub step: StepAddress,
    /// The event; it satisfies no other wait of this run.
    pub event: EventId,
    /// Its data; `None` when it was offered before and the offer holds it.
    pub data: Option<Payload>,
}

/// See [`EntryBody::EventRejected`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRejected {
    /// The step that goes on waiting.
    pub step: StepAddress,
    /// The event it was offered.
    pub event: EventId,
}

/// See [`EntryBody::SignalReceived`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalReceived {
    /// The signal's name.
    pub name: String,
    /// Its data.
    pub data: Payload,
}

/// What becomes of a child when its parent ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentClose {
    /// It is cancelled.
    Cancel,
    /// It goes on.
    Abandon,
}

impl ParentClose {
    /// The word for it in journals and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Abandon => "abandon",
        }
    }
}

/// See [`EntryBody::ChildStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStarted {
    /// The step that started it.
    pub step: StepAddress,
    /// The child.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// Whether the parent goes on at once instead of waiting for the child's end.
    pub detached: bool,
    /// What becomes of it when the parent ends first.
    pub close: ParentClose,
}

/// See [`EntryBody::ForkStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkStarted {
    /// The step that splits its line.
    pub step: StepAddress,
    /// [`StepKind::Join`], [`StepKind::Map`], [`StepKind::Race`] or [`StepKind::Scope`].
    pub kind: StepKind,
    /// How many branches there are.
    pub branches: u32,
    /// How many of them may be under way at a time.
    pub limit: u32,
}

/// See [`EntryBody::BranchEnded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchEnded {
    /// The step that split the line.
    pub fork: StepAddress,
    /// Which branch ended, from 0.
    pub branch: u32,
    /// What the winner of a race returned; branches of other forks are run again on replay.
    pub value: Option<Result<Payload, Failure>>,
}

/// See [`EntryBody::UndoStarted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoStarted {
    /// The scope.
    pub scope: StepAddress,
    /// What its body failed with, which is the scope's result; `None` when the run is cancelled or
    /// the scope's branch lost a race.
    pub failure: Option<Failure>,
}

/// See [`EntryBody::RunContinued`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunContinued {
    /// The run it goes on as.
    pub next: RunId,
}

/// See [`EntryBody::RunKilled`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunKilled {
    /// What the person gave as reason, possibly nothing.
    pub reason: String,
}

/// See [`EntryBody::Patched`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patched {
    /// The line of the code that asked.
    pub branch: Arc<str>,
    /// The name of the change.
    pub patch: String,
}

/// See [`EntryBody::Paused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// What the person gave as reason, possibly nothing.
    pub reason: String,
}

/// See [`EntryBody::Retried`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// What the person gave as reason, possibly nothing.
    pub reason: String,
    /// The steps that are tried again with all their attempts, each the last of its line.
    pub steps: Vec<StepAddress>,
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
    /// The binary registers the run's workflow, but not the version of its code that began it.
    UnknownVersion {
        /// The name the journal holds.
        workflow: WorkflowName,
        /// The version the journal holds.
        version: u32,
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
            Self::UnknownVersion { workflow, version } => write!(
                f,
                "this binary registers workflow {workflow} without version {version}: keep that \
                 version registered until its runs have ended"
            ),
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
