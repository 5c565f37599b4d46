//! `journal`: what is recorded of runs.

mod export;
mod show;
mod tail;
mod verify;

use crate::failure::Failure;

/// Show, follow, verify and export journals
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[command(visible_alias = "get")]
    Show(show::Args),
    Tail(tail::Args),
    Verify(verify::Args),
    Export(export::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(args) => show::run(args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Export(args) => export::run(args).await,
    }
}
