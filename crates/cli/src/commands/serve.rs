//! `serve`: the engine, until a signal ends it.

use crate::config::ServeArgs;
use crate::failure::Failure;
use crate::logging;
use crate::product::{Environment, Product};
use crate::serving;

const EXAMPLE: &str = "\
Examples:
  STEPWELL_EVENT_KEYS=secret stepwell serve --data /var/lib/stepwell
  stepwell serve --config /etc/stepwell.toml --port 0

Secrets have no flag. STEPWELL_EVENT_KEYS (comma-separated) or `event_keys` in the file name the
keys of `POST /e/{key}`; STEPWELL_OPERATOR_TOKEN or `operator_token` opens /v1 to other machines.

SIGTERM and SIGINT drain: no new events or bodies, bodies in flight finish within the limit, exit 0.
A second signal ends at once; nothing acknowledged is lost by that either. When the store stops
writing, the exit code is 11: have whatever supervises the process start it again.";

/// Run the engine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

pub(crate) async fn run(products: &[Box<dyn Product>], args: Args) -> Result<(), Failure> {
    let config = logging::configure(args.serve, "stepwell-data")?;
    let (data, keys) = (config.data.clone(), config.event_keys.len());
    let environment = Environment::default();
    let ready = |url: &str| serving::announce(url, &data, keys);
    serving::serve(products, config, &environment, ready).await
}
