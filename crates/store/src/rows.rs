//! The rows beside journals: run heads, events, requests waiting for a run.

use serde::{Deserialize, Serialize};
use stepwell_core::run::{ChildOutcome, Outcome, RunState, RunStatus, due_at};
use stepwell_core::{
    EventId, EventKey, EventOrder, Payload, QuarantineReason, RunId, StepAddress, Timestamp,
    WorkflowName,
};

/// What lists show of a run without reading its journal.
///
/// Written when a run is created, starts or stops waiting, is quarantined or released, and ends;
/// not for each step. A run being driven right now is known to the engine alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHead {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// The version of the code that started it.
    pub version: u32,
    /// The event that started it.
    pub event: EventId,
    /// Its status when the head was written.
    pub status: RunStatus,
    /// When it was created.
    pub started_at: Timestamp,
    /// When the head was written.
    pub changed_at: Timestamp,
    /// When it ended, once it has.
    pub ended_at: Option<Timestamp>,
    /// The instant it waits for, while it does.
    pub wake_at: Option<Timestamp>,
}

impl RunHead {
    /// The head of a run in `state`, as of its last change.
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let status = state.status(state.changed_at);
        let wake_at = due_at(state).filter(|at| *at > Timestamp::ZERO);
        Self {
            run: state.run,
            workflow: state.started.workflow.clone(),
            version: state.started.version,
            event: state.started.event.clone(),
            status,
            started_at: state.started_at,
            changed_at: state.changed_at,
            ended_at: state.outcome.as_ref().map(|_: &Outcome| state.changed_at),
            wake_at: wake_at.filter(|_| status == RunStatus::Waiting),
        }
    }
}

/// An event as stored: once, under its dedupe id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// The dedupe id.
    pub id: EventId,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Payload,
    /// What the sender said of the user, if anything.
    pub user: Option<Payload>,
    /// The sender's version of the event's shape, if given.
    pub v: Option<String>,
    /// The sender's own instant, if given; data, never used for order.
    pub ts: Option<Timestamp>,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The runs it started, created in the same commit.
    pub runs: Vec<RunId>,
}

/// The key of a waiting request: grows with every request the engine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InboxId(pub u128);

/// An event in the index by name and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventKeyRow {
    /// The event.
    pub event: EventId,
    /// When it was accepted.
    pub received_at: Timestamp,
}

/// An event on its way to the runs that waited for it when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// The event.
    pub event: EventId,
    /// What it is matched by.
    pub key: EventKey,
    /// The last run it was handed to; those behind it are still to come.
    pub after: Option<RunId>,
}

/// How far the ticks of a workflow's schedule were considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// The expression they were computed from; another one starts afresh.
    pub expression: String,
    /// The zone.
    pub zone: String,
    /// Ticks up to this instant were started, skipped or passed over.
    pub considered: Timestamp,
    /// The run of the last tick that started one.
    pub last_run: Option<RunId>,
}

/// A request to a run from outside its shard; the shard turns it into an entry and deletes it in
/// one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InboxRow {
    /// Cancel the run.
    Cancel {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// Release the run from quarantine or from a pause.
    Resume,
    /// End the run where it stands.
    Kill {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// An event the run waited for when it was accepted.
    Event {
        /// The event.
        event: EventId,
        /// What it was matched by.
        key: EventKey,
        /// Its place among all events.
        order: EventOrder,
    },
    /// A signal to the run.
    Signal {
        /// Its name.
        name: String,
        /// Its data.
        data: Payload,
    },
    /// A child of the run ended.
    ChildEnded {
        /// The child: the last, if it went on as others.
        run: RunId,
        /// The step that waits for it.
        step: StepAddress,
        /// How.
        outcome: ChildOutcome,
    },
    /// Let nothing new of the run begin.
    Pause {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// Have what failed tried again.
    Retry {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// Set the run aside: a look at it found that it cannot go on.
    Quarantine {
        /// Why.
        reason: QuarantineReason,
    },
}
