//! `bench sleepers-part`: one of the two processes of `bench sleepers`; for it alone.

use std::path::PathBuf;

use crate::bench::sleepers::{Role, play};
use crate::failure::Failure;

const EXAMPLE: &str = "Example:
  stepwell bench sleepers --count 1000";

/// One of the two processes of `bench sleepers`, which starts it itself
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[arg(long)]
    data: PathBuf,

    #[arg(long)]
    count: u64,

    /// When the runs are due, for the second process
    #[arg(long)]
    until_ms: Option<u64>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let role = match args.until_ms {
        None => Role::Park,
        Some(until_ms) => Role::Wake { until_ms },
    };
    play(&args.data, args.count, role).await
}
