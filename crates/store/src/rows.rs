//! The rows beside journals: run heads, events, requests waiting for a run.

use serde::{Deserialize, Serialize};
use stepwell_core::run::{Next, Outcome, RunState, RunStatus, next};
use stepwell_core::{EventId, Payload, RunId, Timestamp, WorkflowName};

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
        let wake_at = match next(state, state.changed_at) {
            Next::WakeAt(at) => Some(at),
            Next::Drive | Next::Conclude | Next::Held | Next::Done => None,
        };
        Self {
            run: state.run,
            workflow: state.workflow.clone(),
            version: state.version,
            event: state.event.clone(),
            status: state.status(state.changed_at),
            started_at: state.started_at,
            changed_at: state.changed_at,
            ended_at: state.outcome.as_ref().map(|_: &Outcome| state.changed_at),
            wake_at,
        }
    }
}

/// When a run is due: at [`Timestamp::ZERO`] when it has work at once, `None` when only something
/// from outside can give it work.
#[must_use]
pub fn agenda_of(state: &RunState) -> Option<Timestamp> {
    match next(state, state.changed_at) {
        Next::Drive | Next::Conclude => Some(Timestamp::ZERO),
        Next::WakeAt(at) => Some(at),
        Next::Held | Next::Done => None,
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

/// A request to a run from outside its shard; the shard turns it into an entry and deletes it in
/// one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InboxRow {
    /// Cancel the run.
    Cancel {
        /// The reason given, possibly nothing.
        reason: String,
    },
    /// Release the run from quarantine.
    Resume,
}
