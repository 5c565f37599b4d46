//! `runs resume`: release runs from quarantine or from a pause.

use stepwell_engine::Request;

use super::asking::Asked;
use crate::failure::Failure;

const EXAMPLE: &str = "\
Examples:
  stepwell runs resume 01JD5N
  stepwell runs list --status quarantined -o ids | stepwell runs resume -
  stepwell runs resume --status paused --workflow send-reminder --yes

Mend what quarantined the run first: `stepwell runs show` names both sides. A run whose code still
does not fit its journal is quarantined again, and nothing of it is executed.";

/// Release runs from quarantine or from a pause
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let said = "goes on";
    args.asked.ask(Request::Resume, "", said).await
}
