//! `check`: the workflows of this binary, held against runs that are under way.

mod findings;
mod sources;

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use stepwell::Registry;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::logging;
use crate::output::{self, Format, OutputArgs};
use crate::product::Product;
use crate::reach::{Reach, Target};
use findings::{Findings, Found};

const EXAMPLE: &str = "\
Examples:
  stepwell check --data /var/lib/stepwell
  stepwell check --url http://127.0.0.1:8288 -o jsonl
  stepwell check failed.jsonl

Run it with the binary that is to be deployed, against the engine that is running or a data directory
that none has open. Every run that has not ended is replayed over its journal: no step is run, nothing
is written and nobody is called. With FILEs the journals in them are replayed, whether their runs have
ended or not; `stepwell journal export` writes them.

Exit 15 when a run breaks: this binary would quarantine it. Exit 16 when none does, and not all could
be checked.";

/// Hold the workflows of this binary against open runs, or against exported journals
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Exported journals, or `-` for those on standard input; open runs when absent
    #[arg(value_name = "FILE", conflicts_with_all = ["url", "data"])]
    files: Vec<PathBuf>,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(products: &[Box<dyn Product>], args: Args) -> Result<(), Failure> {
    let each = products.iter().map(|product| product.unplugged());
    let registry = each.fold(Registry::new(), Registry::merge);
    registry.check()?;
    // What code panics with is its verdict.
    logging::leave_panics_untold();
    let format = args.shape.output;
    let progress = progress();
    let mut findings = Findings::default();
    let mut note = |found: Found| {
        progress.inc(1);
        if format == Format::Jsonl {
            output::print(&output::line(&found)?)?;
        }
        findings.note(found);
        Ok(())
    };
    if args.files.is_empty() {
        let look = async |reach: &Reach| match reach {
            Reach::Engine(_) => sources::engine(reach, &registry, &mut note).await,
            Reach::Store(store) => sources::store(store, &registry, &mut note).await,
        };
        args.at.visit(look).await?;
    } else {
        for file in &args.files {
            sources::file(file, &registry, &mut note).await?;
        }
    }
    progress.finish_and_clear();
    show(&findings, format)?;
    verdict(&findings)
}

/// Seen on a terminal alone.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} run(s) checked") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(80));
    bar
}

fn show(findings: &Findings, format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => output::print(&findings.text()),
        Format::Json => output::one(format, findings, "", String::new),
        // Printed one by one.
        Format::Jsonl => Ok(()),
        Format::Ids => output::print(&findings.ids()),
    }
}

/// What breaks comes before what is not known.
fn verdict(findings: &Findings) -> Result<(), Failure> {
    let checked = findings.checked;
    if findings.breaking > 0 {
        let sentence = format!(
            "{} of {checked} run(s) break: this binary would quarantine them and run the others",
            findings.breaking
        );
        return Err(Failure::said(Exit::Breaks, "code-breaks-runs", sentence));
    }
    if findings.unknown > 0 {
        let sentence = format!(
            "{} of {checked} run(s) could not be checked to the end, and no other breaks",
            findings.unknown
        );
        return Err(Failure::said(Exit::Unchecked, "check-incomplete", sentence));
    }
    Ok(())
}
