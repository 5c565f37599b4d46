//! What the server answers instead: a status, a stable code, one sentence.
//!
//! Every code has a page of its name in `docs/errors/`.

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use stepwell::SendError;
use stepwell_core::{EventId, RunId};
use stepwell_engine::OperateError;
use stepwell_store::ReadError;

use crate::event_body::{BodyError, Place};

/// Seconds after which a client may try again when the engine itself names none.
const RETRY_AFTER_S: u32 = 2;

/// Why a request was not met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// `POST /e/{key}` with a key the engine does not have.
    #[error("event key unknown: use one of the keys the engine was started with")]
    UnknownEventKey,
    /// An operator route without the token.
    #[error("operator token missing or wrong: send it as `Authorization: Bearer <token>`")]
    OperatorTokenNeeded,
    /// An operator route, from another machine or by a foreign name, and no token is set.
    #[error(
        "operator routes answer this machine alone: start the engine with an operator token to \
         open them"
    )]
    OperatorRoutesClosed,
    /// The body is not events.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is longer than the limit.
    #[error("body is over the limit of {limit} bytes: send less in a request")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is packed.
    #[error("body has a content encoding: send it as plain JSON")]
    BodyEncoded,
    /// The body stopped coming.
    #[error("body did not arrive within {limit_s} s: send it faster or in smaller requests")]
    BodySlow {
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The body broke off.
    #[error("body broke off before its end: send the request again")]
    BodyCut,
    /// The engine took none of the events.
    #[error("event {index} refused: {why}")]
    EventRefused {
        /// Its place in the request, from 0.
        index: usize,
        /// What is wrong.
        why: String,
    },
    /// The engine has as much work as it may hold.
    #[error("engine is at its limit of {what}: send the request again later")]
    Busy {
        /// Which limit.
        what: &'static str,
        /// When, in seconds.
        retry_after_s: u32,
    },
    /// The engine stops.
    #[error("engine is shutting down: send the request again in a moment")]
    ShuttingDown,
    /// The store stopped writing.
    #[error("store does not accept writes, so the request may not have been kept: {why}")]
    StoreStopped {
        /// Why.
        why: String,
    },
    /// No such event.
    #[error("event {id} is not stored: compare the id with the answer of the request that sent it")]
    NoSuchEvent {
        /// The id asked for.
        id: EventId,
    },
    /// The engine does not take a start or a signal as it is.
    #[error("request refused: {why}")]
    RequestRefused {
        /// What is wrong.
        why: String,
    },
    /// No such workflow, or no run that takes what was sent.
    #[error("{why}")]
    NotFound {
        /// What was looked for, and what there is instead.
        why: String,
    },
    /// No such run.
    #[error("run {run} is not stored: list the runs that are with `GET /v1/runs`")]
    NoSuchRun {
        /// The id asked for.
        run: RunId,
    },
    /// The path's last part is no run id.
    #[error("run id refused: expected 26 characters of Crockford base 32")]
    BadRunId,
    /// A query parameter or field holds something else than what it is for.
    #[error("`{name}` refused: expected {expected}")]
    BadParameter {
        /// Its name.
        name: &'static str,
        /// What it should hold.
        expected: String,
    },
    /// The run's state does not allow what was asked.
    #[error("run {run} is {status}: {why}")]
    RunRefuses {
        /// The run.
        run: RunId,
        /// Its status.
        status: &'static str,
        /// What would have to hold.
        why: String,
    },
    /// The run cannot be forked where it was asked.
    #[error("run {run} cannot be forked: {why}")]
    CannotFork {
        /// The run.
        run: RunId,
        /// What stands in the way.
        why: String,
    },
    /// The event that holds the run's input is gone.
    #[error("input of run {run} is not stored any more: give one")]
    InputGone {
        /// The run.
        run: RunId,
    },
    /// A stored value is not what was written.
    #[error("{0}: run `stepwell journal verify` to see how far the damage goes")]
    Damaged(String),
    /// The store cannot be read.
    #[error("store cannot be read: {0}")]
    StoreUnreadable(String),
    /// No route has this path.
    #[error("no route has this path: see `GET /health` and the routes in the documentation")]
    NoSuchRoute,
    /// The path has no route for this method.
    #[error("this path does not answer {method}")]
    MethodNotAllowed {
        /// The method used.
        method: String,
    },
}

/// The body of an error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// The HTTP status once more.
    pub status: u16,
    /// What went wrong.
    pub error: ErrorBody,
    /// The events accepted: none. Only at `POST /e/{key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
}

/// See [`ErrorReport::error`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The stable code, which names a page of the documentation.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Where in the request, if that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<ErrorPlace>,
}

/// Where in a request something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPlace {
    /// The event, from 0.
    pub index: Option<usize>,
    /// The field of the event.
    pub field: Option<String>,
    /// The byte of the body, from 0.
    pub offset: usize,
}

impl ApiError {
    /// The code that programs compare and that names a page in `docs/errors/`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownEventKey => "unknown-event-key",
            Self::OperatorTokenNeeded => "operator-token-needed",
            Self::OperatorRoutesClosed => "operator-routes-closed",
            Self::Body(BodyError::Malformed { .. }) => "malformed-body",
            Self::Body(BodyError::EventTooLarge { .. }) => "event-too-large",
            Self::Body(BodyError::TooManyEvents { .. }) => "too-many-events",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::BodyEncoded => "body-encoded",
            Self::BodySlow { .. } => "body-slow",
            Self::BodyCut => "body-cut",
            Self::EventRefused { .. } => "event-refused",
            Self::Busy { .. } => "busy",
            Self::ShuttingDown => "shutting-down",
            Self::StoreStopped { .. } => "store-stopped",
            Self::NoSuchEvent { .. } => "no-such-event",
            Self::RequestRefused { .. } => "request-refused",
            Self::NotFound { .. } => "not-found",
            Self::NoSuchRun { .. } => "no-such-run",
            Self::BadRunId => "bad-run-id",
            Self::BadParameter { .. } => "bad-parameter",
            Self::RunRefuses { .. } => "run-refuses",
            Self::CannotFork { .. } => "cannot-fork",
            Self::InputGone { .. } => "input-gone",
            Self::Damaged(_) => "damaged",
            Self::StoreUnreadable(_) => "store-unreadable",
            Self::NoSuchRoute => "no-such-route",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
        }
    }

    /// The HTTP status: 4xx for what will be as wrong next time, 5xx and 429 for what may pass.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownEventKey | Self::OperatorTokenNeeded => StatusCode::UNAUTHORIZED,
            Self::OperatorRoutesClosed => StatusCode::FORBIDDEN,
            Self::Body(BodyError::Malformed { .. } | BodyError::TooManyEvents { .. })
            | Self::BodyCut
            | Self::EventRefused { .. }
            | Self::RequestRefused { .. }
            | Self::BadRunId
            | Self::BadParameter { .. } => StatusCode::BAD_REQUEST,
            Self::Body(BodyError::EventTooLarge { .. }) | Self::BodyTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::BodyEncoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodySlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ShuttingDown | Self::StoreStopped { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound { .. }
            | Self::NoSuchEvent { .. }
            | Self::NoSuchRun { .. }
            | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::RunRefuses { .. } | Self::CannotFork { .. } | Self::InputGone { .. } => {
                StatusCode::CONFLICT
            }
            Self::Damaged(_) | Self::StoreUnreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The answer as a value, for a client or a log.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        let at = match self {
            Self::Body(BodyError::Malformed { place, .. }) => Some(ErrorPlace::from(place)),
            _ => None,
        };
        let error = ErrorBody {
            code: self.code().to_owned(),
            message: self.to_string(),
            at,
        };
        ErrorReport {
            status: self.status().as_u16(),
            error,
            ids: None,
        }
    }

    /// When to try again, for errors that may pass.
    fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Busy { retry_after_s, .. } => Some((*retry_after_s).max(1)),
            Self::ShuttingDown | Self::StoreStopped { .. } => Some(RETRY_AFTER_S),
            _ => None,
        }
    }

    /// What a start or a signal was answered: there is no event to point at.
    pub(crate) fn of_call(error: SendError) -> Self {
        match error {
            SendError::Refused { why, .. } => Self::RequestRefused { why },
            error @ (SendError::NotFound { .. }
            | SendError::Busy { .. }
            | SendError::Unavailable { .. }
            | SendError::ShuttingDown) => Self::from(error),
        }
    }

    fn respond(&self, report: ErrorReport) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(code = self.code(), error = %self, "request not met");
        }
        let mut response = (status, Json(report)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if *self == Self::ShuttingDown {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The answer of `POST /e/{key}`, which names the accepted events even when there are none.
    pub(crate) fn of_sending(self) -> Response {
        let ids = Some(Vec::new());
        let report = ErrorReport {
            ids,
            ..self.report()
        };
        self.respond(report)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let report = self.report();
        self.respond(report)
    }
}

impl From<&Place> for ErrorPlace {
    fn from(place: &Place) -> Self {
        Self {
            index: place.index,
            field: place.field.map(str::to_owned),
            offset: place.offset,
        }
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused { index, why } => Self::EventRefused { index, why },
            SendError::Busy {
                what,
                retry_after_s,
            } => Self::Busy {
                what,
                retry_after_s,
            },
            SendError::NotFound { why } => Self::NotFound { why },
            SendError::Unavailable { why } => Self::StoreStopped { why },
            SendError::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl From<OperateError> for ApiError {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::NoSuchRun(run) => Self::NoSuchRun { run },
            OperateError::Refused { run, status, why } => Self::RunRefuses {
                run,
                status: status.word(),
                why,
            },
            OperateError::Fork { run, why } => Self::CannotFork { run, why },
            OperateError::NoInput { run } => Self::InputGone { run },
            OperateError::NotStored { why, .. } => Self::StoreStopped { why },
            OperateError::Read(error) => Self::from(error),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged { .. } | ReadError::DamagedValue { .. } => {
                Self::Damaged(error.to_string())
            }
            ReadError::Failed { why } => Self::StoreUnreadable(why),
        }
    }
}
