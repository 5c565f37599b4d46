//! Journals on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::run::RunStatus;
use stepwell_core::{Entry, EntryBody, StepAddress, StepKind};
use stepwell_engine::JournalView;

use super::raw::Raw;
use super::run::FailureJson;
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
    /// Why: of a quarantine or a cancellation.
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
    /// A person released the run from quarantine.
    Resumed,
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
        }
    }
}

/// What kind of call a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
}

impl From<StepKind> for StepJsonKind {
    fn from(kind: StepKind) -> Self {
        match kind {
            StepKind::Run => Self::Run,
            StepKind::Transaction => Self::Transaction,
            StepKind::Now => Self::Now,
            StepKind::Random => Self::Random,
            StepKind::Ulid => Self::Ulid,
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
            EntryBody::CancelRequested(cancel) => Self {
                reason: Some(cancel.reason),
                ..bare(EntryKind::CancelRequested)
            },
            EntryBody::RunCompleted(completed) => Self {
                output: Some(completed.output.into()),
                ..bare(EntryKind::RunCompleted)
            },
            EntryBody::RunFailed(failed) => Self {
                error: Some(FailureJson::from(&failed.failure)),
                ..bare(EntryKind::RunFailed)
            },
            EntryBody::RunCancelled => bare(EntryKind::RunCancelled),
            EntryBody::Quarantined(held) => Self {
                reason: Some(held.reason.to_string()),
                ..bare(EntryKind::Quarantined)
            },
            EntryBody::Resumed => bare(EntryKind::Resumed),
        }
    }
}
