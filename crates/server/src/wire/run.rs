//! Runs on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::run::RunStatus;
use stepwell_core::{Failure, RunId, StepAddress};
use stepwell_engine::{InFlight, RunView};

use super::raw::Raw;
use super::time::Instant;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunJson {
    /// Its id.
    pub id: String,
    /// Its workflow.
    pub workflow: String,
    /// The version of the code that started it.
    pub version: u32,
    /// The id of the event that started it.
    pub event: String,
    /// `queued`, `running`, `waiting`, `completed`, `failed`, `cancelled` or `quarantined`.
    pub status: RunStatus,
    /// When it was created.
    pub started_at: Instant,
    /// When it ended, once it has.
    pub ended_at: Option<Instant>,
    /// The instant it waits for, while it does.
    pub wake_at: Option<Instant>,
    /// What the workflow returned, once it has; not in lists.
    pub output: Option<Raw>,
    /// Why it failed, or what it waits to try again after; not in lists.
    pub error: Option<FailureJson>,
    /// Why it is quarantined, while it is; not in lists.
    pub quarantine: Option<String>,
    /// What of it is in flight right now.
    pub in_flight: Option<InFlightJson>,
}

/// A page of runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunListJson {
    /// The runs.
    pub data: Vec<RunJson>,
    /// Where the next page begins; `null` on the last one.
    pub cursor: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureJson {
    /// `retryable`, `retry-after`, `terminal`, `timed-out` or `panicked`.
    pub class: String,
    /// In the words of whoever failed.
    pub message: String,
    /// The step whose attempts were spent, when it failed through one.
    pub step: Option<String>,
}

/// A body, or workflow code, in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightJson {
    /// The step; `null` between steps.
    pub step: Option<String>,
    /// Which attempt, from 1; 0 between steps.
    pub attempt: u32,
    /// Since when.
    pub since: Instant,
}

impl RunListJson {
    /// Up to `limit` of `views`, which may hold one more to tell that there is a next page.
    #[must_use]
    pub fn page(mut views: Vec<RunView>, limit: usize) -> Self {
        let more = views.len() > limit;
        views.truncate(limit);
        let last = views.last().map(|view| view.head.run.to_string());
        Self {
            cursor: last.filter(|_| more),
            data: views.into_iter().map(RunJson::from).collect(),
        }
    }

    /// The run after which `cursor` continues.
    #[must_use]
    pub fn parse_cursor(cursor: &str) -> Option<RunId> {
        cursor.parse().ok()
    }
}

impl From<RunView> for RunJson {
    fn from(view: RunView) -> Self {
        let head = view.head;
        Self {
            id: head.run.to_string(),
            workflow: head.workflow.to_string(),
            version: head.version,
            event: head.event.to_string(),
            status: head.status,
            started_at: head.started_at.into(),
            ended_at: head.ended_at.map(Instant),
            wake_at: head.wake_at.map(Instant),
            output: view.output.map(Raw),
            error: view.error.as_ref().map(FailureJson::from),
            quarantine: view.quarantine,
            in_flight: view.in_flight.map(InFlightJson::from),
        }
    }
}

impl From<&Failure> for FailureJson {
    fn from(failure: &Failure) -> Self {
        Self {
            class: failure.class.word().to_owned(),
            message: failure.message.clone(),
            step: failure.step.as_ref().map(StepAddress::to_string),
        }
    }
}

impl From<InFlight> for InFlightJson {
    fn from(in_flight: InFlight) -> Self {
        Self {
            step: in_flight.step.as_ref().map(StepAddress::to_string),
            attempt: in_flight.attempt,
            since: in_flight.since.into(),
        }
    }
}
