//! One of the two processes of the measurement; it ends with its standard input.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use stepwell::{Event, Registry, SendError};
use stepwell_core::run::Outcome;
use stepwell_core::{EntryBody, WorkflowName};
use stepwell_engine::{Clock, Engine, NewEvent};
use stepwell_store::{ReadError, RunFilter, RunHead, Store};
use stepwell_store_sled::SledStore;
use tokio::sync::watch;

use super::workflows::{BenchOne, BenchSleep, CAME, WENT_ON, bench_one, bench_sleeper, event};
use super::{Fired, Ordered, Parked, Progress, Told};
use crate::bench::memory;
use crate::failure::Failure;
use crate::output;

/// Events in one request.
const ARRAY: u64 = 1_000;
/// Heads read at a time.
const PAGE: usize = 4_096;
/// How often counters are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Which of the two processes this is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// Starts the runs and measures them parked.
    Park,
    /// Times the first new run, and lets the others fire.
    Wake {
        /// When they are due, in milliseconds since the epoch.
        until_ms: u64,
    },
}

/// Longest time anything may take, with this many runs.
pub(super) fn patience(count: u64) -> Duration {
    Duration::from_secs(60 + count / 500)
}

/// Plays one role on the store directory `data`.
///
/// # Errors
/// When the store or the engine fails, something takes too long, or a run fires too early.
pub(crate) async fn play(data: &Path, count: u64, role: Role) -> Result<(), Failure> {
    let input = Input::watched();
    let resident_before = memory::resident()?;
    let opening = Instant::now();
    let store = SledStore::open(data, stepwell_store_sled::Options::default())?;
    let store: Arc<dyn Store> = Arc::new(store);
    let opened = opening.elapsed();
    let registry = Registry::new().with(bench_sleeper).with(bench_one);
    let options = stepwell_engine::Options {
        in_flight: Some(data.join("in-flight")),
        ..stepwell_engine::Options::default()
    };
    let engine = Engine::start(Arc::clone(&store), registry, Clock::Wall, options).await?;
    let started = opening.elapsed();
    let measured = async {
        match role {
            Role::Park => tell(&Told::Parked(park(&engine, data, count).await?)),
            Role::Wake { until_ms } => {
                let opening = Opening {
                    count,
                    resident_before,
                    began: opening,
                    opened,
                    started,
                };
                let order = order(&engine, opening, until_ms).await?;
                tell(&Told::Ordered(order))?;
                tell(&Told::Fired(fire(&engine, &store, count, until_ms).await?))
            }
        }
    };
    tokio::select! {
        measured = measured => measured?,
        () = input.ended() => {
            return Err(Failure::usage("whoever asked for the measurement is gone"));
        }
    }
    input.ended().await;
    engine.drain(Duration::from_secs(10)).await;
    store
        .close()
        .context("store of the measurement cannot be closed")?;
    Ok(())
}

fn tell(told: &Told) -> Result<(), Failure> {
    output::print(&output::line(told)?)
}

fn progress(what: &str, done: u64, of: u64) -> Result<(), Failure> {
    tell(&Told::Progress(Progress {
        what: what.to_owned(),
        done,
        of,
    }))
}

/// Standard input, of which only the end matters.
struct Input(watch::Receiver<()>);

impl Input {
    fn watched() -> Self {
        let (open, ended) = watch::channel(());
        // Nothing ends a read that waits, so it has a thread that ends with the process.
        std::thread::spawn(move || {
            drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
            drop(open);
        });
        Self(ended)
    }

    async fn ended(&self) {
        let mut ended = self.0.clone();
        while ended.changed().await.is_ok() {}
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Starts the runs, waits until nothing moves, and measures.
async fn park(engine: &Engine, data: &Path, count: u64) -> Result<Parked, Failure> {
    let estimate = warm_up(engine, count).await?;
    settle(engine, count).await?;
    let (resident_before, disk_before) = (memory::resident()?, memory::on_disk(data)?);
    let log_before = engine.health().pressure.log_bytes;
    // Three times what the warm-up makes expect, then room to settle and for the next process.
    let room = Duration::from_secs(5) + Duration::from_millis(count / 10) + estimate * 3;
    let until_ms = now_ms() + u64::try_from(room.as_millis()).unwrap_or(u64::MAX);
    let began = Instant::now();
    let ask = event(BenchSleep::NAME, &BenchSleep { until_ms })?;
    publish(engine, count, &ask, "starting runs").await?;
    reach(engine, &CAME, count, "parking runs", patience(count)).await?;
    let start_s = began.elapsed().as_secs_f64();
    settle(engine, count).await?;
    let pressure = engine.health().pressure;
    let resident_parked = memory::resident()?;
    if now_ms() + 2_000 > until_ms {
        let sentence = "runs were due before all of them were parked; try again, or fewer";
        return Err(anyhow::anyhow!(sentence).into());
    }
    Ok(Parked {
        until_ms,
        start_s,
        resident_before,
        resident_parked,
        memory_bytes_per_run: (resident_parked as f64 - resident_before as f64) / count as f64,
        log_bytes_per_run: pressure.log_bytes.saturating_sub(log_before) as f64 / count as f64,
        disk_before,
    })
}

/// A few runs of one step; how long `count` runs may take to start.
async fn warm_up(engine: &Engine, count: u64) -> Result<Duration, Failure> {
    let few = count.min(5 * ARRAY);
    let began = Instant::now();
    publish(
        engine,
        few,
        &event(BenchOne::NAME, &BenchOne {})?,
        "warming up",
    )
    .await?;
    at_rest(engine, patience(few)).await?;
    Ok(began.elapsed().mul_f64(count as f64 / few as f64))
}

/// Publishes `count` copies of an event, in arrays; waits where the engine is at a limit.
async fn publish(engine: &Engine, count: u64, event: &NewEvent, what: &str) -> Result<(), Failure> {
    let limit = Instant::now() + patience(count);
    let mut sent = 0;
    let mut told = Instant::now();
    progress(what, 0, count)?;
    while sent < count {
        let size = ARRAY.min(count - sent);
        let events = (0..size).map(|_| event.clone()).collect();
        match engine.publish(events).await {
            Ok(_) => sent += size,
            Err(SendError::Busy { .. }) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(anyhow::Error::from(error).into()),
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            progress(what, sent, count)?;
        }
        if Instant::now() > limit {
            return Err(anyhow::anyhow!("{what} takes too long: {sent} of {count}").into());
        }
    }
    progress(what, count, count)
}

/// Waits until `counter` has come to `count` and no run is ready.
async fn reach(
    engine: &Engine,
    counter: &AtomicU64,
    count: u64,
    what: &str,
    limit: Duration,
) -> Result<(), Failure> {
    let limit = Instant::now() + limit;
    let mut told = Instant::now();
    loop {
        let came = counter.load(Ordering::Relaxed);
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            progress(what, came.min(count), count)?;
        }
        if came >= count {
            at_rest(engine, limit.saturating_duration_since(Instant::now())).await?;
            return progress(what, count, count);
        }
        if Instant::now() > limit {
            return Err(anyhow::anyhow!("{what} takes too long: {came} of {count}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until no run is ready and the store has settled.
async fn at_rest(engine: &Engine, limit: Duration) -> anyhow::Result<()> {
    let limit = Instant::now() + limit;
    loop {
        let health = engine.health();
        if let Some(failure) = health.failure {
            bail!("engine failed: {failure}");
        }
        let behind = health.pressure.queued_bytes + health.pressure.unsettled_bytes;
        if health.ready_runs == 0 && behind == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < limit, "engine does not come to rest");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until memory has stopped to move, for a while at most.
async fn settle(engine: &Engine, count: u64) -> anyhow::Result<()> {
    at_rest(engine, patience(count)).await?;
    let limit = Instant::now() + Duration::from_secs(1) + Duration::from_millis(count / 20);
    let mut still = 0;
    let mut last = memory::resident()?;
    while still < 4 && Instant::now() < limit {
        tokio::time::sleep(TELL_EVERY).await;
        let resident = memory::resident()?;
        still = if resident.abs_diff(last) * 1_000 < last {
            still + 1
        } else {
            0
        };
        last = resident;
    }
    Ok(())
}

/// The opening the first new run is timed from.
struct Opening {
    count: u64,
    resident_before: u64,
    began: Instant,
    opened: Duration,
    started: Duration,
}

/// Times the first new run.
async fn order(engine: &Engine, opening: Opening, until_ms: u64) -> anyhow::Result<Ordered> {
    let ended = engine
        .execute(event(BenchOne::NAME, &BenchOne {})?)
        .await
        .context("first new run is refused")?;
    let whole = opening.began.elapsed();
    ensure!(
        matches!(ended.as_slice(), [(_, Outcome::Completed(_))]),
        "first new run did not complete: {ended:?}"
    );
    ensure!(
        now_ms() < until_ms,
        "sleeping runs were due before the first new run ended; try again, or fewer"
    );
    let woken = WENT_ON.load(Ordering::Relaxed);
    ensure!(woken == 0, "{woken} runs woke before their instant");
    let resident = memory::resident()?;
    let grown = resident.saturating_sub(opening.resident_before);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Ordered {
        open_store_ms: ms(opening.opened),
        start_engine_ms: ms(opening.started.saturating_sub(opening.opened)),
        order_ms: ms(whole.saturating_sub(opening.started)),
        opening_to_order_ms: ms(whole),
        resident_before: opening.resident_before,
        resident,
        memory_bytes_per_run: grown as f64 / opening.count as f64,
    })
}

/// Lets the runs fire, and reads from the store what came of them.
async fn fire(
    engine: &Engine,
    store: &Arc<dyn Store>,
    count: u64,
    until_ms: u64,
) -> Result<Fired, Failure> {
    let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
    let what = "waiting for the instant, then for runs to end";
    reach(engine, &WENT_ON, count, what, left + patience(count)).await?;
    progress("reading every journal", 0, 0)?;
    let store = Arc::clone(store);
    let read = tokio::task::spawn_blocking(move || verdicts(store.as_ref(), until_ms)).await;
    let mut verdicts = read.map_err(anyhow::Error::from)??;
    let stored = verdicts.late_ms.len() as u64 + verdicts.otherwise;
    if stored != count {
        return Err(anyhow::anyhow!("{stored} sleeping runs are stored, not {count}").into());
    }
    verdicts.late_ms.sort_unstable();
    let late = |share: f64| {
        let last = verdicts.late_ms.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        verdicts.late_ms.get(at).copied().unwrap_or_default()
    };
    Ok(Fired {
        completed_once: verdicts.late_ms.len() as u64,
        otherwise: verdicts.otherwise,
        late_ms_median: late(0.5),
        late_ms_p99: late(0.99),
        late_ms_last: late(1.0),
        per_s: count as f64 * 1e3 / late(1.0).max(1) as f64,
    })
}

#[derive(Default)]
struct Verdicts {
    /// How late each run ended that completed once.
    late_ms: Vec<u64>,
    otherwise: u64,
}

fn verdicts(store: &dyn Store, until_ms: u64) -> Result<Verdicts, ReadError> {
    let mut verdicts = Verdicts::default();
    let mut filter = RunFilter {
        workflow: Some(WorkflowName::new("bench-sleeper")),
        ..RunFilter::default()
    };
    loop {
        let heads = store.runs(&filter, PAGE)?;
        let Some(last) = heads.last() else {
            return Ok(verdicts);
        };
        filter.before = Some(last.run);
        for head in &heads {
            match late_if_completed_once(store, head, until_ms)? {
                Some(late) => verdicts.late_ms.push(late),
                None => verdicts.otherwise += 1,
            }
        }
    }
}

/// How late the run ended, if its journal has one completion, as its last entry, not too early.
fn late_if_completed_once(
    store: &dyn Store,
    head: &RunHead,
    until_ms: u64,
) -> Result<Option<u64>, ReadError> {
    let journal = store.journal(head.run)?;
    let completion = |body: &EntryBody| matches!(body, EntryBody::RunCompleted(_));
    let completions = journal.iter().filter(|entry| completion(&entry.body));
    let once = completions.count() == 1;
    let last = journal.last().is_some_and(|entry| completion(&entry.body));
    let ended_at = head.ended_at.filter(|_| once && last);
    Ok(ended_at.and_then(|at| at.as_ms().checked_sub(until_ms)))
}
