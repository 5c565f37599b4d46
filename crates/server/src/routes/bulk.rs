//! `POST /v1/runs/bulk`: one request to many runs, a page at a time.

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use stepwell_core::{RunId, WorkflowName};
use stepwell_engine::{BulkAsk, Request as Asked, Whom};
use stepwell_store::RunFilter;

use super::reason::is_reason;
use super::runs::status;
use super::{bad, run_id};
use crate::body;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::{BulkJson, RunListJson};

/// Longest request, in bytes: ids of as many runs as a page may have.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most runs in a page, and in a page unless the request says otherwise.
const LIMIT_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    action: String,
    #[serde(default)]
    reason: String,
    runs: Option<Vec<String>>,
    status: Option<String>,
    workflow: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// Answers how many runs took the request, or would, and how many did not, with the first of each.
pub(crate) async fn ask(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<BulkJson>, ApiError> {
    let ask = read(&body::read(request, BODY_BYTES_MAX).await?)?;
    let (engine, asked) = (api.engine.clone(), ask.clone());
    // On its own, because this future is dropped when the caller hangs up.
    let asking = tokio::spawn(async move { engine.bulk(&asked).await });
    let page = asking.await.map_err(|_| ApiError::ShuttingDown)??;
    Ok(Json(BulkJson::of(&ask, page)))
}

fn read(body: &[u8]) -> Result<BulkAsk, ApiError> {
    // An array would be taken for the fields in their order.
    let object = body.trim_ascii_start().starts_with(b"{");
    let fields: Option<Fields> = serde_json::from_slice(body).ok().filter(|_| object);
    let fields = fields.ok_or_else(|| {
        let expected = "an object with `action`, and of `runs`, `status`, `workflow`, `limit`, \
                        `cursor`, `dry_run` and `reason` what is needed";
        bad("body", expected)
    })?;
    let request = Asked::ALL
        .into_iter()
        .find(|request| request.word() == fields.action);
    let request = request.ok_or_else(|| {
        let words: Vec<_> = Asked::ALL.iter().map(|request| request.word()).collect();
        bad("action", &format!("one of {}", words.join(", ")))
    })?;
    if !is_reason(&fields.reason) {
        return Err(bad("reason", "up to 1024 bytes on one line"));
    }
    let limit = fields.limit.unwrap_or(LIMIT_MAX);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad("limit", &format!("a number from 1 to {LIMIT_MAX}")));
    }
    Ok(BulkAsk {
        request,
        whom: whom(&fields)?,
        reason: fields.reason,
        limit,
        dry_run: fields.dry_run,
    })
}

/// The runs named, or those selected; never all there are, which nobody means by saying nothing.
fn whom(fields: &Fields) -> Result<Whom, ApiError> {
    let selected = fields.status.is_some() || fields.workflow.is_some();
    match &fields.runs {
        Some(_) if selected || fields.cursor.is_some() => {
            Err(bad("runs", "either `runs`, or `status` and `workflow`"))
        }
        Some(named) if named.len() > LIMIT_MAX => {
            Err(bad("runs", &format!("up to {LIMIT_MAX} run ids")))
        }
        Some(named) => {
            let runs: Result<Vec<RunId>, _> = named.iter().map(|text| run_id(text)).collect();
            Ok(Whom::Runs(runs?))
        }
        None if !selected => Err(bad("runs", "`runs`, or `status` or `workflow` or both")),
        None => {
            let before = fields.cursor.as_deref().map(|text| {
                let expected = "the `cursor` of the page before";
                RunListJson::parse_cursor(text).ok_or_else(|| bad("cursor", expected))
            });
            Ok(Whom::Where(RunFilter {
                status: fields.status.as_deref().map(status).transpose()?,
                workflow: fields.workflow.as_deref().map(WorkflowName::new),
                before: before.transpose()?,
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_runs_or_selects_them_and_never_means_all() {
        let ask = read(br#"{"action":"pause","workflow":"pay","dry_run":true}"#).unwrap();
        assert!(ask.dry_run && ask.request == Asked::Pause && ask.limit == LIMIT_MAX);
        let named = br#"{"action":"retry","runs":["01JD5NRB9WY5BK7GB58PPHFCQG"]}"#;
        assert!(matches!(read(named).unwrap().whom, Whom::Runs(runs) if runs.len() == 1));
        for (body, name) in [
            (r#"{"action":"pause"}"#, "runs"),
            (r#"{"action":"stop","status":"failed"}"#, "action"),
            (r#"{"action":"retry","status":"broken"}"#, "status"),
            (r#"{"action":"retry","status":"failed","limit":0}"#, "limit"),
            (
                r#"{"action":"retry","status":"failed","cursor":"x"}"#,
                "cursor",
            ),
            (r#"{"action":"retry","status":"failed","runs":[]}"#, "runs"),
            (
                r#"{"action":"retry","status":"failed","reason":"a\nb"}"#,
                "reason",
            ),
            (r#"{"action":"retry","where":"failed"}"#, "body"),
            (r#"["retry"]"#, "body"),
        ] {
            let refused = read(body.as_bytes()).unwrap_err();
            let found = match &refused {
                ApiError::BadParameter { name, .. } => *name,
                _ => panic!("{body}: {refused}"),
            };
            assert_eq!(found, name, "{body}");
        }
        let strange = read(br#"{"action":"retry","runs":["abc"]}"#).unwrap_err();
        assert_eq!(strange.code(), "bad-run-id");
    }
}
