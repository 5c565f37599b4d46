//! `bench`: durable steps measured beside a bare group-commit loop on the same disk; its forms
//! measure many runs that sleep, and one run of many steps.

mod long_run;
mod part;
mod place;
mod shown;
mod sleepers;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use tempfile::TempDir;

use crate::bench::{Plan, Report, measure};
use crate::failure::Failure;
use crate::output::{self, OutputArgs, Table};
use crate::talk::{colours, say};

const EXAMPLE: &str = "\
Examples:
  stepwell bench
  stepwell bench --rounds 5 --seconds 3 -o json
  stepwell bench sleepers --count 1000
  stepwell bench long-run";

/// Measure this machine: steps beside a bare group-commit loop
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    form: Option<Form>,

    /// How often bare loop and engine take turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,

    /// How long each measurement lasts, in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,

    /// Where to measure: a directory on the disk in question; a fresh one inside it is used and
    /// removed again
    #[arg(long, value_name = "DIR", default_value = ".")]
    disk: PathBuf,

    #[command(flatten)]
    shape: OutputArgs,
}

/// What else can be measured.
#[derive(Debug, clap::Subcommand)]
enum Form {
    Sleepers(sleepers::Args),
    LongRun(long_run::Args),
    #[command(hide = true)]
    SleepersPart(part::Args),
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.form {
        None => run_beside_bare(args).await,
        Some(Form::Sleepers(args)) => Box::pin(sleepers::run(args)).await,
        Some(Form::LongRun(args)) => Box::pin(long_run::run(args)).await,
        Some(Form::SleepersPart(args)) => Box::pin(part::run(args)).await,
    }
}

async fn run_beside_bare(args: Args) -> Result<(), Failure> {
    if !(0.05..=60.0).contains(&args.seconds) {
        return Err(Failure::usage("--seconds takes 0.05 to 60"));
    }
    let directory = fresh_in(&args.disk)?;
    let plan = Plan {
        rounds: usize::from(args.rounds),
        each: Duration::from_secs_f64(args.seconds),
    };
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    let lively = std::io::stderr().is_terminal() && colours();
    if lively {
        spinner.set_draw_target(ProgressDrawTarget::stderr());
        spinner.enable_steady_tick(Duration::from_millis(80));
    }
    let tell = |what: String| {
        if lively {
            spinner.set_message(what);
        } else {
            say(format_args!("{what}"));
        }
    };
    let report = measure(directory.path(), plan, tell).await?;
    spinner.finish_and_clear();
    output::one(args.shape.output, &report, "bench", || text(&report))
}

/// A directory of our own, removed when dropped.
fn fresh_in(disk: &Path) -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(".stepwell-bench-")
        .tempdir_in(disk)
        .with_context(|| format!("no directory can be made in {}", disk.display()))
}

fn text(report: &Report) -> String {
    let sequential = &report.sequential;
    let mut text = format!(
        "{} round(s) of {} s each; median (least to greatest); ratios are of the same round\n\n\
         One run of 100 sequential steps\n  a step       {} us\n  bare record  {} us\n  \
         ratio        {}\n\nRuns of 4 steps\n",
        report.rounds,
        report.seconds_each,
        sequential.step_us,
        sequential.bare_us,
        sequential.ratio
    );
    let heads = [
        "clients",
        "steps/s",
        "of bare loop",
        "cpu us/step",
        "syncs/step",
        "log bytes/step",
    ];
    let mut table = Table::new(&heads);
    for orders in &report.orders {
        table.row([
            orders.clients.to_string(),
            orders.steps_per_s.to_string(),
            orders.ratio.to_string(),
            orders.cpu_us_per_step.to_string(),
            orders.syncs_per_step.to_string(),
            orders.log_bytes_per_step.to_string(),
        ]);
    }
    text.push_str(&table.render());
    text
}
