//! `POST /v1/runs/{id}/kill`: a request to end a run where it stands, durable when answered.

use axum::extract::{Path, Request, State};

use super::reason::asked_reason;
use super::{TakenUp, run_id, taken_up};
use crate::router::Api;

/// Answers 202: the run ends without undoing anything, in a moment.
pub(crate) async fn kill(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> TakenUp {
    let run = run_id(&id)?;
    let reason = asked_reason(request).await?;
    api.engine.kill(run, &reason).await?;
    taken_up(&api, run).await
}
