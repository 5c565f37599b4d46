//! `store`: the data directory itself.

mod check;
mod info;

use crate::failure::Failure;

/// Look at a data directory
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Info(info::Args),
    Check(check::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Info(args) => info::run(args).await,
        Command::Check(args) => check::run(args).await,
    }
}
