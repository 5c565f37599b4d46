//! `runs retry`: try again what failed, in the same run.

use stepwell_engine::Request;

use super::asking::{Asked, Reason};
use crate::failure::Failure;

const EXAMPLE: &str = "\
Examples:
  stepwell runs retry 01JD5N --reason 'provider is back'
  stepwell runs retry --status failed --workflow send-reminder --dry-run
  stepwell runs retry --status failed --workflow send-reminder --yes

A failed run goes on from the step that failed, which has all its attempts again; what is recorded
stays and is not run again. A run that backs off is tried at once. What was undone, or what later
steps came after, takes a new run: `stepwell runs fork`.";

/// Try again what failed of runs, in the same run and under the same keys
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    why: Reason,

    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let said = "is tried again";
    args.asked.ask(Request::Retry, &args.why.reason, said).await
}
