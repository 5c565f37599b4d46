//! `workflows list`: the workflows of a running engine, or of this binary.

use stepwell_server::wire::{ListJson, WorkflowJson};

use crate::failure::Failure;
use crate::output::{self, OutputArgs, Table};
use crate::product::Product;
use crate::reach::Target;

const EXAMPLE: &str = "\
Examples:
  stepwell workflows list
  stepwell workflows list --here -o json";

/// List the workflows of a running engine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// List those of this binary instead
    #[arg(long, conflicts_with_all = ["url", "data"])]
    here: bool,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(products: &[Box<dyn Product>], args: Args) -> Result<(), Failure> {
    let list = if args.here {
        ours(products)
    } else {
        args.at.engine()?.workflows().await?
    };
    output::many(
        args.shape.output,
        &list,
        &list.data,
        |workflow| workflow.name.clone(),
        table,
    )
}

fn ours(products: &[Box<dyn Product>]) -> ListJson<WorkflowJson> {
    let registries: Vec<_> = products.iter().map(|product| product.workflows()).collect();
    let workflows = registries.iter().flat_map(|registry| registry.workflows());
    ListJson {
        data: workflows
            .map(|workflow| WorkflowJson::from(&**workflow))
            .collect(),
    }
}

fn table(workflows: &[WorkflowJson]) -> Table {
    let mut table = Table::new(&["workflow", "version", "event", "steps"]);
    for workflow in workflows {
        table.row([
            workflow.name.clone(),
            workflow.version.to_string(),
            workflow.event.clone().unwrap_or_else(|| "-".to_owned()),
            workflow.steps.join(", "),
        ]);
    }
    table
}
