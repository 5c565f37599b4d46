//! `GET /v1/runs/{id}/journal`: one run, entry by entry.

use axum::Json;
use axum::extract::{Path, State};

use super::run_id;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::JournalJson;

pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<JournalJson>, ApiError> {
    let run = run_id(&id)?;
    let view = api.engine.operator().journal(run).await?;
    let view = view.ok_or(ApiError::NoSuchRun { run })?;
    Ok(Json(view.into()))
}
