//! The routes, one file each.

pub(crate) mod bulk;
pub(crate) mod cancel;
pub(crate) mod event;
pub(crate) mod event_runs;
pub(crate) mod export;
pub(crate) mod fork;
pub(crate) mod health;
pub(crate) mod journal;
pub(crate) mod kill;
pub(crate) mod pause;
mod reason;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod send;
pub(crate) mod signal;
pub(crate) mod signal_by_key;
pub(crate) mod start;
pub(crate) mod store;
pub(crate) mod workflows;

use axum::Json;
use axum::http::StatusCode;
use stepwell_core::RunId;

use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunJson;

/// 202 with the run as it is: what was asked of it is durable, and taken up in a moment.
type TakenUp = Result<(StatusCode, Json<RunJson>), ApiError>;

async fn taken_up(api: &Api, run: RunId) -> TakenUp {
    let view = api.engine.operator().run(run).await?;
    let view = view.ok_or(ApiError::NoSuchRun { run })?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}

/// The run a path names. Digits past the largest id are refused: cut off, they would name another.
fn run_id(text: &str) -> Result<RunId, ApiError> {
    let run: RunId = text.parse().map_err(|_| ApiError::BadRunId)?;
    if run.to_string().eq_ignore_ascii_case(text) {
        Ok(run)
    } else {
        Err(ApiError::BadRunId)
    }
}

fn bad(name: &'static str, expected: &str) -> ApiError {
    ApiError::BadParameter {
        name,
        expected: expected.to_owned(),
    }
}
