//! `GET /v1/runs/{id}/export`: a run's journal with its input, for another place to replay.

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::run_id;
use crate::error::ApiError;
use crate::router::Api;

/// Answers one line of JSON, without a line break.
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let run = run_id(&id)?;
    let exported = api.engine.operator().export(run).await?;
    let line = exported.to_json().map_err(|wrong| {
        let why = wrong.why;
        ApiError::Damaged(format!("run {run} cannot be exported: {why}"))
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], line))
}
