//! JSON text as it travels through the engine: opaque, shared, never printed whole.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A JSON document as text: a step's result, a run's input, an event's data.
///
/// Kept as text so that any journal can be read without the author's types, and shared so that
/// replay copies nothing. `Debug` prints the length alone, because payloads may hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Wraps text the caller knows to be JSON.
    #[must_use]
    pub fn from_json(json: impl Into<Arc<str>>) -> Self {
        Self(json.into())
    }

    /// The document `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::from_json("null")
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Length of the text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text has no bytes at all, which is never valid JSON.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}
