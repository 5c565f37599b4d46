//! The way to the other app: one signed event at a time, and what its answer means.

mod http;
pub mod signature;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::app::AppName;
pub use http::{BridgeSettings, HttpBridge, SECRET_BYTES_MIN, UnusableBridge};

/// What a bridge answers, once it does.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), BridgeError>> + Send + 'a>>;

/// An event as it crosses: the same bytes on every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event's id.
    pub id: String,
    /// The event's name.
    pub name: String,
    /// Its data, as JSON. It may name people.
    pub body: String,
}

/// Why an event was not accepted. No variant carries an address, a key or a reply's prose.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BridgeError {
    /// No answer came; the event may have been accepted.
    #[error("send to {app}: no answer came: try again, the event's id makes it one")]
    NoAnswer {
        /// The app.
        app: AppName,
    },
    /// The other app asks to be told again later.
    #[error("send to {app}: it answered {status}: try again later")]
    Unavailable {
        /// The app.
        app: AppName,
        /// The HTTP status.
        status: u16,
        /// Its own word on when.
        retry_after: Option<Duration>,
    },
    /// The other app does not take events from us: a key or a setting is wrong.
    #[error(
        "send to {app}: it answered {status}: correct the keys of the bridge, then release the message"
    )]
    Denied {
        /// The app.
        app: AppName,
        /// The HTTP status.
        status: u16,
    },
    /// The other app will not take this event, whoever sends it.
    #[error("send to {app}: it refused the event with {status}")]
    Refused {
        /// The app.
        app: AppName,
        /// The HTTP status.
        status: u16,
    },
    /// There is no key for that app.
    #[error("send to {app}: no event key is configured for it: set it and start again")]
    NotConfigured {
        /// The app.
        app: AppName,
    },
    /// The message is no JSON.
    #[error("send to {app}: the event's data are not JSON")]
    NotJson {
        /// The app.
        app: AppName,
    },
}

/// What a failure says about sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass by itself.
    Retry,
    /// A person has to correct something first; then it is sent.
    Hold,
    /// It is never taken.
    Refuse,
}

/// Carries events to the other app.
pub trait Bridge: Send + Sync {
    /// Sends `message` to `target`; resolves once the other app has durably accepted it. The same id
    /// again is accepted and changes nothing.
    fn post<'a>(&'a self, target: AppName, message: &'a Message) -> Answer<'a>;
}

impl BridgeError {
    /// What an answer with `status` means: no time, a limit and trouble of the server's own pass;
    /// what cannot be read as an event never will; everything else is for a person.
    #[must_use]
    pub fn of_status(app: AppName, status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            408 | 429 | 500..=599 => Self::Unavailable {
                app,
                status,
                retry_after,
            },
            400 | 413 | 415 | 422 => Self::Refused { app, status },
            _ => Self::Denied { app, status },
        }
    }

    /// Whether sending again may help.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::NoAnswer { .. } | Self::Unavailable { .. } => Verdict::Retry,
            Self::Denied { .. } | Self::NotConfigured { .. } => Verdict::Hold,
            Self::Refused { .. } | Self::NotJson { .. } => Verdict::Refuse,
        }
    }
}

/// The event as the other app's intake reads it.
#[derive(Serialize)]
struct Wire<'a> {
    id: &'a str,
    name: &'a str,
    data: &'a RawValue,
}

impl Message {
    /// The bytes that are sent and signed.
    ///
    /// # Errors
    /// When the body is no JSON.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let data: &RawValue = serde_json::from_str(&self.body)?;
        let (id, name) = (&*self.id, &*self.name);
        serde_json::to_vec(&Wire { id, name, data })
    }
}

#[cfg(test)]
mod tests;
