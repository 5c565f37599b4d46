//! `workflows list`: the workflows of a running engine, or of this binary.

use std::time::Duration;

use stepwell_engine::Clock;
use stepwell_server::wire::{ListJson, WorkflowJson};

use crate::failure::Failure;
use crate::output::{self, OutputArgs, Table};
use crate::product::Product;
use crate::reach::Target;
use crate::spans::words;

const EXAMPLE: &str = "\
Examples:
  stepwell workflows list
  stepwell workflows list --here -o json";

/// List the workflows of a running engine, each version of their code by itself
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
    let now = Clock::Wall.now();
    let each = registries.iter();
    ListJson {
        data: each
            .flat_map(|registry| WorkflowJson::all_of(registry, now))
            .collect(),
    }
}

fn table(workflows: &[WorkflowJson]) -> Table {
    let mut table = Table::new(&[
        "workflow",
        "version",
        "trigger",
        "cancel on",
        "on failure",
        "deadlines",
        "steps",
    ]);
    let or_dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    for workflow in workflows {
        table.row([
            workflow.name.clone(),
            workflow.version.to_string(),
            trigger(workflow),
            or_dash(workflow.cancel_on.join(", ")),
            or_dash(workflow.on_failure.clone().unwrap_or_default()),
            or_dash(deadlines(workflow)),
            workflow.steps.join(", "),
        ]);
    }
    table
}

/// What starts runs of it.
fn trigger(workflow: &WorkflowJson) -> String {
    if !workflow.current {
        return "none: for runs it began".to_owned();
    }
    match (&workflow.event, &workflow.cron) {
        (Some(event), _) => format!("event {event}"),
        (None, Some(cron)) => {
            let next = cron.next_at.map_or_else(
                || "never within five years".to_owned(),
                |at| format!("next at {at}"),
            );
            format!("cron {} {}, {next}", cron.expression, cron.zone)
        }
        (None, None) => "call only".to_owned(),
    }
}

fn deadlines(workflow: &WorkflowJson) -> String {
    let limit = |verb: &str, ms: Option<u64>| {
        ms.map(|ms| format!("{verb} within {}", words(Duration::from_millis(ms))))
    };
    let both = [
        limit("starts", workflow.start_within_ms),
        limit("ends", workflow.finish_within_ms),
    ];
    both.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
