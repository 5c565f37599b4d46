//! What a running engine is asked to do to runs, and for their exported journals.

use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use stepwell_core::RunId;
use stepwell_engine::{BulkAsk, ForkAsk, Request, Whom};
use stepwell_server::wire::{BulkJson, ForkJson, RunJson};

use super::Http;
use crate::failure::Failure;

#[derive(Serialize)]
struct Because<'a> {
    reason: &'a str,
}

/// The body of `POST /v1/runs/bulk`.
#[derive(Serialize)]
struct Many<'a> {
    action: &'a str,
    reason: &'a str,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    limit: usize,
}

/// The body of `POST /v1/runs/{id}/fork`.
#[derive(Serialize)]
struct Fork<'a> {
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    dry_run: bool,
}

impl Http {
    pub(crate) async fn put(
        &self,
        run: RunId,
        request: Request,
        reason: &str,
    ) -> Result<RunJson, Failure> {
        let path = ["v1", "runs", &run.to_string(), request.word()];
        let body = text(&Because { reason })?;
        self.ask(Method::POST, &path, &[], Some(body)).await
    }

    pub(crate) async fn bulk(&self, ask: &BulkAsk) -> Result<BulkJson, Failure> {
        let mut many = Many {
            action: ask.request.word(),
            reason: &ask.reason,
            dry_run: ask.dry_run,
            runs: None,
            status: None,
            workflow: None,
            cursor: None,
            limit: ask.limit,
        };
        match &ask.whom {
            Whom::Runs(runs) => many.runs = Some(runs.iter().map(RunId::to_string).collect()),
            Whom::Where(filter) => {
                many.status = filter.status.map(|status| status.word());
                many.workflow = filter.workflow.as_ref().map(|name| name.as_str());
                many.cursor = filter.before.map(|run| run.to_string());
            }
        }
        let path = ["v1", "runs", "bulk"];
        self.ask(Method::POST, &path, &[], Some(text(&many)?)).await
    }

    pub(crate) async fn fork(&self, ask: &ForkAsk, dry_run: bool) -> Result<ForkJson, Failure> {
        let input = ask
            .input
            .as_ref()
            .map(|input| serde_json::from_str(input.as_json()))
            .transpose()
            .map_err(anyhow::Error::from)?;
        let body = text(&Fork {
            from: ask.step.to_string(),
            input,
            version: ask.version,
            dry_run,
        })?;
        let path = ["v1", "runs", &ask.run.to_string(), "fork"];
        self.ask(Method::POST, &path, &[], Some(body)).await
    }

    pub(crate) async fn export(&self, run: RunId) -> Result<String, Failure> {
        let path = ["v1", "runs", &run.to_string(), "export"];
        let line: Box<RawValue> = self.ask(Method::GET, &path, &[], None).await?;
        Ok(line.get().to_owned())
    }
}

fn text(body: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(body).map_err(anyhow::Error::from)?)
}
