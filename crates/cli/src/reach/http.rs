//! A running engine, asked over HTTP.

use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use stepwell_core::RunId;
use stepwell_server::ErrorReport;
use stepwell_server::wire::{
    EventRunJson, HealthJson, JournalJson, ListJson, RunJson, RunListJson, SentJson, StartedJson,
    StoreJson, WorkflowJson,
};

use super::Wanted;
use crate::exit::Exit;
use crate::failure::Failure;

/// How long the engine may take to accept a connection.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// How long the engine may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// A client of a running engine.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Http {
    /// A client of the engine at `url`. Shows `STEPWELL_OPERATOR_TOKEN`, when it is set.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(url: &str) -> Result<Self, Failure> {
        let no_url =
            |why: &str| Failure::usage(format_args!("{url:?} is no URL of an engine: {why}"));
        let base = Url::parse(url).map_err(|error| no_url(&error.to_string()))?;
        if base.scheme() != "http" && base.scheme() != "https" {
            return Err(no_url("expected http:// or https://"));
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECTS_WITHIN)
            .timeout(ANSWERS_WITHIN)
            .redirect(reqwest::redirect::Policy::none());
        if base.scheme() == "http" {
            // Neither a proxy nor certificates stand between a machine and itself.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            Failure::said(
                Exit::Failed,
                "failed",
                format_args!("no HTTP client: {error}"),
            )
        })?;
        let token = std::env::var("STEPWELL_OPERATOR_TOKEN")
            .ok()
            .filter(|token| !token.is_empty());
        Ok(Self {
            client,
            base,
            token,
        })
    }

    /// The failure of finding nobody there.
    pub(crate) fn silent(place: &str) -> Failure {
        let sentence = format!(
            "no engine answers {place}: start one with `stepwell serve`, or name its data directory \
             with --data"
        );
        Failure::said(Exit::Unreachable, "engine-unreachable", sentence)
    }

    /// How the engine is, also when it is not ready.
    ///
    /// # Errors
    /// When nobody answers, or no engine does.
    pub async fn health(&self) -> Result<HealthJson, Failure> {
        let (_, text) = self.exchange(Method::GET, &["health"], &[], None).await?;
        decode(&text)
    }

    /// Sends events under `key`: an object or an array of them, as JSON text.
    ///
    /// # Errors
    /// As the engine answers.
    pub async fn send(&self, key: &str, events: String) -> Result<SentJson, Failure> {
        self.ask(Method::POST, &["e", key], &[], Some(events)).await
    }

    /// A run.
    ///
    /// # Errors
    /// As the engine answers.
    pub async fn run(&self, run: RunId) -> Result<RunJson, Failure> {
        self.ask(Method::GET, &["v1", "runs", &run.to_string()], &[], None)
            .await
    }

    /// A run's journal.
    ///
    /// # Errors
    /// As the engine answers.
    pub async fn journal(&self, run: RunId) -> Result<JournalJson, Failure> {
        self.ask(
            Method::GET,
            &["v1", "runs", &run.to_string(), "journal"],
            &[],
            None,
        )
        .await
    }

    /// The runs an event started.
    ///
    /// # Errors
    /// As the engine answers.
    pub async fn runs_of_event(&self, id: &str) -> Result<Vec<EventRunJson>, Failure> {
        let path = ["v1", "events", id, "runs"];
        let list: ListJson<EventRunJson> = self.ask(Method::GET, &path, &[], None).await?;
        Ok(list.data)
    }

    pub(crate) async fn runs(&self, wanted: &Wanted) -> Result<RunListJson, Failure> {
        let mut query = vec![("limit", wanted.limit.to_string())];
        query.extend(
            wanted
                .status
                .map(|status| ("status", status.word().to_owned())),
        );
        query.extend(wanted.workflow.clone().map(|name| ("workflow", name)));
        query.extend(wanted.cursor.map(|run| ("cursor", run.to_string())));
        self.ask(Method::GET, &["v1", "runs"], &query, None).await
    }

    pub(crate) async fn store(&self) -> Result<StoreJson, Failure> {
        self.ask(Method::GET, &["v1", "store"], &[], None).await
    }

    pub(crate) async fn workflows(&self) -> Result<ListJson<WorkflowJson>, Failure> {
        self.ask(Method::GET, &["v1", "workflows"], &[], None).await
    }

    /// Starts a run, as the JSON text of a request says.
    pub(crate) async fn start(&self, asked: String) -> Result<StartedJson, Failure> {
        self.ask(Method::POST, &["v1", "runs"], &[], Some(asked))
            .await
    }

    pub(crate) async fn signal(
        &self,
        run: RunId,
        name: &str,
        sent: &str,
    ) -> Result<RunJson, Failure> {
        let path = ["v1", "runs", &run.to_string(), "signals", name];
        self.ask(Method::POST, &path, &[], Some(sent.to_owned()))
            .await
    }

    pub(crate) async fn signal_by_key(
        &self,
        workflow: &str,
        key: &str,
        name: &str,
        sent: &str,
    ) -> Result<RunJson, Failure> {
        let path = ["v1", "workflows", workflow, "keys", key, "signals", name];
        self.ask(Method::POST, &path, &[], Some(sent.to_owned()))
            .await
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<String>,
    ) -> Result<T, Failure> {
        let (status, text) = self.exchange(method, path, query, body).await?;
        if status.is_success() {
            return decode(&text);
        }
        match serde_json::from_str::<ErrorReport>(&text) {
            Ok(report) => Err(Failure::of_answer(status.as_u16(), report.error)),
            Err(_) => Err(stranger(&format!("status {status}"))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<String>,
    ) -> Result<(StatusCode, String), Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.request(method, url).query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.not_answered(&error))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| self.not_answered(&error))?;
        Ok((status, text))
    }

    fn not_answered(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            return Self::silent(&format!("at {}", self.base));
        }
        let what = if error.is_timeout() {
            "did not answer in time"
        } else {
            "broke off its answer"
        };
        let sentence = format!(
            "engine at {} {what}, so the request may or may not have been carried out",
            self.base
        );
        Failure::said(Exit::Unreachable, "engine-unreachable", sentence)
    }
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| stranger(&error.to_string()))
}

fn stranger(why: &str) -> Failure {
    let sentence = format!("what answers is no engine of this version: {why}: check the URL");
    Failure::said(Exit::Unreachable, "engine-unreachable", sentence)
}
