//! `stepwell bench sleepers`: what many runs cost that wait all at once.
//!
//! Two processes of this very binary take turns on one store. The first starts the runs, measures
//! what they cost while all of them are parked, and ends: closed cleanly, or killed. The second
//! opens the store, times the first new run beside all those that sleep, and lets them fire. A
//! process that is fresh has neither the first one's memory nor its caches.

mod part;
mod workflows;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::memory;
use super::progress::Progress;

pub(crate) use part::{Role, play};

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many runs sleep.
    pub(crate) count: u64,
    /// Whether the first process is killed instead of closed.
    pub(crate) kill: bool,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// How many runs slept.
    pub(crate) count: u64,
    /// While all of them were parked.
    pub(crate) parked: Parked,
    /// Growth of the files of the store for one run, once the first process had ended, in bytes.
    pub(crate) disk_bytes_per_run: f64,
    /// Whether the first process was killed.
    pub(crate) killed: bool,
    /// From the start of the second process to the end of the first new run, in milliseconds.
    pub(crate) spawn_to_order_ms: f64,
    /// The first new run beside those that slept.
    pub(crate) order: Ordered,
    /// What came of the runs that slept.
    pub(crate) fired: Fired,
}

/// See [`Report::parked`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parked {
    /// When all are due, in milliseconds since the epoch.
    pub(crate) until_ms: u64,
    /// From the first event to the last run parked, in seconds.
    pub(crate) start_s: f64,
    /// Resident bytes before the first of them, with the engine open and warm.
    pub(crate) resident_before: u64,
    /// Resident bytes with all of them parked and everything settled.
    pub(crate) resident_parked: u64,
    /// The difference, for one run.
    pub(crate) memory_bytes_per_run: f64,
    /// Bytes written to the log for one run.
    pub(crate) log_bytes_per_run: f64,
    /// Bytes of the store's files before the first of them.
    pub(crate) disk_before: u64,
}

/// See [`Report::order`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ordered {
    /// Opening of the store, in milliseconds.
    pub(crate) open_store_ms: f64,
    /// Start of the engine, in milliseconds.
    pub(crate) start_engine_ms: f64,
    /// From the event to the end of its run of one step, in milliseconds.
    pub(crate) order_ms: f64,
    /// All three.
    pub(crate) opening_to_order_ms: f64,
    /// Resident bytes of the fresh process before it opened the store.
    pub(crate) resident_before: u64,
    /// Resident bytes behind the first new run, with all others asleep.
    pub(crate) resident: u64,
    /// The difference for one run that sleeps, what the engine itself takes included.
    pub(crate) memory_bytes_per_run: f64,
}

/// See [`Report::fired`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fired {
    /// Runs whose journal has one completion and nothing behind it.
    pub(crate) completed_once: u64,
    /// Runs whose journal has anything else: no end, another end, or more than one.
    pub(crate) otherwise: u64,
    /// How late the middle one ended, in milliseconds after its instant.
    pub(crate) late_ms_median: u64,
    /// How late 99 of 100 had ended.
    pub(crate) late_ms_p99: u64,
    /// How late the last ended.
    pub(crate) late_ms_last: u64,
    /// Ended runs a second, from the instant to the last.
    pub(crate) per_s: f64,
}

/// What a part tells, one a line on standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Progress(Progress),
    Parked(Parked),
    Ordered(Ordered),
    Fired(Fired),
}

/// Measures in the store directory `data`, telling `show` what is under way.
///
/// # Errors
/// When a part fails, or a run does not complete once.
pub(crate) async fn measure(
    data: &Path,
    plan: Plan,
    show: impl Fn(&Progress),
) -> anyhow::Result<Report> {
    let mut first = Part::start(data, plan.count, Role::Park)?;
    let Told::Parked(parked) = first.hear(plan, &show).await? else {
        bail!("first process told something else than what parked runs cost");
    };
    if plan.kill {
        first.kill().await?;
    } else {
        first.end(plan, &show).await?;
    }
    let grown = memory::on_disk(data)?.saturating_sub(parked.disk_before);
    let spawned = Instant::now();
    let role = Role::Wake {
        until_ms: parked.until_ms,
    };
    let mut second = Part::start(data, plan.count, role)?;
    let Told::Ordered(order) = second.hear(plan, &show).await? else {
        bail!("second process told something else than its first run");
    };
    let spawn_to_order_ms = spawned.elapsed().as_secs_f64() * 1e3;
    let Told::Fired(fired) = second.hear(plan, &show).await? else {
        bail!("second process told something else than what fired");
    };
    second.end(plan, &show).await?;
    Ok(Report {
        count: plan.count,
        parked,
        disk_bytes_per_run: grown as f64 / plan.count as f64,
        killed: plan.kill,
        spawn_to_order_ms,
        order,
        fired,
    })
}

impl Plan {
    /// Within which a part says something, however slow the machine.
    fn patience(self) -> Duration {
        part::patience(self.count) * 2
    }
}

/// One of the two processes; killed when dropped, and gone by itself when this one is.
struct Part {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Part {
    fn start(data: &Path, count: u64, role: Role) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this binary's own file is not known")?;
        let mut command = Command::new(&binary);
        command
            .args(["bench", "sleepers-part", "--data"])
            .arg(data)
            .args(["--count", &count.to_string()]);
        if let Role::Wake { until_ms } = role {
            command.args(["--until-ms", &until_ms.to_string()]);
        }
        let mut child = command
            // It ends with its standard input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", binary.display()))?;
        let output = child.stdout.take().context("no output of the part")?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    /// The next thing told that is more than progress.
    async fn hear(&mut self, plan: Plan, show: &impl Fn(&Progress)) -> anyhow::Result<Told> {
        match self.heard(plan, show).await? {
            Some(told) => Ok(told),
            None => {
                let status = self.child.wait().await?;
                bail!("a process of the measurement ended early, with {status}");
            }
        }
    }

    /// The same; `None` once it has ended.
    async fn heard(
        &mut self,
        plan: Plan,
        show: &impl Fn(&Progress),
    ) -> anyhow::Result<Option<Told>> {
        loop {
            let line = tokio::time::timeout(plan.patience(), self.lines.next_line()).await;
            let Some(line) = line.context("a process of the measurement fell silent")?? else {
                return Ok(None);
            };
            match serde_json::from_str(&line).with_context(|| format!("not understood: {line}"))? {
                Told::Progress(progress) => show(&progress),
                told @ (Told::Parked(_) | Told::Ordered(_) | Told::Fired(_)) => {
                    return Ok(Some(told));
                }
            }
        }
    }

    /// Has it close its store and waits until it is gone.
    async fn end(mut self, plan: Plan, show: &impl Fn(&Progress)) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        if let Some(told) = self.heard(plan, show).await? {
            bail!("told more than was asked: {told:?}");
        }
        let status = self.child.wait().await?;
        ensure!(
            status.success(),
            "a process of the measurement ended with {status}"
        );
        Ok(())
    }

    /// Ends it as a power cut would end its process.
    async fn kill(mut self) -> anyhow::Result<()> {
        self.child.start_kill().context("part cannot be killed")?;
        self.child.wait().await?;
        Ok(())
    }
}
