//! A disk, an engine on it, load, and the account of what was acknowledged, in one hand.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::disk::{Disk, blobs};
use super::engine::{CORRUPT, EVENT_KEY, Engine, Environment, Refused, serve};
use super::ledger::{Ledger, Offer, Shown};
use super::load::{Listener, Load, client, entries, get, send};

/// How long the load may take to come as far as a round asks.
const LOADED_WITHIN: Duration = Duration::from_secs(60);

/// How long bodies get to tell what they did before the API is asked.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// A promise that was not kept.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Something acknowledged is gone.
    Lost(String),
    /// Something acknowledged is there with other content.
    Changed(String),
    /// A recorded step's body ran again.
    Repeated(Vec<String>),
    /// The store did not open.
    Refused(Refused),
    /// sled keeps values outside the file that is synced.
    Outside(Vec<PathBuf>),
    /// The engine answered with an error.
    Failed(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Changed(what) => write!(f, "changed: {what}"),
            Self::Repeated(runs) => write!(f, "recorded steps ran again in {runs:?}"),
            Self::Refused(refused) => {
                write!(
                    f,
                    "store does not open: {}: {}",
                    refused.status, refused.said
                )
            }
            Self::Outside(files) => write!(f, "values outside the synced file: {files:?}"),
            Self::Failed(why) => write!(f, "engine failed: {why}"),
        }
    }
}

impl Broken {
    /// Whether this is what a disk that lies about syncs must lead to: something gone, or a store
    /// that says that it is damaged.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Changed(_) => true,
            Self::Refused(refused) => refused.status.code() == Some(CORRUPT),
            Self::Repeated(_) | Self::Outside(_) | Self::Failed(_) => false,
        }
    }
}

/// See the module. Fields drop in this order: nothing may use the disk when it goes.
pub(crate) struct Rig {
    load: Option<Load>,
    engine: Option<Engine>,
    runtime: Runtime,
    client: Client,
    listener: Listener,
    ledger: Arc<Ledger>,
    next: Arc<AtomicU64>,
    /// How much of the account was compared since the last cut.
    compared: Compared,
    /// Added to the environment of each engine.
    pub(crate) environment: Environment,
    pub(crate) disk: Disk,
    folder: TempDir,
}

/// How much of each list in the account was compared.
#[derive(Debug, Default, Clone, Copy)]
struct Compared {
    events: usize,
    shown: usize,
}

impl Rig {
    /// A rig on `disk`, with no engine yet.
    pub(crate) fn on(disk: Disk) -> Self {
        let folder = tempfile::Builder::new().prefix("stepwell-rig-").tempdir();
        let folder = folder.expect("make a folder");
        let ledger = Arc::new(Ledger::default());
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            load: None,
            engine: None,
            runtime,
            client: client(),
            listener: Listener::start(&folder.path().join("told"), &ledger),
            ledger,
            next: Arc::new(AtomicU64::new(1)),
            compared: Compared::default(),
            environment: Vec::new(),
            disk,
            folder,
        }
    }

    /// A folder of the test's own, not on the disk.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The environment for an engine or a command on this rig's disk.
    pub(crate) fn environment(&self) -> Environment {
        let mut environment = self.disk.environment();
        environment.push(("FAULTS_LISTENER", self.listener.path().into()));
        environment.extend(self.environment.iter().cloned());
        environment
    }

    /// Starts an engine; it is ready when this returns.
    pub(crate) fn start(&mut self) -> Result<(), Broken> {
        let command = serve(&self.disk.store(), &self.environment());
        self.start_as(command)
    }

    /// Starts `command` as the engine.
    pub(crate) fn start_as(&mut self, command: std::process::Command) -> Result<(), Broken> {
        assert!(self.engine.is_none(), "an engine is running");
        let started = Engine::start(command);
        self.no_blobs()?;
        self.engine = Some(started.map_err(Broken::Refused)?);
        Ok(())
    }

    /// Loads the engine until so many more events are acknowledged and results recorded. It stays
    /// loaded.
    pub(crate) fn load(&mut self, events: usize, recorded: usize) -> Result<(), Broken> {
        let url = &self.engine.as_ref().expect("an engine").url;
        if self.load.is_none() {
            let runtime = self.runtime.handle();
            self.load = Some(Load::start(
                runtime,
                &self.client,
                url,
                &self.ledger,
                &self.next,
            ));
        }
        if self.ledger.wait_for(events, recorded, LOADED_WITHIN) {
            return Ok(());
        }
        let stopped = self.ledger.lock().stopped.join("; ");
        let said = self.engine.take().map(Engine::kill).unwrap_or_default();
        Err(Broken::Failed(format!(
            "under load, before the power went: {stopped}: {said}"
        )))
    }

    /// Sends one event and waits until it is acknowledged.
    pub(crate) fn send_one(&mut self) -> Result<(), Broken> {
        let url = format!(
            "{}/e/{EVENT_KEY}",
            self.engine.as_ref().expect("an engine").url
        );
        let offer = Offer(self.next.fetch_add(1, Ordering::Relaxed));
        let sent = send(&self.client, &url, &self.ledger, offer);
        let sent = self.runtime.block_on(sent);
        sent.map_err(|why| {
            let said = self.engine.take().map(Engine::kill).unwrap_or_default();
            let id = offer.id();
            Broken::Failed(format!("event {id} not acknowledged: {why}: {said}"))
        })
    }

    /// Stops sending.
    pub(crate) fn rest(&mut self) {
        if let Some(load) = self.load.take() {
            self.runtime.block_on(load.stop());
        }
        self.ledger.change(|account| account.senders = 0);
    }

    /// Cuts the power, under the engine if one is running. What was acknowledged before counts.
    pub(crate) fn cut(&mut self) -> Result<(), Broken> {
        let cut = Instant::now();
        self.disk.cut(self.engine.take());
        self.rest();
        let mut account = self.ledger.lock();
        account.forget_since(cut);
        // Only the newest were forgotten, and what was compared is older than this engine.
        assert!(
            self.compared.events <= account.events.len(),
            "compared more than there is"
        );
        drop(account);
        self.no_blobs()
    }

    /// Kills the engine; what it acknowledged up to its end counts.
    pub(crate) fn kill(&mut self) -> Result<(), Broken> {
        self.engine.take().expect("an engine").kill();
        self.rest();
        self.no_blobs()
    }

    /// Ends the engine in good order.
    pub(crate) fn terminate(&mut self) -> Result<(), Broken> {
        self.rest();
        let status = self.engine.take().expect("an engine").terminate();
        if status.success() {
            return self.no_blobs();
        }
        Err(Broken::Failed(format!("ended with {status} on SIGTERM")))
    }

    /// Compares what was acknowledged since the last comparison with what is there.
    pub(crate) fn compare(&mut self) -> Result<(), Broken> {
        let (events, shown, runs) = {
            let account = self.ledger.lock();
            let events = account.events[self.compared.events..].to_vec();
            let shown = account.shown[self.compared.shown..].to_vec();
            self.compared = Compared {
                events: account.events.len(),
                shown: account.shown.len(),
            };
            let sent = |offer: Offer| events.iter().any(|(sent, _)| *sent == offer);
            let recorded = account
                .runs
                .iter()
                .filter(|(_, told)| told.recorded.is_some());
            let recent = recorded.filter(|(_, told)| sent(told.offer));
            let runs: Vec<_> = recent
                .map(|(run, told)| (run.clone(), told.offer))
                .collect();
            (events, shown, runs)
        };
        let url = self.engine.as_ref().expect("an engine").url.clone();
        self.runtime.block_on(async {
            for (offer, _) in events {
                self.compare_event(&url, offer).await?;
            }
            for (run, offer) in runs {
                self.compare_result(&url, &run, offer).await?;
            }
            for shown in shown {
                self.compare_journal(&url, &shown).await?;
            }
            Ok(())
        })?;
        let repeated = self.ledger.lock().repeated.clone();
        if repeated.is_empty() {
            Ok(())
        } else {
            Err(Broken::Repeated(repeated))
        }
    }

    /// Compares everything ever acknowledged with what is there.
    pub(crate) fn compare_all(&mut self) -> Result<(), Broken> {
        self.compared = Compared::default();
        self.compare()
    }

    /// Waits until every acknowledged event's run has come past its first step.
    pub(crate) fn finish_runs(&mut self) -> Result<(), Broken> {
        let url = self.engine.as_ref().expect("an engine").url.clone();
        let deadline = Instant::now() + LOADED_WITHIN;
        let mut done = BTreeSet::new();
        loop {
            let open = self.ledger.wait_for_results(&done, TOLD_WITHIN);
            if open.is_empty() {
                return Ok(());
            }
            // Those told just after a cut began did not count then and tell nothing again.
            let mut left = Vec::new();
            for offer in open {
                let path = format!("{url}/v1/events/{}/runs", offer.id());
                let runs = self.runtime.block_on(self.get(&path))?;
                let run = &runs.unwrap_or_default()["data"][0];
                if run["status"] == "completed" {
                    done.insert(offer.0);
                } else {
                    left.push(run.clone());
                }
            }
            if Instant::now() > deadline {
                return Err(Broken::Failed(format!("runs do not go on: {left:#?}")));
            }
        }
    }

    /// How much was acknowledged: events, results, journals shown.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let account = self.ledger.lock();
        let recorded = account.runs.values().filter(|told| told.recorded.is_some());
        (account.events.len(), recorded.count(), account.shown.len())
    }

    async fn compare_event(&self, url: &str, offer: Offer) -> Result<(), Broken> {
        let id = offer.id();
        let found = self.get(&format!("{url}/v1/events/{id}")).await?;
        let Some(event) = found else {
            return Err(Broken::Lost(format!("event {id}")));
        };
        if event["data"] != offer.data() {
            return Err(Broken::Changed(format!("event {id}")));
        }
        match event["runs"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            other => Err(Broken::Changed(format!("event {id} has {other:?} runs"))),
        }
    }

    async fn compare_result(&self, url: &str, run: &str, offer: Offer) -> Result<(), Broken> {
        let found = self.get(&format!("{url}/v1/runs/{run}/journal")).await?;
        let Some(journal) = found else {
            return Err(Broken::Lost(format!("run {run}")));
        };
        let entries = entries(&journal);
        let made = entries.iter().filter(|entry| {
            let step = entry["step"].as_str().unwrap_or_default();
            entry["kind"] == "step-succeeded" && step.starts_with("make")
        });
        match made.collect::<Vec<_>>()[..] {
            [made] if made["output"] == Value::String(offer.result()) => Ok(()),
            [_] => Err(Broken::Changed(format!("result of run {run}"))),
            [] => Err(Broken::Lost(format!("result of run {run}"))),
            [..] => Err(Broken::Changed(format!(
                "run {run} has several results of one step"
            ))),
        }
    }

    async fn compare_journal(&self, url: &str, shown: &Shown) -> Result<(), Broken> {
        let run = &shown.run;
        let found = self.get(&format!("{url}/v1/runs/{run}/journal")).await?;
        let there = found.map(|journal| entries(&journal)).unwrap_or_default();
        if there.len() < shown.entries.len() {
            let (was, is) = (shown.entries.len(), there.len());
            return Err(Broken::Lost(format!(
                "run {run} showed {was} entries and has {is}"
            )));
        }
        if there.starts_with(&shown.entries) {
            return Ok(());
        }
        Err(Broken::Changed(format!("journal of run {run}")))
    }

    async fn get(&self, url: &str) -> Result<Option<Value>, Broken> {
        get(&self.client, url).await.map_err(Broken::Failed)
    }

    fn no_blobs(&self) -> Result<(), Broken> {
        let blobs = blobs(&self.disk.store());
        if blobs.is_empty() {
            Ok(())
        } else {
            Err(Broken::Outside(blobs))
        }
    }
}
