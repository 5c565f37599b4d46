//! `journal verify`: every journal read and folded; what is damaged, by run and entry.

use serde::Serialize;
use stepwell_core::RunId;
use stepwell_server::wire::RunListJson;
use stepwell_store_sled::{Damage, Verification};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ids;
use crate::output::{self, Format, OutputArgs, Table};
use crate::reach::{Offline, Reach, Target, Wanted};
use crate::serving::blocking;

/// Runs asked for at a time.
const PAGE: usize = 500;

const EXAMPLE: &str = "\
Examples:
  stepwell journal verify --data /var/lib/stepwell
  stepwell journal verify 01JD5N

With a data directory that no engine holds, every stored value is read. From a running engine the
journals are asked for one by one. Exit 7 when anything is not what was written.";

/// Verify journals, every run's or one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Id, or the beginning of one; all runs when absent
    run: Option<String>,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    runs: u64,
    entries: u64,
    damage: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Found {
    run: Option<String>,
    seq: Option<u64>,
    what: String,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let look = async |reach: &Reach| match (&args.run, reach) {
        (Some(run), _) => one_run(reach, run).await,
        (None, Reach::Store(store)) => whole_store(store).await,
        (None, Reach::Engine(_)) => every_run(reach).await,
    };
    let report = args.at.visit(look).await?;
    show(&report, args.shape.output)?;
    if report.damage.is_empty() {
        return Ok(());
    }
    let sentence = format!(
        "{} damaged value(s) in {} run(s)",
        report.damage.len(),
        report.runs
    );
    Err(Failure::said(Exit::Corrupt, "damaged", sentence))
}

async fn one_run(reach: &Reach, run: &str) -> Result<Report, Failure> {
    let mut report = Report::default();
    report.look(reach, ids::one(reach, run).await?).await?;
    Ok(report)
}

async fn whole_store(offline: &Offline) -> Result<Report, Failure> {
    let store = std::sync::Arc::clone(offline.store());
    Ok(blocking(move || store.verify()).await??.into())
}

async fn every_run(reach: &Reach) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut cursor = None;
    loop {
        let page = reach
            .runs(&Wanted {
                cursor,
                limit: PAGE,
                ..Wanted::default()
            })
            .await?;
        for run in &page.data {
            if let Ok(run) = run.id.parse() {
                report.look(reach, run).await?;
            }
        }
        cursor = page.cursor.as_deref().and_then(RunListJson::parse_cursor);
        if cursor.is_none() {
            return Ok(report);
        }
    }
}

impl Report {
    /// Reads one journal; damage is a finding, anything else ends the command.
    async fn look(&mut self, reach: &Reach, run: RunId) -> Result<(), Failure> {
        self.runs += 1;
        match reach.journal(run).await {
            Ok(journal) => self.entries += journal.entries.len() as u64,
            Err(failure) if failure.exit() == Exit::Corrupt || failure.code() == "damaged" => {
                let found = Found {
                    run: Some(run.to_string()),
                    seq: None,
                    what: failure.to_string(),
                };
                self.damage.push(found);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

impl From<Verification> for Report {
    fn from(verification: Verification) -> Self {
        Self {
            runs: verification.runs,
            entries: verification.entries,
            damage: verification.damage.iter().map(Found::from).collect(),
        }
    }
}

impl From<&Damage> for Found {
    fn from(damage: &Damage) -> Self {
        let (run, seq) = match damage {
            Damage::Journal { run, seq, .. } => (Some(run.to_string()), Some(seq.0)),
            Damage::Value { .. } | Damage::Runs { .. } => (None, None),
        };
        Self {
            run,
            seq,
            what: damage.to_string(),
        }
    }
}

fn show(report: &Report, format: Format) -> Result<(), Failure> {
    let table = |damage: &[Found]| {
        let mut table = Table::new(&["run", "seq", "what"]);
        for found in damage {
            let run = found.run.clone().unwrap_or_else(|| "-".to_owned());
            let seq = found
                .seq
                .map_or_else(|| "-".to_owned(), |seq| seq.to_string());
            table.row([run, seq, found.what.clone()]);
        }
        table
    };
    if format == Format::Table && report.damage.is_empty() {
        let Report { runs, entries, .. } = report;
        return output::print(&format!(
            "{runs} run(s), {entries} entries: all as written\n"
        ));
    }
    let id = |found: &Found| found.run.clone().unwrap_or_default();
    output::many(format, report, &report.damage, id, table)
}
