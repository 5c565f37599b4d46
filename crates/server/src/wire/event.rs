//! Events on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::RunId;
use stepwell_core::run::RunStatus;
use stepwell_engine::RunView;
use stepwell_store::EventRow;

use super::raw::Raw;
use super::run::FailureJson;
use super::time::Instant;

/// The answer of `POST /e/{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentJson {
    /// The events' ids, in the order they were sent.
    pub ids: Vec<String>,
    /// The HTTP status once more: 200.
    pub status: u16,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventJson {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Raw,
    /// What the sender said of the user.
    pub user: Option<Raw>,
    /// The sender's version of the event's shape.
    pub v: Option<String>,
    /// The sender's own instant, in milliseconds since 1970.
    pub ts: Option<u64>,
    /// When it was accepted.
    pub received_at: Instant,
    /// The ids of the runs it started.
    pub runs: Vec<String>,
}

/// A run an event started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRunJson {
    /// The run's id.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// Its status.
    pub status: RunStatus,
    /// When it was created.
    pub started_at: Instant,
    /// When it ended, once it has.
    pub ended_at: Option<Instant>,
    /// What the workflow returned, once it has.
    pub output: Option<Raw>,
    /// Why it failed, or what it waits to try again after.
    pub error: Option<FailureJson>,
    /// Why it is quarantined, while it is.
    pub quarantine: Option<String>,
}

impl From<EventRow> for EventJson {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            data: row.data.into(),
            user: row.user.map(Raw),
            v: row.v,
            ts: row.ts.map(stepwell_core::Timestamp::as_ms),
            received_at: row.received_at.into(),
            runs: row.runs.iter().map(RunId::to_string).collect(),
        }
    }
}

impl From<RunView> for EventRunJson {
    fn from(view: RunView) -> Self {
        Self {
            run_id: view.head.run.to_string(),
            workflow: view.head.workflow.to_string(),
            status: view.head.status,
            started_at: view.head.started_at.into(),
            ended_at: view.head.ended_at.map(Instant),
            output: view.output.map(Raw),
            error: view.error.as_ref().map(FailureJson::from),
            quarantine: view.quarantine,
        }
    }
}
