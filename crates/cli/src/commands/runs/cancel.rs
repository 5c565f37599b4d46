//! `runs cancel`: ask runs to end.

use stepwell_engine::Request;

use super::asking::{Asked, Reason};
use crate::failure::Failure;

const EXAMPLE: &str = "\
Examples:
  stepwell runs cancel 01JD5N --reason 'ordered twice'
  stepwell runs list --status waiting -o ids | stepwell runs cancel -
  stepwell runs cancel --workflow send-reminder --dry-run

A body in flight is not torn away: the run ends at its next step boundary, or, on a data directory
without an engine, when one next opens it.";

/// Cancel runs at their next step boundary
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    why: Reason,

    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let said = "is asked to end";
    args.asked
        .ask(Request::Cancel, &args.why.reason, said)
        .await
}
