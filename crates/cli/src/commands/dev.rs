//! `dev`: the engine with stand-ins for the services its products call.

use std::collections::BTreeSet;

use crate::config::ServeArgs;
use crate::failure::Failure;
use crate::logging;
use crate::product::{Environment, Product, Rehearsal};
use crate::serving;
use crate::talk::{self, say};

/// The event key accepted besides those that are set.
const KEY: &str = "dev";

const EXAMPLE: &str = "\
Examples:
  stepwell dev
  stepwell dev --port 9000 --data /tmp/try

The stand-ins run inside and forget everything at the end; runs and orders stay in the data directory.";

/// Run the engine with stand-ins for the services its workflows call
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

pub(crate) async fn run(products: &[Box<dyn Product>], args: Args) -> Result<(), Failure> {
    let mut config = logging::configure(args.serve, ".stepwell")?;
    config.event_keys.push(KEY.to_owned());
    let mut rehearsals = Vec::new();
    for product in products {
        rehearsals.extend(product.rehearse().await?);
    }
    let values = rehearsals
        .iter()
        .flat_map(|rehearsal| rehearsal.environment.clone());
    let environment = Environment::with(values);
    let (data, keys) = (config.data.clone(), config.event_keys.len());
    let ready = |url: &str| {
        serving::announce(url, &data, keys);
        show(url, products, &rehearsals);
    };
    serving::serve(products, config, &environment, ready).await
}

fn show(url: &str, products: &[Box<dyn Product>], rehearsals: &[Rehearsal]) {
    for rehearsal in rehearsals {
        say(format_args!("stand-ins on {}", rehearsal.url));
    }
    if talk::logged() {
        // Advice is for whoever sits before it.
        return;
    }
    say(format_args!("\nTry:"));
    let program = std::env::args().next();
    let program = program.as_deref().unwrap_or("stepwell");
    if rehearsals.is_empty() {
        say(format_args!(
            "  # An event, with the data its workflow takes:"
        ));
        for event in events(products) {
            say(format_args!("  {program} send {event} '{{}}' --url {url}"));
        }
    }
    for rehearsal in rehearsals {
        for line in (rehearsal.worth_trying)(url, &rehearsal.url) {
            say(format_args!("  {line}"));
        }
    }
    say(format_args!("  # What ran, and what is journaled of it:"));
    say(format_args!("  {program} runs list --url {url}"));
    say(format_args!("  {program} journal show --url {url} RUN\n"));
}

/// The events that start workflows of the products, each once.
fn events(products: &[Box<dyn Product>]) -> BTreeSet<String> {
    let registries = products.iter().map(|product| product.workflows());
    registries
        .flat_map(|registry| {
            let triggers = registry
                .workflows()
                .filter_map(|workflow| workflow.trigger());
            triggers.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
