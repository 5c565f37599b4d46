//! HTTP: routes, wire types, errors to status codes, a mount point for product routes.
//!
//! The way of a request, file by file: `serve` accepts the connection within its limits, `router`
//! finds the route, `guard` asks who may use it, `routes/` has one file for each, `wire` is what
//! goes out, and [`ApiError`] is what goes out instead. `POST /e/{key}` reads its body through
//! `body` (bytes, bounded) and [`event_body`] (bytes to events, all or none).
//!
//! **Architecture invariant.** The engine's own types never travel: [`wire`] has the server's, so
//! that a change inside cannot change the API by accident. Payloads are passed on as the text that
//! came in and are never logged.

mod body;
mod error;
pub mod event_body;
mod guard;
mod keys;
mod router;
mod routes;
mod serve;
mod settings;
pub mod wire;

pub use error::{ApiError, ErrorBody, ErrorPlace, ErrorReport};
pub use guard::Peer;
pub use keys::{Keys, Token};
pub use router::router;
pub use serve::{ServeLimits, Server};
pub use settings::{Settings, StoreLook};
