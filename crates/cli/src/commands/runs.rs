//! `runs`: look at runs, cancel them, release them from quarantine.

mod cancel;
mod list;
mod resume;
mod show;

use crate::failure::Failure;

/// List, show, cancel and resume runs
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[command(visible_alias = "ls")]
    List(list::Args),
    #[command(visible_alias = "get")]
    Show(show::Args),
    Cancel(cancel::Args),
    Resume(resume::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Cancel(args) => cancel::run(args).await,
        Command::Resume(args) => resume::run(args).await,
    }
}
