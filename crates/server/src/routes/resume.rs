//! `POST /v1/runs/{id}/resume`: a request to leave quarantine or a pause, durable when answered.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::run_id;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunJson;

/// Answers 202 with the run as it is: the engine takes it up in a moment.
pub(crate) async fn resume(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<RunJson>), ApiError> {
    let run = run_id(&id)?;
    api.engine.resume(run).await?;
    let view = api.engine.operator().run(run).await?;
    let view = view.ok_or(ApiError::NoSuchRun { run })?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}
