//! `stepwell bench long-run`: what a step costs late in a run, beside what it costs early, and how
//! long such a run takes to replay.
//!
//! Each round is one run. Its last call is a sleep during which the engine is closed; once it is
//! due a new engine opens the same store, and the run replays every step before it goes on.
//! Processor time is taken twice: of the run's shard alone, where the engine's own work is done, and
//! of the whole process, where the kernel's share of every sync drowns most else.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Payload, Registry, Step, workflow};
use stepwell_core::run::Outcome;
use stepwell_core::{RunId, Timestamp};
use stepwell_engine::{Clock, Engine, NewEvent};
use stepwell_store::Store;
use stepwell_store_sled::SledStore;

use super::cpu::{self, Used};
use super::figures::{Spread, median_of};
use super::progress::Progress;

/// Steps whose median counts as early.
const EARLY: std::ops::Range<usize> = 50..150;
/// How many of the last steps count as late.
const LATE: usize = 100;
/// How long the run sleeps at its end: longer than an engine keeps a future for, and than closing
/// takes.
const SLEEP_MS: u64 = 2_500;
/// Longest time a round may take without its steps.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often marks are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Calls of the run, the last of which is a sleep.
    pub(crate) steps: u32,
    /// How many runs are measured, one after the other.
    pub(crate) rounds: usize,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Calls of the run, the last of which is a sleep.
    pub(crate) steps: u32,
    /// How many runs were measured.
    pub(crate) rounds: usize,
    /// Processor time of a step on its shard's thread.
    pub(crate) shard: Cost,
    /// Processor time of a step in the whole process.
    pub(crate) process: Cost,
    /// Median time of a step on the wall, in microseconds.
    pub(crate) step_us: Spread,
    /// Bytes written to the log for one step.
    pub(crate) log_bytes_per_step: Spread,
    /// From the start of the engine to the first line of the code, in milliseconds.
    pub(crate) load_ms: Spread,
    /// From the first line of the code to behind the last recorded call, in milliseconds.
    pub(crate) replay_ms: Spread,
    /// Both together.
    pub(crate) reopen_ms: Spread,
}

/// Processor time of a step, in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    /// Around step 100: median of steps 50 to 150.
    pub(crate) early_us: Spread,
    /// At the end: median of the last 100 steps.
    pub(crate) late_us: Spread,
    /// Late over early, run by run.
    pub(crate) ratio: Spread,
    /// Mean over the second tenth of the run.
    pub(crate) early_mean_us: Spread,
    /// Mean over the last tenth, which shows what happens only now and then.
    pub(crate) late_mean_us: Spread,
    /// Late mean over early mean, run by run.
    pub(crate) mean_ratio: Spread,
}

/// What the code of the run notes as it goes.
#[derive(Debug, Default)]
struct Marks {
    /// Processor time and instant at the body of each step.
    steps: Vec<(Used, Instant)>,
    /// When the code was last begun.
    begun: Option<Instant>,
    /// When it came to its last call.
    came: Option<Instant>,
    /// When it was past its last call.
    past: Option<Instant>,
}

static MARKS: Mutex<Marks> = Mutex::new(Marks {
    steps: Vec::new(),
    begun: None,
    came: None,
    past: None,
});

fn marks<T>(with: impl FnOnce(&mut Marks) -> T) -> T {
    with(&mut MARKS.lock().unwrap_or_else(PoisonError::into_inner))
}

#[derive(Event, Serialize, Deserialize)]
#[event("bench/long-run.asked")]
struct BenchLongRun {
    steps: u32,
}

#[workflow(on = BenchLongRun, name = "bench-long-run")]
async fn bench_long_run(step: &mut Step, ask: BenchLongRun) -> Result<(), Error> {
    marks(|marks| marks.begun = Some(Instant::now()));
    for number in 1..ask.steps {
        step.run("step", async move |_: &Attempt| {
            let used = cpu::used_exactly().unwrap_or_default();
            marks(|marks| marks.steps.push((used, Instant::now())));
            Ok(number)
        })
        .await?;
    }
    marks(|marks| marks.came = Some(Instant::now()));
    let until = Timestamp::from_ms(now_ms() + SLEEP_MS);
    step.sleep_until("park", until).await?;
    marks(|marks| marks.past = Some(Instant::now()));
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// One run.
struct Round {
    shard: RoundCost,
    process: RoundCost,
    step_us: f64,
    log_bytes_per_step: f64,
    load_ms: f64,
    replay_ms: f64,
}

/// See [`Cost`].
struct RoundCost {
    early_us: f64,
    late_us: f64,
    early_mean_us: f64,
    late_mean_us: f64,
}

/// Measures in the store directory `data`, telling `show` what is under way.
///
/// # Errors
/// When the disk or the engine fails, a run fails, or takes too long.
pub(crate) async fn measure(
    data: &Path,
    plan: Plan,
    show: impl Fn(&Progress),
) -> anyhow::Result<Report> {
    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 1..=plan.rounds {
        let of = format!("run {number} of {}", plan.rounds);
        rounds.push(round(data, plan, &of, &show).await?);
    }
    let of = |read: fn(&Round) -> f64| median_of(rounds.iter().map(read).collect());
    Ok(Report {
        steps: plan.steps,
        rounds: plan.rounds,
        shard: cost(&rounds, |round| &round.shard),
        process: cost(&rounds, |round| &round.process),
        step_us: of(|round| round.step_us),
        log_bytes_per_step: of(|round| round.log_bytes_per_step),
        load_ms: of(|round| round.load_ms),
        replay_ms: of(|round| round.replay_ms),
        reopen_ms: of(|round| round.load_ms + round.replay_ms),
    })
}

fn cost(rounds: &[Round], whose: fn(&Round) -> &RoundCost) -> Cost {
    let of = |read: fn(&RoundCost) -> f64| {
        median_of(rounds.iter().map(|round| read(whose(round))).collect())
    };
    Cost {
        early_us: of(|cost| cost.early_us),
        late_us: of(|cost| cost.late_us),
        ratio: of(|cost| cost.late_us / cost.early_us),
        early_mean_us: of(|cost| cost.early_mean_us),
        late_mean_us: of(|cost| cost.late_mean_us),
        mean_ratio: of(|cost| cost.late_mean_us / cost.early_mean_us),
    }
}

async fn round(
    data: &Path,
    plan: Plan,
    of: &str,
    show: &impl Fn(&Progress),
) -> anyhow::Result<Round> {
    marks(|marks| *marks = Marks::default());
    let (run, log_bytes) = run_until_parked(data, plan, of, show).await?;
    let steps = marks(|marks| std::mem::take(&mut marks.steps));
    let calls = usize::try_from(plan.steps)?;
    ensure!(
        steps.len() + 1 == calls,
        "{} bodies ran for {} steps: an attempt was repeated, which is no measurement",
        steps.len(),
        calls - 1
    );
    show(&Progress::of_unknown(format!(
        "{of}: reopening and replaying"
    )));
    let (load, replay) = replay(data, run).await?;
    let between = |pair: &[(Used, Instant)]| match pair {
        [(_, before), (_, after)] => us(after.saturating_duration_since(*before)),
        _ => 0.0,
    };
    Ok(Round {
        shard: RoundCost::of(&steps, |used| used.thread),
        process: RoundCost::of(&steps, |used| used.process),
        step_us: median_of(steps.windows(2).map(between).collect()).median,
        log_bytes_per_step: log_bytes as f64 / f64::from(plan.steps),
        load_ms: us(load) / 1e3,
        replay_ms: us(replay) / 1e3,
    })
}

impl RoundCost {
    fn of(steps: &[(Used, Instant)], whose: fn(&Used) -> Duration) -> Self {
        let between = |pair: &[(Used, Instant)]| match pair {
            [(before, _), (after, _)] => us(whose(after).saturating_sub(whose(before))),
            _ => 0.0,
        };
        let cpu: Vec<_> = steps.windows(2).map(between).collect();
        let part = |range: std::ops::Range<usize>| cpu.get(range).unwrap_or_default().to_vec();
        let (count, tenth) = (cpu.len(), cpu.len() / 10);
        Self {
            early_us: median_of(part(EARLY)).median,
            late_us: median_of(part(count.saturating_sub(LATE)..count)).median,
            early_mean_us: mean(&part(tenth..2 * tenth)),
            late_mean_us: mean(&part(count - tenth..count)),
        }
    }
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Runs every step and closes the engine while the run sleeps; the run, and the bytes it wrote to
/// the log.
async fn run_until_parked(
    data: &Path,
    plan: Plan,
    of: &str,
    show: &impl Fn(&Progress),
) -> anyhow::Result<(RunId, u64)> {
    let (engine, store) = open(data).await?;
    let log_before = store.pressure().log_bytes;
    let ask = serde_json::to_string(&BenchLongRun { steps: plan.steps })?;
    let id = format!("long-run-{}", now_ms());
    let event = NewEvent {
        id: Some(id),
        name: BenchLongRun::NAME.to_owned(),
        data: Payload::from_json(ask),
        user: None,
        v: None,
        ts: None,
    };
    let ids = engine.publish(vec![event]).await?;
    let event = ids.into_iter().next().context("event was not accepted")?;
    // A slow disk syncs in a hundredth of a second.
    let limit = Instant::now() + PATIENCE + Duration::from_millis(10) * plan.steps;
    let came = loop {
        let (done, came) = marks(|marks| (marks.steps.len() as u64, marks.came));
        show(&Progress {
            what: format!("{of}: steps"),
            done,
            of: u64::from(plan.steps) - 1,
        });
        if let Some(came) = came {
            break came;
        }
        if let Some(failure) = engine.health().failure {
            anyhow::bail!("engine failed: {failure}");
        }
        ensure!(Instant::now() < limit, "run takes too long: {done} steps");
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let runs = engine.operator().runs_of_event(event).await?;
    let run = runs.and_then(|runs| runs.first().map(|view| view.head.run));
    while engine.health().ready_runs > 0 && came.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let log_bytes = store.pressure().log_bytes.saturating_sub(log_before);
    close(&engine, &store).await?;
    let slept = marks(|marks| marks.past.is_none());
    ensure!(slept, "run was due before the engine was closed; try again");
    let due = came + Duration::from_millis(SLEEP_MS + 100);
    tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
    Ok((run.context("event started no run")?, log_bytes))
}

/// Opens again and waits for the end of the run; how long it took to load and to replay.
async fn replay(data: &Path, run: RunId) -> anyhow::Result<(Duration, Duration)> {
    let store = open_store(data)?;
    marks(|marks| marks.begun = None);
    let began = Instant::now();
    let engine = start(&store).await?;
    let outcome = tokio::time::timeout(PATIENCE, engine.outcome(run))
        .await
        .context("run does not end after the engine opened again")??;
    ensure!(
        matches!(outcome, Outcome::Completed(_)),
        "run {run} did not complete: {outcome:?}"
    );
    close(&engine, &store).await?;
    let (begun, past, bodies) = marks(|marks| (marks.begun, marks.past, marks.steps.len()));
    ensure!(bodies == 0, "{bodies} bodies ran again on replay");
    let (begun, past) = begun.zip(past).context("code was not replayed")?;
    Ok((
        begun.saturating_duration_since(began),
        past.saturating_duration_since(begun),
    ))
}

async fn open(data: &Path) -> anyhow::Result<(Engine, Arc<dyn Store>)> {
    let store = open_store(data)?;
    Ok((start(&store).await?, store))
}

fn open_store(data: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let store = SledStore::open(data, stepwell_store_sled::Options::default())
        .context("store for the measurement cannot be opened")?;
    Ok(Arc::new(store))
}

async fn start(store: &Arc<dyn Store>) -> anyhow::Result<Engine> {
    let registry = Registry::new().with(bench_long_run);
    let options = stepwell_engine::Options::default();
    Engine::start(Arc::clone(store), registry, Clock::Wall, options)
        .await
        .context("engine for the measurement cannot start")
}

async fn close(engine: &Engine, store: &Arc<dyn Store>) -> anyhow::Result<()> {
    engine.drain(Duration::from_secs(10)).await;
    store
        .close()
        .context("store of the measurement cannot be closed")
}
