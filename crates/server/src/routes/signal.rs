//! `POST /v1/runs/{id}/signals/{name}`: a signal to a run, durable when answered.

use axum::extract::{Path, Request, State};
use stepwell::{RunRef, SendError};
use stepwell_core::limits::JSON_DEPTH;
use stepwell_core::{Payload, RunId};

use super::{TakenUp, run_id, taken_up};
use crate::body;
use crate::error::ApiError;
use crate::event_body;
use crate::router::Api;

/// Answers 202 with the run the signal went to: the one named, or the one it goes on as.
pub(crate) async fn signal(
    State(api): State<Api>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> TakenUp {
    let run = run_id(&id)?;
    let sent = sent_data(&api, request).await?;
    match api.engine.signal(RunRef::Id(run), name, sent).await {
        Ok(run) => taken_up(&api, run).await,
        Err(SendError::NotFound { why }) => Err(not_taken(&api, run, why).await?),
        Err(error) => Err(ApiError::of_call(error)),
    }
}

/// The data of a signal: the body, any JSON; `null` when there is none.
pub(super) async fn sent_data(api: &Api, request: Request) -> Result<Payload, ApiError> {
    let body = body::read(request, api.settings.event_bytes_max).await?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Payload::null());
    }
    Ok(Payload::from_json(event_body::value(&body, JSON_DEPTH)?))
}

/// Why a run took no signal, in the words of the other routes of a run.
async fn not_taken(api: &Api, run: RunId, why: String) -> Result<ApiError, ApiError> {
    let view = api.engine.operator().run(run).await?;
    Ok(match view.map(|view| view.head.status) {
        None => ApiError::NoSuchRun { run },
        Some(status) if status.ended() => ApiError::RunRefuses {
            run,
            status: status.word(),
            why: "a run that has ended takes no signal".to_owned(),
        },
        Some(_) => ApiError::NotFound { why },
    })
}
