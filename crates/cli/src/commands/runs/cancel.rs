//! `runs cancel`: ask runs to end.

use crate::failure::Failure;
use crate::ids;
use crate::output::{self, OutputArgs};
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell runs cancel 01JD5N --reason 'ordered twice'
  stepwell runs list --status waiting -o ids | stepwell runs cancel -

A body in flight is not torn away: the run ends at its next step boundary, or, on a data directory
without an engine, when one next opens it.";

/// Cancel runs at their next step boundary
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Ids, beginnings of ids, or `-` for ids on standard input
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    /// Why; kept in the journal
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let ask = async |reach: &Reach| {
        for id in ids::resolve(reach, &args.runs).await? {
            let run = reach.cancel(id, &args.reason).await?;
            let said = || format!("{} is asked to end\n", run.id);
            output::one(args.shape.output, &run, &run.id, said)?;
        }
        Ok(())
    };
    args.at.visit(ask).await
}
