//! `runs`: look at runs, signal them, end them, release them from quarantine.

mod cancel;
mod kill;
mod list;
mod resume;
mod show;
mod signal;

use crate::failure::Failure;

pub(crate) use show::describe;

/// List, show, signal, cancel, kill and resume runs
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[command(visible_alias = "ls")]
    List(list::Args),
    #[command(visible_alias = "get")]
    Show(show::Args),
    Signal(signal::Args),
    Cancel(cancel::Args),
    Kill(kill::Args),
    Resume(resume::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Signal(args) => signal::run(args).await,
        Command::Cancel(args) => cancel::run(args).await,
        Command::Kill(args) => kill::run(args).await,
        Command::Resume(args) => resume::run(args).await,
    }
}
