//! `bench long-run`: a step late in a run beside one early in it, and the replay of them all.

use super::place::PlaceArgs;
use super::shown::Shown;
use crate::bench::long_run::{Plan, Report, measure};
use crate::failure::Failure;
use crate::output::{self, OutputArgs, Table};

const EXAMPLE: &str = "\
Examples:
  stepwell bench long-run
  stepwell bench long-run --steps 2000 --rounds 5 -o json";

/// Measure one run of many steps: late steps beside early ones, and its replay
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Calls of the run, the last of which is a sleep
    #[arg(long, default_value_t = 10_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(300..=10_000))]
    steps: u32,

    /// How many runs are measured, one after the other
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let place = args.place.prepare()?;
    let plan = Plan {
        steps: args.steps,
        rounds: usize::from(args.rounds),
    };
    let shown = Shown::new();
    let report = measure(place.path(), plan, |progress| shown.show(progress)).await?;
    drop(shown);
    output::one(args.shape.output, &report, "bench", || text(&report))
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{} run(s) of {} steps; median (least to greatest); ratios are of the same run\n\n",
        report.rounds, report.steps
    );
    let mut table = Table::new(&["cpu us/step", "early", "late", "ratio"]);
    let Report { shard, process, .. } = report;
    for (whose, cost) in [("shard", shard), ("process", process)] {
        table.row([
            format!("{whose}: median of 100"),
            cost.early_us.to_string(),
            cost.late_us.to_string(),
            cost.ratio.to_string(),
        ]);
        table.row([
            format!("{whose}: mean of a tenth"),
            cost.early_mean_us.to_string(),
            cost.late_mean_us.to_string(),
            cost.mean_ratio.to_string(),
        ]);
    }
    text.push_str(&table.render());
    text.push_str(&format!(
        "\nA step\n  time       {} us\n  log        {} bytes\n\n\
         Opening again\n  to code    {} ms\n  replay     {} ms\n  together   {} ms\n",
        report.step_us,
        report.log_bytes_per_step,
        report.load_ms,
        report.replay_ms,
        report.reopen_ms,
    ));
    text
}
