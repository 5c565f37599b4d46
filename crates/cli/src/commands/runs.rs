//! `runs`: look at runs, signal them, end them, hold them and have them go on.

mod asking;
mod cancel;
mod fork;
mod kill;
mod list;
mod pause;
mod resume;
mod retry;
mod show;
mod signal;

use crate::failure::Failure;

pub(crate) use show::describe;

/// List, show, signal, pause, retry, fork and end runs
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[command(visible_alias = "ls")]
    List(list::Args),
    #[command(visible_alias = "get")]
    Show(show::Args),
    Signal(signal::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Retry(retry::Args),
    Fork(fork::Args),
    Cancel(cancel::Args),
    Kill(kill::Args),
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::Signal(args) => signal::run(args).await,
        Command::Cancel(args) => cancel::run(args).await,
        Command::Kill(args) => kill::run(args).await,
        Command::Pause(args) => pause::run(args).await,
        Command::Resume(args) => resume::run(args).await,
        Command::Retry(args) => retry::run(args).await,
        Command::Fork(args) => fork::run(args).await,
    }
}
