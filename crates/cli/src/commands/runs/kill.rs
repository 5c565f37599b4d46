//! `runs kill`: ask runs to end where they stand.

use crate::failure::Failure;
use crate::ids;
use crate::output::{self, OutputArgs};
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell runs kill 01JD5N --reason 'undoing fails for ever'
  stepwell runs list --status quarantined -o ids | stepwell runs kill -

Nothing is undone: no compensation runs. `stepwell runs cancel` undoes what open scopes did. On a
data directory without an engine the run ends when one next opens it.";

/// End runs where they stand, without undoing anything
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
            let run = reach.kill(id, &args.reason).await?;
            let said = || format!("{} is to end where it stands\n", run.id);
            output::one(args.shape.output, &run, &run.id, said)?;
        }
        Ok(())
    };
    args.at.visit(ask).await
}
