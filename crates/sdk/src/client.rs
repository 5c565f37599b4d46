//! The way into a running engine for code beside workflows, such as a product's HTTP routes.

use std::fmt;
use std::sync::Arc;

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use stepwell_core::{EventId, Payload, RunId, Timestamp};

use crate::event::Event;
use crate::workflow::{TypedWorkflow, Workflow};

/// An event to be sent.
#[derive(Debug, Clone)]
pub struct OutgoingEvent {
    /// Dedupes: the same id starts its runs once. Drawn by the engine when absent.
    pub id: Option<String>,
    /// The event's name.
    pub name: String,
    /// Its data.
    pub data: Value,
    /// What to say of the user, if anything.
    pub user: Option<Value>,
}

/// On which terms a run starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// Starts one run however often it is asked for under this key: a start under a key that is
    /// taken answers the run it started first.
    pub key: Option<String>,
    /// How long the key stays taken once the run has ended. Default: the engine's.
    pub keep_key: Option<Duration>,
    /// The code begins no earlier than this.
    pub at: Option<Timestamp>,
    /// The code begins only after this long.
    pub delay: Option<Duration>,
    /// The run is cancelled when its code has not recorded anything within this time. Default: the
    /// workflow's.
    pub start_within: Option<Duration>,
    /// The run is cancelled when it has not ended within this time. Default: the workflow's.
    pub finish_within: Option<Duration>,
}

/// How a run is named by somebody who did not see it start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunRef {
    /// By its id.
    Id(RunId),
    /// By its workflow and the key it was started under.
    Key {
        /// The workflow's name.
        workflow: String,
        /// The key.
        key: String,
    },
}

impl From<RunId> for RunRef {
    fn from(run: RunId) -> Self {
        Self::Id(run)
    }
}

impl RunRef {
    /// The run of `workflow` that was started under `key`.
    #[must_use]
    pub fn named<W: Workflow>(workflow: &W, key: impl Into<String>) -> Self {
        Self::Key {
            workflow: workflow.name().to_owned(),
            key: key.into(),
        }
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(run) => write!(f, "run {run}"),
            Self::Key { workflow, key } => write!(f, "run of {workflow} under key {key:?}"),
        }
    }
}

/// Why events were not accepted; nothing of the request was kept, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// An event cannot be taken as it is.
    #[error("event {index} is refused: {why}")]
    Refused {
        /// Its place in the request, from 0.
        index: usize,
        /// What is wrong and where.
        why: String,
    },
    /// There is no such workflow or run, or it cannot take what was sent.
    #[error("{why}")]
    NotFound {
        /// What was looked for, and what was found instead.
        why: String,
    },
    /// The engine has as much work as it may hold.
    #[error("engine is at its limit of {what}: try again in {retry_after_s} s")]
    Busy {
        /// Which limit.
        what: &'static str,
        /// When to try again, in seconds.
        retry_after_s: u32,
    },
    /// The store stopped; the events may or may not have been kept.
    #[error("event store failed: {why}")]
    Unavailable {
        /// Why.
        why: String,
    },
    /// The engine is shutting down.
    #[error("engine is shutting down")]
    ShuttingDown,
}

/// The engine's side of a [`Client`].
pub trait Intake: Send + Sync + 'static {
    /// Accepts all of `events` or none; resolves once they and the runs they start are durable.
    fn send(&self, events: Vec<OutgoingEvent>) -> BoxFuture<'_, Result<Vec<EventId>, SendError>>;

    /// Starts a run; resolves once it is durable, with the run that has the key if there is one.
    fn start(
        &self,
        workflow: String,
        input: Payload,
        options: StartOptions,
    ) -> BoxFuture<'_, Result<RunId, SendError>>;

    /// Signals a run; resolves once the signal is durable.
    fn signal(
        &self,
        run: RunRef,
        name: String,
        data: Payload,
    ) -> BoxFuture<'_, Result<(), SendError>>;
}

/// Sends events to the engine this code runs beside.
#[derive(Clone)]
pub struct Client(Arc<dyn Intake>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client of `intake`.
    #[must_use]
    pub fn new(intake: Arc<dyn Intake>) -> Self {
        Self(intake)
    }

    /// Sends several events, all or none; answers their ids once they are durable.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_all(&self, events: Vec<OutgoingEvent>) -> Result<Vec<EventId>, SendError> {
        self.0.send(events).await
    }

    /// Starts a run of `workflow` with `input`; answers its id once it is durable.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn start<W: TypedWorkflow>(
        &self,
        workflow: &W,
        input: &W::Input,
        options: StartOptions,
    ) -> Result<RunId, SendError> {
        let input = serde_json::to_string(input).map_err(|error| SendError::Refused {
            index: 0,
            why: format!("input does not serialise: {error}"),
        })?;
        let name = workflow.name().to_owned();
        self.0.start(name, Payload::from_json(input), options).await
    }

    /// Signals a run, by its id or by the key it was started under.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn signal<T: Serialize>(
        &self,
        run: impl Into<RunRef>,
        signal: &str,
        data: &T,
    ) -> Result<(), SendError> {
        let data = serde_json::to_string(data).map_err(|error| SendError::Refused {
            index: 0,
            why: format!("data does not serialise: {error}"),
        })?;
        let data = Payload::from_json(data);
        self.0.signal(run.into(), signal.to_owned(), data).await
    }

    /// Sends one typed event under `id`, which dedupes it.
    ///
    /// # Errors
    /// See [`SendError`]; an event that does not serialise is refused.
    pub async fn send<E: Event>(
        &self,
        event: &E,
        id: impl Into<String>,
    ) -> Result<EventId, SendError> {
        let refused = |why: String| SendError::Refused { index: 0, why };
        let data = serde_json::to_value(event).map_err(|error| refused(error.to_string()))?;
        let name = E::NAME.to_owned();
        let outgoing = OutgoingEvent {
            id: Some(id.into()),
            name,
            data,
            user: None,
        };
        let ids = self.0.send(vec![outgoing]).await?;
        ids.into_iter()
            .next()
            .ok_or_else(|| refused("engine answered no id".to_owned()))
    }
}
