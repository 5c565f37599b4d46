//! `journal show`: a run entry by entry.

use crate::failure::Failure;
use crate::ids;
use crate::output::{self, Format, OutputArgs};
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell journal show 01JD5N
  stepwell journal show 01JD5N --data /var/lib/stepwell -o json";

/// Show the journal of a run
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
    let look = async |reach: &Reach| reach.journal(ids::one(reach, &args.run).await?).await;
    let journal = args.at.visit(look).await?;
    if args.shape.output == Format::Table {
        let heading = format!(
            "{} {} {}\n",
            journal.run,
            journal.workflow,
            output::status(journal.status)
        );
        output::print(&heading)?;
    }
    let seq = |entry: &stepwell_server::wire::EntryJson| entry.seq.to_string();
    output::many(
        args.shape.output,
        &journal,
        &journal.entries,
        seq,
        output::journal,
    )
}
