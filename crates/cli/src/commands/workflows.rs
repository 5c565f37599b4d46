//! `workflows`: what can run.

mod list;

use crate::failure::Failure;
use crate::product::Product;

/// List workflows
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    #[command(visible_alias = "ls")]
    List(list::Args),
}

pub(crate) async fn run(products: &[Box<dyn Product>], command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list::run(products, args).await,
    }
}
