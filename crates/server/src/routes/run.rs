//! `GET /v1/runs/{id}`: one run.

use axum::Json;
use axum::extract::{Path, State};

use super::run_id;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunJson;

pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<RunJson>, ApiError> {
    let run = run_id(&id)?;
    let view = api.engine.operator().run(run).await?;
    let view = view.ok_or(ApiError::NoSuchRun { run })?;
    Ok(Json(view.into()))
}
