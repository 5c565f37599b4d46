//! `POST /v1/runs/{id}/cancel`: a request to cancel, durable when answered.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::run_id;
use crate::body;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunJson;

/// Longest request, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    reason: String,
}

/// Answers 202 with the run as it is: the cancellation takes effect at its next step boundary.
pub(crate) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<RunJson>), ApiError> {
    let run = run_id(&id)?;
    let reason = asked_reason(request).await?;
    api.engine.cancel(run, &reason).await?;
    let view = api.engine.operator().run(run).await?;
    let view = view.ok_or(ApiError::NoSuchRun { run })?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}

/// Why something is asked of a run, as the request says.
pub(super) async fn asked_reason(request: Request) -> Result<String, ApiError> {
    reason(&body::read(request, BODY_BYTES_MAX).await?)
}

fn reason(body: &[u8]) -> Result<String, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(String::new());
    }
    // An array would be taken for the fields in their order.
    let object = body.trim_ascii_start().starts_with(b"{");
    let asked: Option<Asked> = serde_json::from_slice(body).ok().filter(|_| object);
    asked
        .map(|asked| asked.reason)
        .filter(|reason| is_reason(reason))
        .ok_or_else(|| {
            let expected = format!(
                "no body, or {{\"reason\": \"…\"}} of up to {REASON_BYTES_MAX} bytes on one line"
            );
            ApiError::BadParameter {
                name: "reason",
                expected,
            }
        })
}

/// Whether the text can be kept as a reason.
pub(super) fn is_reason(text: &str) -> bool {
    text.len() <= REASON_BYTES_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_optional_and_bounded() {
        assert_eq!(reason(b""), Ok(String::new()));
        assert_eq!(reason(b" \n"), Ok(String::new()));
        assert_eq!(reason(b"{}"), Ok(String::new()));
        assert_eq!(reason(br#"{"reason":"typo"}"#), Ok("typo".to_owned()));
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(REASON_BYTES_MAX + 1));
        for wrong in [
            "[]",
            "7",
            r#"{"why":"typo"}"#,
            r#"{"reason":"a\nb"}"#,
            &long,
        ] {
            assert!(reason(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
