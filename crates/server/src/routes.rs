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

use stepwell_core::RunId;

use crate::error::ApiError;

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
