//! `POST /v1/runs/{id}/retry`: a request to try again what failed of a run, durable when answered.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;

use super::cancel::asked_reason;
use super::run_id;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunJson;

/// Answers 202 with the run as it is: the engine takes it up in a moment, in the same run.
pub(crate) async fn retry(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<RunJson>), ApiError> {
    let run = run_id(&id)?;
    let reason = asked_reason(request).await?;
    api.engine.retry(run, &reason).await?;
    let view = api.engine.operator().run(run).await?;
    let view = view.ok_or(ApiError::NoSuchRun { run })?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}
