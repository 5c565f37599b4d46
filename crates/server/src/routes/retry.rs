//! `POST /v1/runs/{id}/retry`: a request to try again what failed of a run, durable when answered.

use axum::extract::{Path, Request, State};

use super::reason::asked_reason;
use super::{TakenUp, run_id, taken_up};
use crate::router::Api;

/// Answers 202: the engine takes it up in a moment, in the same run.
pub(crate) async fn retry(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> TakenUp {
    let run = run_id(&id)?;
    let reason = asked_reason(request).await?;
    api.engine.retry(run, &reason).await?;
    taken_up(&api, run).await
}
