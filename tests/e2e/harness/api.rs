//! The engine's HTTP API as tests use it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stepwell_core::run::RunStatus;
use stepwell_fakes::PaidCheckout;
use stepwell_server::wire::{EventRunJson, HealthJson, JournalJson, RunJson, RunListJson};

use super::engine::Engine;
use super::patience::soon;
use super::site::EVENT_KEY;

/// An event as tests send it.
pub(crate) fn event(name: &str, id: &str, order: &str) -> Value {
    json!({ "name": name, "id": id, "data": { "order": order } })
}

impl Engine {
    /// Where events go.
    pub(super) fn events_url(&self) -> String {
        format!("{}/e/{EVENT_KEY}", self.url)
    }

    /// Sends one event and answers the run it started.
    pub(crate) async fn start_run(&self, name: &str, order: &str) -> Result<String> {
        // A slash in an id would have to be escaped in a path.
        let id = format!("{}-{order}", name.replace('/', "."));
        let body = event(name, &id, order);
        let sent = self.http.post(self.events_url()).json(&body).send().await?;
        ensure!(sent.status() == StatusCode::OK, "{}", sent.text().await?);
        let mut runs = self.event_runs(&id).await?;
        ensure!(runs.len() == 1, "event {id} started {} runs", runs.len());
        Ok(runs.remove(0).run_id)
    }

    /// Delivers Stripe's notice of a paid checkout; whether the engine took it.
    pub(crate) async fn deliver(&self, paid: &PaidCheckout) -> Result<bool> {
        let url = format!("{}/api/webhooks/stripe", self.url);
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("stripe-signature", &paid.signature)
            .body(paid.event.clone());
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(true),
            Ok(answer) => bail!("webhook refused: {}", answer.text().await?),
            // Killed before it could answer.
            Err(_) => Ok(false),
        }
    }

    /// The runs an event started; none when the event is not stored.
    pub(crate) async fn event_runs(&self, id: &str) -> Result<Vec<EventRunJson>> {
        #[derive(Deserialize)]
        struct Page {
            data: Vec<EventRunJson>,
        }
        let path = format!("/v1/events/{id}/runs");
        let page: Option<Page> = self.ask(Method::GET, &path).await?;
        Ok(page.map(|page| page.data).unwrap_or_default())
    }

    /// Posts `body` and answers status and JSON, whatever they are.
    pub(crate) async fn post(&self, path: &str, body: impl ToString) -> Result<(u16, Value)> {
        let url = format!("{}{path}", self.url);
        let answer = self.http.post(url).body(body.to_string()).send().await?;
        let status = answer.status().as_u16();
        Ok((
            status,
            answer.json().await.with_context(|| path.to_owned())?,
        ))
    }

    /// The status of an answer, whatever it is.
    pub(crate) async fn answer(&self, method: Method, path: &str) -> Result<u16> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        Ok(request.send().await?.status().as_u16())
    }

    /// Sends one event.
    pub(crate) async fn send(&self, name: &str, id: &str, payload: Value) -> Result<()> {
        let body = json!({ "name": name, "id": id, "data": payload });
        let sent = self.http.post(self.events_url()).json(&body).send().await?;
        ensure!(sent.status() == StatusCode::OK, "{}", sent.text().await?);
        Ok(())
    }

    /// Waits until a run waits for something, and nothing of it is in flight.
    pub(crate) async fn waits(&self, id: &str) -> Result<RunJson> {
        let look = async || {
            let run = self.run(id).await?;
            let waits = run.waiting_for.as_ref().is_some_and(|all| !all.is_empty());
            let parked = waits && run.status == RunStatus::Waiting;
            Ok(parked.then_some(run))
        };
        soon(&format!("run {id} to wait"), look).await
    }

    /// One run.
    pub(crate) async fn run(&self, id: &str) -> Result<RunJson> {
        let run = self.ask(Method::GET, &format!("/v1/runs/{id}")).await?;
        run.with_context(|| format!("no run {id}"))
    }

    /// One run's journal.
    pub(crate) async fn journal(&self, id: &str) -> Result<JournalJson> {
        let path = format!("/v1/runs/{id}/journal");
        let journal = self.ask(Method::GET, &path).await?;
        journal.with_context(|| format!("no run {id}"))
    }

    /// Every run there is, by id.
    pub(crate) async fn runs(&self) -> Result<BTreeMap<String, RunJson>> {
        let mut runs = BTreeMap::new();
        let mut path = "/v1/runs?limit=1000".to_owned();
        loop {
            let page: Option<RunListJson> = self.ask(Method::GET, &path).await?;
            let page = page.context("no list of runs")?;
            runs.extend(page.data.into_iter().map(|run| (run.id.clone(), run)));
            match page.cursor {
                Some(cursor) => path = format!("/v1/runs?limit=1000&cursor={cursor}"),
                None => return Ok(runs),
            }
        }
    }

    /// Waits until a run has one of `statuses`.
    pub(crate) async fn reaches(&self, id: &str, statuses: &[RunStatus]) -> Result<RunJson> {
        let what = format!("run {id} to be {statuses:?}");
        let look = async || {
            let run = self.run(id).await?;
            Ok(statuses.contains(&run.status).then_some(run))
        };
        soon(&what, look).await
    }

    /// Whether no run is queued, running or waiting.
    pub(crate) async fn is_settled(&self) -> Result<bool> {
        for status in [RunStatus::Queued, RunStatus::Running, RunStatus::Waiting] {
            let path = format!("/v1/runs?limit=1&status={}", status.word());
            let page: Option<RunListJson> = self.ask(Method::GET, &path).await?;
            if !page.context("no list of runs")?.data.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether nothing is driven, queued or unsettled in the store.
    pub(crate) async fn is_idle(&self) -> Result<bool> {
        let health: Option<HealthJson> = self.ask(Method::GET, "/health").await?;
        let health = health.context("no health")?;
        Ok(health.ready_runs == 0 && health.queued_bytes == 0 && health.unsettled_bytes == 0)
    }

    /// Waits until every run is settled, and answers all.
    pub(crate) async fn all_settle(&self) -> Result<BTreeMap<String, RunJson>> {
        let look = async || Ok(self.is_settled().await?.then_some(()));
        soon("every run to end", look).await?;
        self.runs().await
    }

    /// An answer in JSON; `None` when there is no such thing.
    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<Option<T>> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let answer = request.send().await.with_context(|| path.to_owned())?;
        match answer.status() {
            StatusCode::OK | StatusCode::ACCEPTED => {
                Ok(Some(answer.json().await.with_context(|| path.to_owned())?))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => bail!("{path}: {status}: {}", answer.text().await?),
        }
    }
}
