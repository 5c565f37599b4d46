//! `runs kill`: ask runs to end where they stand.

use stepwell_engine::Request;

use super::asking::{Asked, Reason};
use crate::failure::Failure;

const EXAMPLE: &str = "\
Examples:
  stepwell runs kill 01JD5N --reason 'undoing fails for ever'
  stepwell runs list --status quarantined -o ids | stepwell runs kill -
  stepwell runs kill --status quarantined --workflow send-reminder --yes

Nothing is undone: no compensation runs. `stepwell runs cancel` undoes what open scopes did. On a
data directory without an engine the run ends when one next opens it.";

/// End runs where they stand, without undoing anything
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    why: Reason,

    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let said = "is to end where it stands";
    args.asked.ask(Request::Kill, &args.why.reason, said).await
}
