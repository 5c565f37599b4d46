//! `store info`: how a store is, from its engine or from the directory itself.

use serde::Serialize;
use stepwell_server::wire::{HealthJson, StoreJson};

use crate::facts::store_facts;
use crate::failure::Failure;
use crate::output::{self, OutputArgs};
use crate::reach::{Reach, Target};
use crate::serving::blocking;

const EXAMPLE: &str = "\
Examples:
  stepwell store info --data /var/lib/stepwell
  stepwell store info -o json

From an engine or from the directory, the store's own fields are the same; `engine` is what its engine
says besides, null when none runs. `clean` and `tail records` are of the opening shown.";

/// Show how a store is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

/// A store, and the engine that has it open.
#[derive(Debug, Serialize)]
struct Info {
    #[serde(flatten)]
    store: StoreJson,
    /// `null` when no engine runs.
    engine: Option<HealthJson>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let info = args.at.visit(look).await?;
    let shown = || lines(&info.store) + &info.engine.as_ref().map_or_else(no_engine, of_engine);
    output::one(args.shape.output, &info, &info.store.store, shown)
}

async fn look(reach: &Reach) -> Result<Info, Failure> {
    match reach {
        Reach::Engine(engine) => Ok(Info {
            store: engine.store().await?,
            engine: Some(engine.health().await?),
        }),
        Reach::Store(offline) => {
            let store = std::sync::Arc::clone(offline.store());
            Ok(Info {
                store: blocking(move || store_facts(&store)).await??,
                engine: None,
            })
        }
    }
}

fn no_engine() -> String {
    "\nno engine runs on it\n".to_owned()
}

fn of_engine(health: &HealthJson) -> String {
    format!("\nof its engine\n{}", lines(health))
}

/// A flat value, one field a line.
fn lines<T: Serialize>(value: &T) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(value) else {
        return String::new();
    };
    let line = |(name, value): (&String, &serde_json::Value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{:<16} {}\n", name.replace('_', " "), output::plain(&text))
    };
    fields.iter().map(line).collect()
}
