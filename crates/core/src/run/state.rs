//! What is known of a run: the fold of its journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::command::Subject;
use super::lines::Lines;
use super::waiters::Waiters;
use crate::entry::{Failure, ParentClose, QuarantineReason, RunStarted, StepKind, WaitOn};
use crate::ids::{EventId, EventKey, RunId, Seq, StepAddress, is_undo_line, is_within};
use crate::payload::Payload;
use crate::time::Timestamp;

/// The state of one run. Made by [`fold`](super::fold), changed by [`apply`](super::apply) alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// How it was started; from the first entry.
    pub started: RunStarted,
    /// When the first entry was decided.
    pub started_at: Timestamp,
    /// When the last entry was decided.
    pub changed_at: Timestamp,
    /// The number the next entry gets; grows with every entry.
    pub next_seq: Seq,
    /// Bytes of payload the journal holds, the input included.
    pub bytes: u64,
    /// The lines of the run: its own, and one for each branch of each fork.
    pub lines: Lines,
    /// What is known of each address the journal speaks of.
    pub steps: BTreeMap<StepAddress, StepState>,
    /// The steps that have a result, in the order they got it: the order in which results are
    /// handed to code, live and on every replay.
    pub results: Vec<StepAddress>,
    /// What the run's open waits are indexed under, and how many waits there are of each.
    pub listening: BTreeMap<EventKey, u32>,
    /// The steps that wait for an event, a signal or a child, oldest first.
    pub waiting: Vec<StepAddress>,
    /// [`RunState::waiting`] by what is waited for.
    pub(super) waiters: Waiters,
    /// Events that satisfied a wait of this run, which satisfy no other.
    pub received: BTreeSet<EventId>,
    /// Signals that arrived and were not asked for yet, oldest first.
    pub signals: BTreeMap<String, VecDeque<Payload>>,
    /// Runs started by this one that a close or a cancellation of it concerns.
    pub children: BTreeMap<RunId, Child>,
    /// Scopes that have begun and not ended.
    pub open_scopes: BTreeSet<StepAddress>,
    /// Failures of workflow code since its last progress, and when it is replayed.
    pub code_failures: u32,
    /// When workflow code is replayed after a failure.
    pub code_retry_at: Option<Timestamp>,
    /// The changes that code was told apply to the run, by the line that asked.
    pub patches: BTreeSet<(Arc<str>, String)>,
    /// Whether the run was in flight at a crash and has made no progress since.
    pub suspicion: Option<Suspicion>,
    /// A person holds the run.
    pub paused: Option<Pause>,
    /// A cancellation asked for and not yet concluded.
    pub cancel: Option<Cancel>,
    /// Why the run is untouched, while it is.
    pub quarantined: Option<QuarantineReason>,
    /// How the run ended, once it has.
    pub outcome: Option<Outcome>,
    /// How often it had failed and was taken up again. Its deadlines are over with the first time:
    /// that was a person's decision.
    pub reopened: u32,
}

/// A run that this one started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The step that started it.
    pub step: StepAddress,
    /// Whether that step waits for its end.
    pub awaited: bool,
    /// What becomes of it when this run ends first.
    pub close: ParentClose,
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
    /// Attempts before a person had it tried again.
    pub spent: u32,
    /// What it is about, for a wait or a child.
    pub subject: Option<Subject>,
    /// Its branches, for a fork.
    pub shape: Option<Shape>,
    /// How far it is.
    pub progress: StepProgress,
}

/// The branches of a fork, as they were when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many there are.
    pub branches: u32,
    /// How many may be under way at a time; they begin in order, as others end.
    pub limit: u32,
}

impl StepState {
    /// The number of the attempt that would come next, from 1, crashes counted.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.spent
            .saturating_add(self.failures)
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
    /// It waits for something outside.
    Waiting(Box<Wait>),
    /// Its branches are under way.
    Forked(Box<Fork>),
    /// Its result is recorded.
    Done(StepOutcome),
}

/// A wait that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub on: Awaiting,
    /// The instant it is for, or its deadline.
    pub until: Option<Timestamp>,
    /// A candidate its code has not judged yet.
    pub offered: Option<(EventId, Payload)>,
    /// Candidates its code turned down.
    pub rejected: BTreeSet<EventId>,
    /// Whether stored events are to be looked at again: one that was offered was turned down, and
    /// others may have come meanwhile.
    pub look: bool,
}

/// What an open wait is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaiting {
    /// Time or something that is sent.
    On(WaitOn),
    /// The end of a child.
    Child(RunId),
}

/// A fork whose branches are under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// Its branches.
    pub shape: Shape,
    /// The branches that ended.
    pub ended: BTreeSet<u32>,
    /// Whether a scope is undoing what it did.
    pub undoing: bool,
    /// What the body of an undoing scope failed with.
    pub failure: Option<Failure>,
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
    /// It waited until its deadline.
    TimedOut,
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
    /// How many results there were before: those after it are recorded and not acted upon.
    pub results: usize,
}

/// A run that a person holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
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
    /// The run goes on as another, whose outcome is its own.
    Continued(RunId),
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
    /// Held by a person.
    Paused,
}

impl RunStatus {
    /// All statuses, in the order in which lists name them.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Quarantined,
        Self::Paused,
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
            Self::Paused => "paused",
        }
    }

    /// Whether the run has ended: it changes no more, unless a person has a failed one retried.
    #[must_use]
    pub const fn ended(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Queued | Self::Running | Self::Waiting | Self::Quarantined | Self::Paused => {
                false
            }
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
        let last = self.lines.get(branch)?.steps.last()?;
        match self.steps.get(last)?.progress {
            StepProgress::Open { .. } | StepProgress::Waiting(_) | StepProgress::Forked(_) => {
                Some(last)
            }
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

    /// Whether code of the run has recorded anything.
    #[must_use]
    pub fn code_began(&self) -> bool {
        !self.steps.is_empty() || self.code_failures > 0 || !self.patches.is_empty()
    }

    /// Whether nothing new may begin on `branch`: no code runs on it, or the run is being cancelled
    /// and this is not the line on which a scope undoes what it did.
    #[must_use]
    pub fn held(&self, branch: &str) -> bool {
        let cancelled = self.cancel.is_some() && !is_undo_line(branch);
        cancelled || !self.lines.is_live(branch)
    }

    /// Whether nothing new begins on `branch` for the time being: it is [`held`](Self::held), or a
    /// person paused the run, of which bodies in flight end and are recorded all the same.
    #[must_use]
    pub fn stands_still(&self, branch: &str) -> bool {
        self.paused.is_some() || self.held(branch)
    }

    /// Whether results of steps on `branch` are taken: code runs on it, or a scope around it has
    /// yet to learn what there is to undo.
    #[must_use]
    pub fn under_way(&self, branch: &str) -> bool {
        let lost = || self.lines.is_lost(branch);
        self.lines.is_live(branch) || (lost() && self.learned_of(branch))
    }

    /// The scopes within `line` that have begun and not ended.
    pub fn scopes_within<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a StepAddress> {
        let first = StepAddress {
            branch: Arc::from(line),
            name: Arc::from(""),
            nth: 0,
        };
        let from = self.open_scopes.range(first..);
        let within = move |scope: &&StepAddress| is_within(&scope.branch, line);
        from.take_while(move |scope| scope.branch.starts_with(line))
            .filter(within)
    }

    /// The status of the run at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> RunStatus {
        match &self.outcome {
            Some(Outcome::Completed(_) | Outcome::Continued(_)) => return RunStatus::Completed,
            Some(Outcome::Failed(_)) => return RunStatus::Failed,
            Some(Outcome::Cancelled) => return RunStatus::Cancelled,
            None => {}
        }
        if self.quarantined.is_some() {
            return RunStatus::Quarantined;
        }
        if self.paused.is_some() {
            return RunStatus::Paused;
        }
        match super::next(self, now) {
            super::Next::WakeAt(_) | super::Next::Await => RunStatus::Waiting,
            super::Next::Drive | super::Next::Conclude | super::Next::Expire
                if self.next_seq == Seq(1) =>
            {
                RunStatus::Queued
            }
            super::Next::Drive
            | super::Next::Conclude
            | super::Next::Expire
            | super::Next::Held
            | super::Next::Done => RunStatus::Running,
        }
    }
}
