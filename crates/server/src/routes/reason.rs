//! Why something is asked of a run: the body that such requests share.

use axum::extract::Request;
use serde::Deserialize;

use crate::body;
use crate::error::ApiError;

/// Longest request, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    reason: String,
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
