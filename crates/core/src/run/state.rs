//! What is known of a run: the fold of its journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::entry::{Failure, QuarantineReason, StepKind};
use crate::ids::{EventId, RunId, Seq, StepAddress, WorkflowName};
use crate::payload::Payload;
use crate::time::Timestamp;

/// The state of one run. Made by [`fold`](super::fold), changed by [`apply`](super::apply) alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// Its workflow; from the first entry.
    pub workflow: WorkflowName,
    /// The version of the code that started it; from the first entry.
    pub version: u32,
    /// The event whose data is its input; from the first entry.
    pub event: EventId,
    /// When the first entry was decided.
    pub started_at: Timestamp,
    /// When the last entry was decided.
    pub changed_at: Timestamp,
    /// The number the next entry gets; grows with every entry.
    pub next_seq: Seq,
    /// Bytes of payload the journal holds, the input included.
    pub bytes: u64,
    /// The addresses each branch has journaled something for, in the order of their first entry.
    pub order: BTreeMap<Arc<str>, Vec<StepAddress>>,
    /// What is known of each of those addresses.
    pub steps: BTreeMap<StepAddress, StepState>,
    /// Failures of workflow code since its last progress, and when it is replayed.
    pub code_failures: u32,
    /// When workflow code is replayed after a failure.
    pub code_retry_at: Option<Timestamp>,
    /// Whether the run was in flight at a crash and has made no progress since.
    pub suspicion: Option<Suspicion>,
    /// A cancellation asked for and not yet concluded.
    pub cancel: Option<Cancel>,
    /// Why the run is untouched, while it is.
    pub quarantined: Option<QuarantineReason>,
    /// How the run ended, once it has.
    pub outcome: Option<Outcome>,
}

/// What is known of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepState {
    /// What kind of call it is.
    pub kind: StepKind,
    /// Attempts that failed by their own account; these spend the retry budget.
    pub failures: u32,
    /// Attempts cut short by a crash of the engine.
    pub recoveries: u32,
    /// How far it is.
    pub progress: StepProgress,
}

impl StepState {
    /// The number of the attempt that would come next, from 1, crashes counted.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.failures
            .saturating_add(self.recoveries)
            .saturating_add(1)
    }
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepProgress {
    /// No result yet; the next attempt is due at the instant, or at once.
    Open {
        /// When the next attempt is due, after a failure.
        retry_at: Option<Timestamp>,
    },
    /// Its result is recorded.
    Done(StepOutcome),
}

/// The recorded result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It succeeded with this output.
    Succeeded(Payload),
    /// Its attempts are spent, or its failure was terminal.
    Failed {
        /// The last failure.
        failure: Failure,
        /// Attempts made, crashes counted.
        attempts: u32,
    },
}

/// A run that was in flight at a crash, until it makes progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// The step in flight at the last of them, or `None` when workflow code was.
    pub step: Option<StepAddress>,
    /// Crashes it saw while it was the only run driven.
    pub alone: u32,
}

/// A cancellation that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// When.
    pub at: Timestamp,
    /// The reason given, possibly nothing.
    pub reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The workflow returned this.
    Completed(Payload),
    /// The workflow failed with this.
    Failed(Failure),
    /// The run was cancelled.
    Cancelled,
}

/// The word for a run's state in lists, the API and the CLI.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Created; nothing of it has run.
    Queued,
    /// Has work due.
    Running,
    /// Nothing due until an instant or until something happens.
    Waiting,
    /// Ended with an output.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended because it was cancelled.
    Cancelled,
    /// Untouched until a person decides.
    Quarantined,
}

impl RunStatus {
    /// All statuses, in the order of a run's life.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Quarantined,
    ];

    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Quarantined => "quarantined",
        }
    }

    /// Whether the run has ended and never changes again.
    #[must_use]
    pub const fn ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Queued | Self::Running | Self::Waiting | Self::Quarantined => false,
        }
    }
}

impl std::fmt::Display for RunStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl RunState {
    /// The step of `branch` that has an entry and no result, if there is one: always its last.
    pub(super) fn open_step(&self, branch: &str) -> Option<&StepAddress> {
        let last = self.order.get(branch)?.last()?;
        match self.steps.get(last)?.progress {
            StepProgress::Open { .. } => Some(last),
            StepProgress::Done(_) => None,
        }
    }

    /// Deaths of the engine that can only be this run's doing, one more counted if it was `alone`.
    ///
    /// Whichever step was in flight: a run that dies now here, now there dies all the same.
    pub(super) fn died_alone(&self, alone: bool) -> u32 {
        let before = self.suspicion.as_ref().map_or(0, |found| found.alone);
        before.saturating_add(u32::from(alone))
    }

    /// The status of the run at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> RunStatus {
        match &self.outcome {
            Some(Outcome::Completed(_)) => return RunStatus::Completed,
            Some(Outcome::Failed(_)) => return RunStatus::Failed,
            Some(Outcome::Cancelled) => return RunStatus::Cancelled,
            None => {}
        }
        if self.quarantined.is_some() {
            return RunStatus::Quarantined;
        }
        match super::next(self, now) {
            super::Next::WakeAt(_) => RunStatus::Waiting,
            super::Next::Drive | super::Next::Conclude if self.next_seq == Seq(1) => {
                RunStatus::Queued
            }
            super::Next::Drive | super::Next::Conclude | super::Next::Held | super::Next::Done => {
                RunStatus::Running
            }
        }
    }
}
