//! What the server is told from outside.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use stepwell_core::limits::{EVENT_BYTES_DEFAULT, EVENTS_PER_REQUEST};
use stepwell_store::ReadError;

use crate::keys::{Keys, Token};
use crate::wire::StoreJson;

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
    /// A look at the store, which alone knows what it is; without one `/v1/store` is no route.
    pub store: Option<StoreLook>,
    /// Routes of products; ours win where both have one.
    pub product: Router,
}

/// How the server learns what the store is, without knowing which one it has.
#[derive(Clone)]
pub struct StoreLook(Arc<dyn Fn() -> Result<StoreJson, ReadError> + Send + Sync>);

impl StoreLook {
    /// A look that may block on the disk.
    pub fn new(look: impl Fn() -> Result<StoreJson, ReadError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    pub(crate) fn look(&self) -> Result<StoreJson, ReadError> {
        (self.0)()
    }
}

impl fmt::Debug for StoreLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLook")
    }
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
            store: None,
            product: Router::new(),
        }
    }
}
