//! `POST /v1/runs/{id}/pause`: a request to pause a run, durable when answered.

use axum::extract::{Path, Request, State};

use super::reason::asked_reason;
use super::{TakenUp, run_id, taken_up};
use crate::router::Api;

/// Answers 202: bodies in flight end, and nothing new of the run begins.
pub(crate) async fn pause(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> TakenUp {
    let run = run_id(&id)?;
    let reason = asked_reason(request).await?;
    api.engine.pause(run, &reason).await?;
    taken_up(&api, run).await
}
