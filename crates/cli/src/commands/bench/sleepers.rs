//! `bench sleepers`: what many runs cost that wait all at once.

use super::place::PlaceArgs;
use super::shown::Shown;
use crate::bench::sleepers::{Plan, Report, measure};
use crate::failure::Failure;
use crate::output::{self, OutputArgs};

const EXAMPLE: &str = "\
Examples:
  stepwell bench sleepers
  stepwell bench sleepers --count 1000000 --kill -o json";

/// Measure many sleeping runs: memory, disk, the first new run after a reopening, and their end
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// How many runs sleep
    #[arg(long, default_value_t = 100_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: u64,

    /// Kill the first process as a power cut would, instead of closing it
    #[arg(long)]
    kill: bool,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let place = args.place.prepare()?;
    let plan = Plan {
        count: args.count,
        kill: args.kill,
    };
    let shown = Shown::new();
    let report = measure(place.path(), plan, |progress| shown.show(progress)).await?;
    drop(shown);
    output::one(args.shape.output, &report, "bench", || text(&report))?;
    if report.fired.otherwise > 0 {
        let sentence = format!(
            "{} of {} runs did not complete once",
            report.fired.otherwise, report.count
        );
        return Err(anyhow::anyhow!(sentence).into());
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let Report {
        parked,
        order,
        fired,
        ..
    } = report;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let ended = if report.killed { "killed" } else { "closed" };
    format!(
        "{} runs asleep at once\n  \
         started and parked     {:.1} s\n  \
         memory of a run        {:.0} bytes ({:.1} MiB before, {:.1} MiB parked)\n  \
         log of a run           {:.0} bytes\n  \
         store of a run         {:.0} bytes\n\n\
         A fresh process, the one before {ended}\n  \
         opening to first order {:.1} ms (store {:.1}, engine {:.1}, order {:.1})\n  \
         from its start         {:.1} ms\n  \
         memory of a run        {:.0} bytes ({:.1} MiB before opening, {:.1} MiB after)\n\n\
         When they were due\n  \
         completed once         {} of {}\n  \
         late                   {} ms median, {} ms p99, {} ms last\n  \
         ended                  {:.0} runs/s\n",
        report.count,
        parked.start_s,
        parked.memory_bytes_per_run,
        mib(parked.resident_before),
        mib(parked.resident_parked),
        parked.log_bytes_per_run,
        report.disk_bytes_per_run,
        order.opening_to_order_ms,
        order.open_store_ms,
        order.start_engine_ms,
        order.order_ms,
        report.spawn_to_order_ms,
        order.memory_bytes_per_run,
        mib(order.resident_before),
        mib(order.resident),
        fired.completed_once,
        report.count,
        fired.late_ms_median,
        fired.late_ms_p99,
        fired.late_ms_last,
        fired.per_s,
    )
}
