//! `POST /e/{key}`: events in, all or none, durable when answered.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use stepwell_core::EventId;

use crate::body;
use crate::error::ApiError;
use crate::event_body::{self, Bounds};
use crate::router::Api;
use crate::wire::SentJson;

/// Bytes up to which a body is parsed where it arrived; longer ones would hold up other requests.
const INLINE_BYTES_MAX: usize = 64 * 1024;

pub(crate) async fn send(
    State(api): State<Api>,
    Path(key): Path<String>,
    request: Request,
) -> Response {
    match accept(&api, &key, request).await {
        Ok(ids) => {
            let ids = ids.iter().map(EventId::to_string).collect();
            Json(SentJson { ids, status: 200 }).into_response()
        }
        Err(error) => error.of_sending(),
    }
}

async fn accept(api: &Api, key: &str, request: Request) -> Result<Vec<EventId>, ApiError> {
    if !api.settings.event_keys.accept(key) {
        // Before the body is looked at: strangers cost nothing.
        return Err(ApiError::UnknownEventKey);
    }
    let bounds = Bounds {
        event_bytes_max: api.settings.event_bytes_max,
        events_max: api.settings.events_max,
    };
    let body = body::read(request, api.settings.body_bytes_max).await?;
    let events = if body.len() <= INLINE_BYTES_MAX {
        event_body::parse(&body, bounds)?
    } else {
        tokio::task::spawn_blocking(move || event_body::parse(&body, bounds))
            .await
            .map_err(|_| ApiError::ShuttingDown)??
    };
    let engine = api.engine.clone();
    // On its own, because this future is dropped when the sender hangs up, and an event that
    // became durable must not be left without its runs being woken.
    let publishing = tokio::spawn(async move { engine.publish(events).await });
    // Crash here: nothing was answered, and the sender tries again with the same ids.
    let published = publishing.await.map_err(|_| ApiError::ShuttingDown)?;
    Ok(published?)
}
