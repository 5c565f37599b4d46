//! Kinds of steps on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::StepKind;

/// What kind of call a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepJsonKind {
    /// A body with effects outside the engine.
    Run,
    /// A body whose effect is one database transaction.
    Transaction,
    /// The instant of the call.
    Now,
    /// A random number.
    Random,
    /// A ULID.
    Ulid,
    /// A wait for an instant.
    Sleep,
    /// A wait for an event.
    WaitFor,
    /// A wait for a signal.
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

impl StepJsonKind {
    /// Whether a step of this kind does something that others see. What is drawn, waited for or split
    /// is the run's own.
    #[must_use]
    pub const fn has_effect(self) -> bool {
        match self {
            Self::Run
            | Self::Transaction
            | Self::Invoke
            | Self::Start
            | Self::Send
            | Self::SendSignal
            | Self::Undo => true,
            Self::Now
            | Self::Random
            | Self::Ulid
            | Self::Sleep
            | Self::WaitFor
            | Self::Signal
            | Self::Join
            | Self::Map
            | Self::Race
            | Self::Scope => false,
        }
    }
}

impl From<StepKind> for StepJsonKind {
    fn from(kind: StepKind) -> Self {
        match kind {
            StepKind::Run => Self::Run,
            StepKind::Transaction => Self::Transaction,
            StepKind::Now => Self::Now,
            StepKind::Random => Self::Random,
            StepKind::Ulid => Self::Ulid,
            StepKind::Sleep => Self::Sleep,
            StepKind::WaitFor => Self::WaitFor,
            StepKind::Signal => Self::Signal,
            StepKind::Invoke => Self::Invoke,
            StepKind::Start => Self::Start,
            StepKind::Send => Self::Send,
            StepKind::SendSignal => Self::SendSignal,
            StepKind::Join => Self::Join,
            StepKind::Map => Self::Map,
            StepKind::Race => Self::Race,
            StepKind::Scope => Self::Scope,
            StepKind::Undo => Self::Undo,
        }
    }
}
