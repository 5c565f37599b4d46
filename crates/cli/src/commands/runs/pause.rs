//! `runs pause`: have nothing new of runs begin.

use stepwell_engine::Request;

use super::asking::{Asked, Reason};
use crate::failure::Failure;

const EXAMPLE: &str = "\
Examples:
  stepwell runs pause 01JD5N --reason 'provider is down'
  stepwell runs pause --workflow send-reminder --dry-run
  stepwell runs pause --workflow send-reminder --reason 'wrong text' --yes

A paused run takes signals and events, and its deadlines pass. `stepwell runs resume` has it go on;
cancelling or killing it ends it. On a data directory without an engine a run is paused before
anything of it goes on.";

/// Pause runs: bodies in flight end, and nothing new begins
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    why: Reason,

    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let said = "is asked to pause";
    args.asked.ask(Request::Pause, &args.why.reason, said).await
}
