//! `journal tail`: a run's entries as they come, until the run ends.

use std::time::Duration;

use stepwell_core::run::RunStatus;
use stepwell_server::wire::{EntryJson, JournalJson};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ids;
use crate::output::{self, Format, OutputArgs, plain};
use crate::reach::{Reach, Target};

/// How often the journal is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const EXAMPLE: &str = "\
Examples:
  stepwell journal tail 01JD5N
  stepwell journal tail 01JD5N -o jsonl

Ends with the run: exit 0 when it completed, 5 when it failed, was cancelled or is quarantined.";

/// Print a run's entries as they are recorded
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Id, or the beginning of one
    run: String,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let format = args.shape.output;
    let follow = async |reach: &Reach| follow(reach, &args.run, format).await;
    let journal = args.at.visit(follow).await?;
    if over(&journal) && journal.status != RunStatus::Completed {
        let sentence = format!("run {} is {}", journal.run, journal.status);
        return Err(Failure::said(
            Exit::RunFailed,
            "run-not-completed",
            sentence,
        ));
    }
    Ok(())
}

/// Prints entries until the run is over; the journal as it is then.
async fn follow(reach: &Reach, run: &str, format: Format) -> Result<JournalJson, Failure> {
    let id = ids::one(reach, run).await?;
    let mut shown = 0;
    loop {
        let journal = reach.journal(id).await?;
        for entry in journal.entries.iter().skip(shown) {
            output::print(&line(entry, format)?)?;
        }
        shown = journal.entries.len();
        // A data directory without an engine does not change by itself.
        if over(&journal) || matches!(reach, Reach::Store(_)) {
            return Ok(journal);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn over(journal: &JournalJson) -> bool {
    journal.status.ended() || journal.status == RunStatus::Quarantined
}

fn line(entry: &EntryJson, format: Format) -> Result<String, Failure> {
    match format {
        Format::Table => {
            let [seq, at, kind, step, attempt, what] = output::cells(entry);
            let what = plain(&what);
            Ok(format!(
                "{seq:>4}  {at}  {kind:<16}  {step:<24}  {attempt:>2}  {what}\n"
            ))
        }
        Format::Json | Format::Jsonl => output::line(entry),
        Format::Ids => Ok(format!("{}\n", entry.seq)),
    }
}
