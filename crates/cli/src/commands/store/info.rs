//! `store info`: how a store is, from its engine or from the directory itself.

use serde::Serialize;
use stepwell_store_sled::StoreFacts;

use crate::failure::Failure;
use crate::output::{self, OutputArgs};
use crate::reach::{Reach, Target};
use crate::serving::blocking;

const EXAMPLE: &str = "\
Examples:
  stepwell store info --data /var/lib/stepwell
  stepwell store info -o json";

/// Show how a store is
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

/// A store as JSON shows it.
#[derive(Debug, Serialize)]
struct StoreJson {
    directory: String,
    store: String,
    formats: Formats,
    generation: u32,
    opening: u64,
    clean: bool,
    tail_records: u64,
    settled: u64,
    checkpointed: u64,
    runs: u64,
    log_bytes: u64,
    table_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Formats {
    record: u8,
    settled: u8,
    seal: u8,
}

impl From<StoreFacts> for StoreJson {
    fn from(info: StoreFacts) -> Self {
        let [record, settled, seal] = info.formats;
        Self {
            directory: info.directory.display().to_string(),
            store: info.store,
            formats: Formats {
                record,
                settled,
                seal,
            },
            generation: info.generation,
            opening: info.opening,
            clean: info.sealed,
            tail_records: info.tail_records,
            settled: info.settled,
            checkpointed: info.checkpointed,
            runs: info.runs,
            log_bytes: info.log_bytes,
            table_bytes: info.table_bytes,
        }
    }
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let reach = args.at.reach().await?;
    match &reach {
        Reach::Engine(engine) => {
            let health = engine.health().await?;
            output::one(args.shape.output, &health, &health.version, || {
                lines(&health)
            })?;
        }
        Reach::Store(offline) => {
            let store = std::sync::Arc::clone(offline.store());
            let info = StoreJson::from(blocking(move || store.info()).await??);
            output::one(args.shape.output, &info, &info.store, || lines(&info))?;
        }
    }
    reach.close().await
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
