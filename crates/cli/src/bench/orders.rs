//! The engine under load: real runs of real workflows on the real store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Payload, Registry, Step, workflow};
use stepwell_core::run::Outcome;
use stepwell_engine::{Clock, Engine, NewEvent};
use stepwell_store::Store;

use super::cpu;

/// Steps of the order workflow.
const ORDER_STEPS: u64 = 4;
/// Steps of the sequential workflow.
const SEQUENCE_STEPS: u32 = 100;

/// What the engine came to.
pub(crate) struct Measured {
    pub(crate) steps_per_s: f64,
    pub(crate) cpu_us_per_step: f64,
    pub(crate) syncs_per_step: f64,
    pub(crate) log_bytes_per_step: f64,
}

#[derive(Event, Serialize, Deserialize)]
#[event("bench/order.placed")]
struct BenchOrder {}

#[derive(Event, Serialize, Deserialize)]
#[event("bench/sequence.asked")]
struct BenchSequence {}

/// A result of 42 bytes as JSON.
#[derive(Serialize, Deserialize)]
struct Outcome42 {
    id: String,
    status: String,
}

fn result() -> Outcome42 {
    Outcome42 {
        id: "0123456789".to_owned(),
        status: "succeeded".to_owned(),
    }
}

#[workflow(on = BenchOrder, name = "bench-order")]
async fn bench_order(step: &mut Step, _order: BenchOrder) -> Result<(), Error> {
    step.run("capture-payment", async |_: &Attempt| Ok(result()))
        .await?;
    step.run("reserve-inventory", async |_: &Attempt| Ok(result()))
        .await?;
    step.run("send-confirmation", async |_: &Attempt| Ok(result()))
        .await?;
    step.run("record-to-sheet", async |_: &Attempt| Ok(result()))
        .await?;
    Ok(())
}

#[workflow(on = BenchSequence, name = "bench-sequence")]
async fn bench_sequence(step: &mut Step, _ask: BenchSequence) -> Result<(), Error> {
    for _ in 0..SEQUENCE_STEPS {
        step.run("step", async |_: &Attempt| Ok(result())).await?;
    }
    Ok(())
}

/// An engine over `store` with the measured workflows.
///
/// # Errors
/// When it cannot start.
pub(crate) async fn engine(store: Arc<dyn Store>) -> anyhow::Result<Engine> {
    let registry = Registry::new().with(bench_order).with(bench_sequence);
    let options = stepwell_engine::Options::default();
    Engine::start(store, registry, Clock::Wall, options)
        .await
        .context("engine for the measurement cannot start")
}

/// Median time of a step, in microseconds, over runs of 100 steps one at a time for `each`.
///
/// # Errors
/// When a run fails.
pub(crate) async fn sequential(engine: &Engine, each: Duration) -> anyhow::Result<f64> {
    let until = Instant::now() + each;
    let mut per_step = Vec::new();
    while per_step.is_empty() || Instant::now() < until {
        let began = Instant::now();
        one(engine, BenchSequence::NAME).await?;
        per_step.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(SEQUENCE_STEPS));
    }
    Ok(super::median_of(per_step).median)
}

/// `clients` clients, each starting a 4-step run and waiting for its end, for `each`.
///
/// # Errors
/// When a run fails, or nothing was synced.
pub(crate) async fn concurrent(
    engine: &Engine,
    store: &Arc<dyn Store>,
    clients: usize,
    each: Duration,
) -> anyhow::Result<Measured> {
    let (pressure, used) = (store.pressure(), cpu::used()?);
    let began = Instant::now();
    let until = began + each;
    let runs = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (engine, runs) = (engine.clone(), Arc::clone(&runs));
            tokio::spawn(async move {
                while Instant::now() < until {
                    one(&engine, BenchOrder::NAME).await?;
                    runs.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    let took = began.elapsed().as_secs_f64();
    let steps = (runs.load(Ordering::Relaxed) * ORDER_STEPS) as f64;
    let after = store.pressure();
    let syncs = after.syncs.saturating_sub(pressure.syncs);
    ensure!(
        syncs > 0,
        "nothing was synced, so nothing was durable: this is no measurement"
    );
    let cpu = cpu::used()?.saturating_sub(used);
    Ok(Measured {
        steps_per_s: steps / took,
        cpu_us_per_step: cpu.as_secs_f64() * 1e6 / steps,
        syncs_per_step: syncs as f64 / steps,
        log_bytes_per_step: after.log_bytes.saturating_sub(pressure.log_bytes) as f64 / steps,
    })
}

async fn one(engine: &Engine, name: &str) -> anyhow::Result<()> {
    let event = NewEvent {
        id: None,
        name: name.to_owned(),
        data: Payload::from_json("{}"),
        user: None,
        v: None,
        ts: None,
    };
    for (run, outcome) in engine.execute(event).await? {
        match outcome {
            Outcome::Completed(_) | Outcome::Continued(_) => {}
            Outcome::Failed(failure) => anyhow::bail!("run {run} failed: {}", failure.message),
            Outcome::Cancelled => anyhow::bail!("run {run} was cancelled"),
        }
    }
    Ok(())
}
