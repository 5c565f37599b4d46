//! The way into a running engine for code beside workflows, such as a product's HTTP routes.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use stepwell_core::EventId;

use crate::event::Event;

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
