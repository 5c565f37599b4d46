//! The command line: ours and the products' commands, taken apart and handed on.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use stepwell::Registry;

use crate::commands::{
    bench, check, completions, dev, journal, runs, send, serve, start, store, workflows,
};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::product::{Plain, Product, ProductCommand};
use crate::talk::complain;

/// How long what is left behind may delay the end of the process.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// The whole binary around `registry`: parses the command line, does what it says.
#[must_use]
pub fn run(registry: Registry) -> ExitCode {
    App::new().workflows(registry).run()
}

/// A binary being put together.
#[derive(Default)]
pub struct App {
    products: Vec<Box<dyn Product>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.products.iter().map(|product| product.name()))
            .finish()
    }
}

/// Runs workflows that survive crashes: every step's result is journaled once.
#[derive(Debug, Parser)]
#[command(name = "stepwell", version, after_help = Exit::table(), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Dev(dev::Args),
    Send(send::Args),
    Start(start::Args),
    #[command(subcommand)]
    Runs(runs::Command),
    #[command(subcommand)]
    Journal(journal::Command),
    Check(check::Args),
    #[command(subcommand)]
    Workflows(workflows::Command),
    #[command(subcommand)]
    Store(store::Command),
    Bench(bench::Args),
    Completions(completions::Args),
}

impl App {
    /// A binary without any workflow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds workflows that need nothing but the engine.
    #[must_use]
    pub fn workflows(self, registry: Registry) -> Self {
        self.product(Plain(registry))
    }

    /// Adds a product.
    #[must_use]
    pub fn product(mut self, product: impl Product) -> Self {
        self.products.push(Box::new(product));
        self
    }

    /// Parses the process's command line, does what it says, answers the exit code.
    #[must_use]
    pub fn run(self) -> ExitCode {
        self.run_with(std::env::args_os()).into()
    }

    fn run_with(self, words: impl IntoIterator<Item = OsString>) -> Exit {
        crate::logging::tell_panics_briefly();
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                let sentence = format!("runtime cannot be started: {error}");
                complain(&Failure::said(Exit::Io, "failed", sentence));
                return Exit::Io;
            }
        };
        let extra: Vec<_> = self
            .products
            .iter()
            .flat_map(|product| product.commands())
            .collect();
        let done = runtime.block_on(Box::pin(self.dispatch(words, &extra)));
        // Only code that blocks its thread can still be there; it ends with the process.
        runtime.shutdown_timeout(LEFT_BEHIND);
        done
    }

    async fn dispatch(
        &self,
        words: impl IntoIterator<Item = OsString>,
        extra: &[Box<dyn ProductCommand>],
    ) -> Exit {
        let command = command(extra);
        let matches = match command.clone().try_get_matches_from(words) {
            Ok(matches) => matches,
            Err(error) => {
                // Help and version come this way too, and are no mistake.
                drop(error.print());
                return if error.use_stderr() {
                    Exit::Usage
                } else {
                    Exit::Ok
                };
            }
        };
        let name = matches.subcommand_name().unwrap_or_default();
        let own = extra
            .iter()
            .find(|extra| extra.command().get_name() == name);
        let done = match (own, matches.subcommand()) {
            (Some(own), Some((_, matches))) => own.run(matches).await,
            _ => match Cli::from_arg_matches(&matches) {
                Ok(cli) => self.carry_out(cli.command, command).await,
                Err(error) => Err(Failure::usage(error)),
            },
        };
        match done {
            Ok(()) => Exit::Ok,
            Err(failure) => {
                complain(&failure);
                failure.exit()
            }
        }
    }

    async fn carry_out(&self, command: Command, whole: clap::Command) -> Result<(), Failure> {
        match command {
            Command::Serve(args) => Box::pin(serve::run(&self.products, args)).await,
            Command::Dev(args) => Box::pin(dev::run(&self.products, args)).await,
            Command::Send(args) => send::run(args).await,
            Command::Start(args) => start::run(args).await,
            Command::Runs(command) => runs::run(command).await,
            Command::Journal(command) => journal::run(command).await,
            Command::Check(args) => Box::pin(check::run(&self.products, args)).await,
            Command::Workflows(command) => workflows::run(&self.products, command).await,
            Command::Store(command) => store::run(command).await,
            Command::Bench(args) => Box::pin(bench::run(args)).await,
            Command::Completions(args) => completions::run(&args, whole),
        }
    }
}

/// The whole command line, products' commands included.
fn command(extra: &[Box<dyn ProductCommand>]) -> clap::Command {
    extra
        .iter()
        .fold(Cli::command(), |all, extra| all.subcommand(extra.command()))
}

#[cfg(test)]
mod tests;
