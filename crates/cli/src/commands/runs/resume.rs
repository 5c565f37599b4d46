//! `runs resume`: release runs from quarantine.

use crate::failure::Failure;
use crate::ids;
use crate::output::{self, OutputArgs};
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell runs resume 01JD5N
  stepwell runs list --status quarantined -o ids | stepwell runs resume -

Mend what quarantined the run first: `stepwell runs show` names both sides. A run whose code still
does not fit its journal is quarantined again, and nothing of it is executed.";

/// Release runs from quarantine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Ids, beginnings of ids, or `-` for ids on standard input
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let release = async |reach: &Reach| {
        for id in ids::resolve(reach, &args.runs).await? {
            let run = reach.resume(id).await?;
            let said = || format!("{} goes on\n", run.id);
            output::one(args.shape.output, &run, &run.id, said)?;
        }
        Ok(())
    };
    args.at.visit(release).await
}
