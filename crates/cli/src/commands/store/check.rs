//! `store check`: is everything there, and is it what was written?

use serde::Serialize;
use stepwell_store_sled::{Options, Verification, scrub};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, OutputArgs};
use crate::reach::{Offline, Target};
use crate::serving::blocking;

const EXAMPLE: &str = "\
Examples:
  stepwell store check --data /var/lib/stepwell
  stepwell store check --data /mnt/backup --full

First the files are looked at without opening them: the whole log, and after a clean close every
byte of the table. Then runs are counted; --full also reads every value. Exit 7 when anything is
not what was written; nothing is repaired or rewritten.";

/// Check a data directory that no engine holds
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Read every value too
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    store: String,
    clean: bool,
    runs: u64,
    damage: Vec<String>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let data = args.at.data().cloned().ok_or_else(|| {
        Failure::usage(
            "a store is checked in its directory: name it with --data, and stop its engine first",
        )
    })?;
    let directory = data.clone();
    let scrubbed = blocking(move || scrub(&directory, &Options::default())).await??;
    let offline = Offline::open(&data).await?;
    let store = std::sync::Arc::clone(offline.store());
    let full = args.full;
    let look = move || if full { store.verify() } else { store.check() };
    let looked = blocking(look).await;
    offline.close().await?;
    let found: Verification = looked??;
    let report = Report {
        store: scrubbed.store,
        clean: scrubbed.sealed,
        runs: found.runs,
        damage: found.damage.iter().map(ToString::to_string).collect(),
    };
    output::one(args.shape.output, &report, &report.store, || lines(&report))?;
    if report.damage.is_empty() {
        return Ok(());
    }
    let sentence = format!(
        "store in {} has {} damaged value(s)",
        data.display(),
        report.damage.len()
    );
    Err(Failure::said(Exit::Corrupt, "damaged", sentence))
}

fn lines(report: &Report) -> String {
    let closed = if report.clean {
        "cleanly closed"
    } else {
        "not cleanly closed"
    };
    let mut text = format!("store {}, {closed}, {} run(s)\n", report.store, report.runs);
    if report.damage.is_empty() {
        text.push_str("all as written\n");
    }
    for damage in &report.damage {
        text.push_str(&format!("damaged: {}\n", output::plain(damage)));
    }
    text
}
