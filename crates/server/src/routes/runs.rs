//! `GET /v1/runs`: runs, newest first, by status and workflow, a page at a time.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use stepwell_core::WorkflowName;
use stepwell_core::run::RunStatus;
use stepwell_store::RunFilter;

use super::bad;
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunListJson;

/// Runs in a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;

/// Most runs in a page.
const LIMIT_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    status: Option<String>,
    workflow: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<RunListJson>, ApiError> {
    let Query(asked) = asked.map_err(|_| {
        bad(
            "query",
            "only `status`, `workflow`, `limit` and `cursor`, each once",
        )
    })?;
    let (filter, limit) = asked.read()?;
    // One more than asked for tells whether there is a next page.
    let views = api.engine.operator().runs(filter, limit + 1).await?;
    Ok(Json(RunListJson::page(views, limit)))
}

impl Asked {
    fn read(&self) -> Result<(RunFilter, usize), ApiError> {
        let status = self.status.as_deref().map(status).transpose()?;
        let limit = match &self.limit {
            None => LIMIT_DEFAULT,
            Some(text) => {
                let within = text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n));
                within.ok_or_else(|| bad("limit", &format!("a number from 1 to {LIMIT_MAX}")))?
            }
        };
        let before = match &self.cursor {
            None => None,
            Some(text) => {
                let expected = "the `cursor` of the page before";
                let run = RunListJson::parse_cursor(text);
                Some(run.ok_or_else(|| bad("cursor", expected))?)
            }
        };
        let workflow = self.workflow.as_deref().map(WorkflowName::new);
        Ok((
            RunFilter {
                status,
                workflow,
                before,
            },
            limit,
        ))
    }
}

pub(super) fn status(word: &str) -> Result<RunStatus, ApiError> {
    let found = RunStatus::ALL
        .into_iter()
        .find(|status| status.word() == word);
    found.ok_or_else(|| {
        let words: Vec<_> = RunStatus::ALL.iter().map(|status| status.word()).collect();
        bad("status", &format!("one of {}", words.join(", ")))
    })
}
