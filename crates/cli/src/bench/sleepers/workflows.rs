//! The measured workflows: one that sleeps, and one of a single step.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Payload, Step, workflow};
use stepwell_core::Timestamp;
use stepwell_engine::NewEvent;

/// How often code came to its sleep, in this process.
pub(super) static CAME: AtomicU64 = AtomicU64::new(0);
/// How often code went on behind its sleep, in this process.
pub(super) static WENT_ON: AtomicU64 = AtomicU64::new(0);

#[derive(Event, Serialize, Deserialize)]
#[event("bench/sleep.asked")]
pub(super) struct BenchSleep {
    pub(super) until_ms: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event("bench/one.placed")]
pub(super) struct BenchOne {}

#[workflow(on = BenchSleep, name = "bench-sleeper")]
pub(super) async fn bench_sleeper(step: &mut Step, ask: BenchSleep) -> Result<(), Error> {
    CAME.fetch_add(1, Ordering::Relaxed);
    let until = Timestamp::from_ms(ask.until_ms);
    step.sleep_until("until", until).await?;
    WENT_ON.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[workflow(on = BenchOne, name = "bench-one")]
pub(super) async fn bench_one(step: &mut Step, _order: BenchOne) -> Result<(), Error> {
    step.run("capture-payment", async |_: &Attempt| Ok(42_u32))
        .await?;
    Ok(())
}

pub(super) fn event(name: &str, data: &impl Serialize) -> anyhow::Result<NewEvent> {
    Ok(NewEvent {
        id: None,
        name: name.to_owned(),
        data: Payload::from_json(serde_json::to_string(data)?),
        user: None,
        v: None,
        ts: None,
    })
}
