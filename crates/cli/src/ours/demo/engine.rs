//! The engine as a child process: started, killed without warning, or asked to stop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stepwell_cli::{EngineFile, Http};
use tokio::process::{Child, Command};

/// How often a starting engine is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long an engine may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Variables a child keeps from this process; everything else could steer it elsewhere.
const KEPT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/// Bytes of a dead engine's log worth showing.
const LOG_TAIL_BYTES: usize = 2_000;

/// A running child.
pub(super) struct EngineProcess {
    child: Child,
    pid: u32,
    /// Where it answers.
    pub(super) http: Http,
    /// The same as text.
    pub(super) url: String,
}

/// Where engines work, and with what around them.
pub(super) struct Site {
    /// The data directory.
    pub(super) data: PathBuf,
    /// Where their words go.
    pub(super) log: PathBuf,
    /// Their environment.
    pub(super) environment: Vec<(&'static str, String)>,
}

impl EngineProcess {
    /// Starts this very binary as `serve` and waits until it is ready.
    pub(super) async fn start(site: &Site) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this binary's own file is not known")?;
        let log = File::options().create(true).append(true).open(&site.log);
        let log = log.with_context(|| format!("{} cannot be written", site.log.display()))?;
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let mut child = Command::new(&binary)
            .args(["serve", "--port", "0", "--data"])
            .arg(&site.data)
            .env_clear()
            .envs(kept)
            // A person reads it, when something went wrong.
            .env("STEPWELL_LOG_FORMAT", "text")
            .envs(site.environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", binary.display()))?;
        let pid = child
            .id()
            .context("engine ended before it had a process id")?;
        let url = answering(&mut child, pid, site).await?;
        let http = Http::new(&url).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        Ok(Self {
            child,
            pid,
            http,
            url,
        })
    }

    /// Ends it as a power cut would end its process: no handler, no flush, no goodbye.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.start_kill().context("engine cannot be killed")?;
        self.child
            .wait()
            .await
            .context("engine was killed and cannot be waited for")?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub(super) async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.pid).context("process id out of range")?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("engine cannot be asked to stop")?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.context("engine did not stop when asked")??)
    }
}

/// Waits until the child answers; where it does is in its own data directory.
async fn answering(child: &mut Child, pid: u32, site: &Site) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            bail!(
                "engine ended at its start with {status}; it said:\n{}",
                tail(&site.log)
            );
        }
        // The file may still be that of an engine that was killed.
        if let Some(file) = EngineFile::read(&site.data).filter(|file| file.pid == pid) {
            let http = Http::new(&file.url).map_err(|failure| anyhow::anyhow!("{failure}"))?;
            if http.health().await.is_ok_and(|health| health.ready) {
                return Ok(file.url);
            }
        }
        if begun.elapsed() > PATIENCE {
            bail!(
                "engine did not get ready in time; it said:\n{}",
                tail(&site.log)
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let from = bytes.len().saturating_sub(LOG_TAIL_BYTES);
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}
