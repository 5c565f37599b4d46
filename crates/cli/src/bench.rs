//! `stepwell bench`: durable steps measured beside a bare group-commit loop on the same disk.
//!
//! Figures on a shared machine mean little by themselves, so each round measures the bare loop and
//! the engine one after the other, and what is reported first is the median of their ratios. CPU
//! per step and syncs per step do not depend on who else uses the machine.
//!
//! Beside it, [`sleepers`] measures many runs that wait and [`long_run`] one run of many steps.

mod bare;
mod cpu;
mod figures;
pub(crate) mod long_run;
mod memory;
mod orders;
pub(crate) mod progress;
pub(crate) mod sleepers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use stepwell_store::Store;
use stepwell_store_sled::SledStore;

use figures::{Spread, median_of};

/// Concurrent 4-step runs that are measured.
const CLIENTS: [usize; 3] = [1, 16, 256];

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How often bare loop and engine take turns.
    pub(crate) rounds: usize,
    /// How long each measurement lasts.
    pub(crate) each: Duration,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// How often bare loop and engine took turns.
    pub(crate) rounds: usize,
    /// How long each measurement lasted, in seconds.
    pub(crate) seconds_each: f64,
    /// One run of 100 sequential steps at a time.
    pub(crate) sequential: Sequential,
    /// Runs of 4 steps, by number of clients.
    pub(crate) orders: Vec<Orders>,
}

/// See [`Report::sequential`].
#[derive(Debug, Serialize)]
pub(crate) struct Sequential {
    /// Median time of one step, in microseconds.
    pub(crate) step_us: Spread,
    /// Median time of one record of the bare loop with one writer, in microseconds.
    pub(crate) bare_us: Spread,
    /// Step over bare record, round by round.
    pub(crate) ratio: Spread,
}

/// See [`Report::orders`].
#[derive(Debug, Serialize)]
pub(crate) struct Orders {
    /// Concurrent clients, each waiting for the end of its run.
    pub(crate) clients: usize,
    /// Durable steps a second.
    pub(crate) steps_per_s: Spread,
    /// Records a second of the bare loop with as many writers.
    pub(crate) bare_per_s: Spread,
    /// Steps over bare records, round by round.
    pub(crate) ratio: Spread,
    /// Processor time of the whole process for one step, clients included, in microseconds.
    pub(crate) cpu_us_per_step: Spread,
    /// Syncs of the log for one step.
    pub(crate) syncs_per_step: Spread,
    /// Bytes written to the log for one step.
    pub(crate) log_bytes_per_step: Spread,
}

/// Measures in a fresh store under `directory`, telling `say` what is under way.
///
/// # Errors
/// When the disk or the engine fails; a measurement during which nothing was synced is an error,
/// not a figure.
pub(crate) async fn measure(
    directory: &Path,
    plan: Plan,
    say: impl Fn(String),
) -> anyhow::Result<Report> {
    let store = SledStore::open(
        directory.join("store"),
        stepwell_store_sled::Options::default(),
    )
    .context("store for the measurement cannot be opened")?;
    let store: Arc<dyn Store> = Arc::new(store);
    let engine = orders::engine(Arc::clone(&store)).await?;
    let mut sequential = (Vec::new(), Vec::new());
    let mut orders: Vec<Vec<Round>> = CLIENTS.iter().map(|_| Vec::new()).collect();
    for round in 1..=plan.rounds {
        say(format!(
            "round {round} of {}: 100 sequential steps",
            plan.rounds
        ));
        sequential
            .0
            .push(orders::sequential(&engine, plan.each).await?);
        sequential
            .1
            .push(bare::measure(directory, 1, plan.each).await?.median_us);
        for (clients, rounds) in CLIENTS.into_iter().zip(&mut orders) {
            say(format!(
                "round {round} of {}: {clients} client(s)",
                plan.rounds
            ));
            let bare = bare::measure(directory, clients, plan.each).await?;
            let engine = orders::concurrent(&engine, &store, clients, plan.each).await?;
            rounds.push(Round { bare, engine });
        }
    }
    engine.drain(Duration::from_secs(10)).await;
    store
        .close()
        .context("store of the measurement cannot be closed")?;
    let ratio = ratios(&sequential.0, &sequential.1);
    Ok(Report {
        rounds: plan.rounds,
        seconds_each: plan.each.as_secs_f64(),
        sequential: Sequential {
            ratio,
            step_us: median_of(sequential.0),
            bare_us: median_of(sequential.1),
        },
        orders: CLIENTS
            .into_iter()
            .zip(orders)
            .map(|(n, rounds)| summary(n, &rounds))
            .collect(),
    })
}

/// One turn of both.
struct Round {
    bare: bare::Measured,
    engine: orders::Measured,
}

fn summary(clients: usize, rounds: &[Round]) -> Orders {
    let of = |read: fn(&Round) -> f64| median_of(rounds.iter().map(read).collect());
    Orders {
        clients,
        steps_per_s: of(|round| round.engine.steps_per_s),
        bare_per_s: of(|round| round.bare.per_s),
        ratio: of(|round| round.engine.steps_per_s / round.bare.per_s),
        cpu_us_per_step: of(|round| round.engine.cpu_us_per_step),
        syncs_per_step: of(|round| round.engine.syncs_per_step),
        log_bytes_per_step: of(|round| round.engine.log_bytes_per_step),
    }
}

fn ratios(ours: &[f64], bare: &[f64]) -> Spread {
    median_of(
        ours.iter()
            .zip(bare)
            .map(|(ours, bare)| ours / bare)
            .collect(),
    )
}
