//! `POST /v1/runs/{id}/resume`: a request to leave quarantine or a pause, durable when answered.

use axum::extract::{Path, State};

use super::{TakenUp, run_id, taken_up};
use crate::router::Api;

/// Answers 202: the engine takes it up in a moment.
pub(crate) async fn resume(State(api): State<Api>, Path(id): Path<String>) -> TakenUp {
    let run = run_id(&id)?;
    api.engine.resume(run).await?;
    taken_up(&api, run).await
}
