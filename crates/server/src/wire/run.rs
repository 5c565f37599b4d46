//! Runs on the wire.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use stepwell_core::entry::ForkedFrom;
use stepwell_core::run::RunStatus;
use stepwell_core::{Failure, RunId, StepAddress, WaitOn};
use stepwell_engine::{EndAsked, InFlight, OpenWait, PauseAsked, RunView, WaitedFor};

use super::journal::waits_for;
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
    /// `queued`, `running`, `waiting`, `completed`, `failed`, `cancelled`, `quarantined` or
    /// `paused`.
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
    /// Everything it waits for, oldest first; not in lists.
    pub waiting_for: Option<Vec<WaitJson>>,
    /// It is cancelled when its code has not recorded anything by then; not in lists.
    pub start_by: Option<Instant>,
    /// It is cancelled when it has not ended by then; not in lists.
    pub finish_by: Option<Instant>,
    /// The last request to end it, also once it has ended; not in lists.
    pub cancel_requested: Option<CancelJson>,
    /// The run that waits for its end; not in lists.
    pub parent: Option<String>,
    /// The runs it started, in the order it did; not in lists.
    pub children: Option<Vec<String>>,
    /// The run it goes on as; not in lists.
    pub continued_as: Option<String>,
    /// The run it was forked from; not in lists.
    pub forked_from: Option<ForkedFromJson>,
    /// The pause it is in, or has yet to take up; not in lists.
    pub paused: Option<PauseJson>,
}

/// Where a run was forked from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkedFromJson {
    /// The other run.
    pub run: String,
    /// The first step that is done anew.
    pub step: String,
}

/// A request to pause a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseJson {
    /// Since when it is paused; `null` while it has not taken the request up.
    pub since: Option<Instant>,
    /// The reason given, possibly nothing.
    pub reason: String,
}

/// The answer of `POST /v1/runs`: the run, with one field more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StartedJson {
    /// The run.
    #[serde(flatten)]
    pub run: RunJson,
    /// Whether the request started it; `false` when its key was taken.
    pub new: bool,
}

/// One thing a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitJson {
    /// The step; `null` when the whole run waits.
    pub step: Option<String>,
    /// What kind of wait it is.
    pub kind: WaitKind,
    /// For what, in words.
    pub r#for: String,
    /// Since when.
    pub since: Instant,
    /// The instant it is for, or its deadline.
    pub until: Option<Instant>,
}

/// Kinds of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitKind {
    /// For the instant before which the run may not begin.
    Start,
    /// For the next attempt, after one that failed.
    Retry,
    /// For an instant.
    Sleep,
    /// For an event.
    Event,
    /// For a signal.
    Signal,
    /// For the end of a child.
    Child,
}

/// A request to end a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelJson {
    /// When the run took it up; `null` while it has not.
    pub at: Option<Instant>,
    /// The reason given, possibly nothing.
    pub reason: String,
    /// Whether the run is killed: ended where it stands, without undoing anything.
    pub kill: bool,
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
        let standing = view.standing;
        let told = standing.as_ref();
        let text = |run: &RunId| run.to_string();
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
            waiting_for: told.map(|told| told.waits.iter().map(WaitJson::from).collect()),
            start_by: told.and_then(|told| told.start_by.map(Instant)),
            finish_by: told.and_then(|told| told.finish_by.map(Instant)),
            cancel_requested: told.and_then(|told| told.end_asked.as_ref().map(CancelJson::from)),
            parent: told.and_then(|told| told.parent.as_ref().map(text)),
            children: told.map(|told| told.children.iter().map(text).collect()),
            continued_as: told.and_then(|told| told.continued_as.as_ref().map(text)),
            forked_from: told.and_then(|told| told.forked_from.as_ref().map(ForkedFromJson::from)),
            paused: told.and_then(|told| told.paused.as_ref().map(PauseJson::from)),
        }
    }
}

impl<'de> Deserialize<'de> for StartedJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct New {
            new: bool,
        }
        // Read twice: a payload that is passed on as it came cannot be flattened.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let run = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let New { new } = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self { run, new })
    }
}

impl From<&OpenWait> for WaitJson {
    fn from(wait: &OpenWait) -> Self {
        let (kind, r#for) = match &wait.on {
            WaitedFor::Start => (WaitKind::Start, "its start".to_owned()),
            WaitedFor::Retry => (WaitKind::Retry, "the next attempt".to_owned()),
            WaitedFor::Child(run) => (WaitKind::Child, format!("the end of run {run}")),
            WaitedFor::On(on) => {
                let kind = match on {
                    WaitOn::Until => WaitKind::Sleep,
                    WaitOn::Event { .. } => WaitKind::Event,
                    WaitOn::Signal { .. } => WaitKind::Signal,
                };
                (kind, waits_for(on))
            }
        };
        Self {
            step: wait.step.as_ref().map(StepAddress::to_string),
            kind,
            r#for,
            since: wait.since.into(),
            until: wait.until.map(Instant),
        }
    }
}

impl From<&ForkedFrom> for ForkedFromJson {
    fn from(forked: &ForkedFrom) -> Self {
        Self {
            run: forked.run.to_string(),
            step: forked.step.to_string(),
        }
    }
}

impl From<&PauseAsked> for PauseJson {
    fn from(asked: &PauseAsked) -> Self {
        Self {
            since: asked.at.map(Instant),
            reason: asked.reason.clone(),
        }
    }
}

impl From<&EndAsked> for CancelJson {
    fn from(asked: &EndAsked) -> Self {
        Self {
            at: asked.at.map(Instant),
            reason: asked.reason.clone(),
            kill: asked.kill,
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
