//! What the server is told from outside.

use axum::Router;
use stepwell_core::limits::{EVENT_BYTES_DEFAULT, EVENTS_PER_REQUEST};

use crate::keys::{Keys, Token};

/// Settings of the routes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys under which `POST /e/{key}` accepts events.
    pub event_keys: Keys,
    /// The token of the operator routes; without one they answer this machine alone.
    pub operator_token: Option<Token>,
    /// Largest request body of `POST /e/{key}`, in bytes.
    pub body_bytes_max: usize,
    /// Largest event, in bytes of JSON.
    pub event_bytes_max: usize,
    /// Most events in one request.
    pub events_max: usize,
    /// Routes of products; ours win where both have one.
    pub product: Router,
}

impl Settings {
    /// Bytes a request body may have unless told otherwise: what fits one commit with its runs.
    pub const BODY_BYTES_DEFAULT: usize = 4 * 1024 * 1024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            event_keys: Keys::default(),
            operator_token: None,
            body_bytes_max: Self::BODY_BYTES_DEFAULT,
            event_bytes_max: EVENT_BYTES_DEFAULT,
            events_max: EVENTS_PER_REQUEST,
            product: Router::new(),
        }
    }
}
