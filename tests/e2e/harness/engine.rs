//! A running engine: started, killed, asked to end; never left behind.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use stepwell_cli::EngineFile;
use tokio::process::Child;

use super::patience::soon;
use super::site::Site;

/// An engine's process. Killed when dropped.
pub(crate) struct Engine {
    process: Child,
    pid: i32,
    pub(super) url: String,
    pub(super) http: Client,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Death {
    fn of(status: ExitStatus) -> Self {
        let signal = || Self::Killed(status.signal().unwrap_or_default());
        status.code().map_or_else(signal, Self::Exited)
    }
}

/// A client that asks loopback alone: no proxy, and no certificates to look for.
pub(super) fn client() -> Result<Client> {
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .pool_max_idle_per_host(1)
        .timeout(Duration::from_secs(30));
    client.build().context("build a client")
}

impl Engine {
    /// Starts an engine and waits until it is ready.
    pub(crate) async fn start(site: &Site) -> Result<Self> {
        match Self::try_start(site).await? {
            Ok(engine) => Ok(engine),
            Err(death) => bail!("engine ended at its start, {death:?}:\n{}", site.log_tail()),
        }
    }

    /// Starts an engine and waits until it is ready or dead.
    pub(crate) async fn try_start(site: &Site) -> Result<Result<Self, Death>> {
        let process = site.serve()?.spawn().context("start the engine")?;
        let pid = process.id().context("engine has no process id")?;
        let mut engine = Self {
            process,
            pid: i32::try_from(pid)?,
            url: String::new(),
            http: client()?,
        };
        let started = soon("the engine to be ready", async || {
            if let Some(status) = engine.process.try_wait()? {
                return Ok(Some(Err(Death::of(status))));
            }
            // The file of an engine that was killed may still stand there.
            match EngineFile::read(site.data()).filter(|file| file.pid == pid) {
                Some(file) => engine.url = file.url,
                None => return Ok(None),
            }
            Ok(engine.is_ready().await.then_some(Ok(())))
        });
        match started.await.with_context(|| site.log_tail())? {
            Ok(()) => Ok(Ok(engine)),
            Err(death) => Ok(Err(death)),
        }
    }

    /// Starts what must not come up, and waits for its end.
    pub(crate) async fn start_in_vain(site: &Site) -> Result<Death> {
        match Self::try_start(site).await? {
            Ok(_) => bail!("engine came up:\n{}", site.log_tail()),
            Err(death) => Ok(death),
        }
    }

    async fn is_ready(&self) -> bool {
        let asked = self.http.get(format!("{}/health", self.url)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.process.start_kill()?;
        self.process.wait().await?;
        Ok(())
    }

    /// Sends SIGKILL, and goes on.
    pub(crate) fn strike(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).context("send SIGKILL")
    }

    /// Sends SIGTERM, and goes on.
    pub(crate) fn ask_to_end(&self) -> Result<()> {
        kill(Pid::from_raw(self.pid), Signal::SIGTERM).context("send SIGTERM")
    }

    /// Waits for its end, whatever the reason.
    pub(crate) async fn death(&mut self) -> Result<Death> {
        let ended = soon("the engine to end", async || Ok(self.process.try_wait()?));
        Ok(Death::of(ended.await?))
    }

    /// Whether it is dead by now, and how.
    pub(crate) fn died(&mut self) -> Result<Option<Death>> {
        Ok(self.process.try_wait()?.map(Death::of))
    }

    /// Ends it in good order.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.ask_to_end()?;
        let death = self.death().await?;
        ensure!(death == Death::Exited(0), "SIGTERM ended it as {death:?}");
        Ok(())
    }
}
