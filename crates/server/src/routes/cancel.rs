//! `POST /v1/runs/{id}/cancel`: a request to cancel, durable when answered.

use axum::extract::{Path, Request, State};

use super::reason::asked_reason;
use super::{TakenUp, run_id, taken_up};
use crate::router::Api;

/// Answers 202: the cancellation takes effect at the run's next step boundary.
pub(crate) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> TakenUp {
    let run = run_id(&id)?;
    let reason = asked_reason(request).await?;
    api.engine.cancel(run, &reason).await?;
    taken_up(&api, run).await
}
