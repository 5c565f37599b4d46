//! The whole binary around workflows made for tests: bodies that are seen, held, failed and deadly.
//!
//! Every body tells the *witness*, a listener in the test that started the engine, who it is, and
//! does what it is told. So a test counts bodies from outside, past any kill of the engine, and
//! decides which are in flight when. The witness's address stands in `STEPWELL_WITNESS`; without
//! one every body simply succeeds.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, FailedRun, Registry, Step, StepError, Tick, workflow};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Which order of steps [`shaped`] has: `original`, `renamed`, `reordered`, `removed` or `patched`.
const SHAPE: &str = "STEPWELL_WORKFLOW_SHAPE";

/// The highest version of `shipping` there is, 1 unless set; every one below is there as well.
const VERSION: &str = "STEPWELL_WORKFLOW_VERSION";

/// Whether the dependency of [`needing`] is kept from it.
const LACKING: &str = "STEPWELL_WORKFLOW_LACKING";

/// Whether there is a workflow with a schedule, which keeps a row in the store.
const SCHEDULED: &str = "STEPWELL_WORKFLOW_SCHEDULED";

/// Where the witness listens, `address:port`.
const WITNESS: &str = "STEPWELL_WITNESS";

#[derive(Event, Serialize, Deserialize)]
#[event("test/plain")]
struct Plain {
    order: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("test/shaped")]
struct Shaped {
    order: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("test/poisoned")]
struct Poisoned {
    order: String,
}

/// Three steps, one after the other.
#[workflow(on = Plain)]
async fn plain(step: &mut Step, plain: Plain) -> Result<String, Error> {
    let order = plain.order;
    for name in ["first", "second", "third"] {
        seen(step, "plain", name, &order).await?;
    }
    Ok(order)
}

/// Three steps whose names and order depend on how the binary was "built".
#[workflow(on = Shaped)]
async fn shaped(step: &mut Step, shaped: Shaped) -> Result<String, Error> {
    let order = shaped.order;
    let shape = std::env::var(SHAPE).unwrap_or_default();
    let names: &[&'static str] = match shape.as_str() {
        "renamed" => &["collect", "measure", "ship"],
        "reordered" => &["weigh", "collect", "ship"],
        "removed" => &["collect", "ship"],
        _ => &["collect", "weigh", "ship"],
    };
    for name in names {
        let changed = shape == "patched" && *name == "weigh";
        let name = if changed && step.patched("measure-goods").await {
            "measure"
        } else {
            name
        };
        seen(step, "shaped", name, &order).await?;
    }
    Ok(order)
}

/// A step as any other, then one that takes the process down.
#[workflow(on = Poisoned)]
async fn poisoned(step: &mut Step, poisoned: Poisoned) -> Result<String, Error> {
    let order = poisoned.order;
    seen(step, "poisoned", "harmless", &order).await?;
    seen(step, "poisoned", "deadly", &order).await?;
    Ok(order)
}

/// What runs that are started by call are given.
#[derive(Serialize, Deserialize)]
struct Asked {
    order: String,
    /// How long a nap takes.
    #[serde(default)]
    nap_ms: u64,
}

#[derive(Event, Serialize, Deserialize)]
#[event("test/paid", key = "order")]
struct Paid {
    order: String,
    amount: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event("test/withdrawn", key = "order")]
struct Withdrawn {
    order: String,
}

#[derive(Serialize, Deserialize)]
struct Approval {
    by: String,
}

/// Sleeps as long as it is told.
#[workflow]
async fn napping(step: &mut Step, asked: Asked) -> Result<String, Error> {
    step.sleep("nap", Duration::from_millis(asked.nap_ms))
        .await?;
    Ok(asked.order)
}

/// Waits for the payment of its order.
#[workflow(
    cancel_on = Withdrawn,
    on_failure = regretting,
    start_within = Duration::from_secs(7_200),
    finish_within = Duration::from_secs(172_800)
)]
async fn paying(step: &mut Step, asked: Asked) -> Result<u32, Error> {
    let paid = step.wait_for::<Paid>("payment", &asked.order).await?;
    Ok(paid.amount)
}

/// Takes note of a run that failed.
#[workflow]
async fn regretting(_step: &mut Step, failed: FailedRun) -> Result<String, Error> {
    Ok(failed.run)
}

/// Waits for somebody's word.
#[workflow]
async fn approving(step: &mut Step, asked: Asked) -> Result<String, Error> {
    seen(step, "approving", "ask", &asked.order).await?;
    let approval: Option<Approval> = step.wait_signal("word", "approve").await?;
    Ok(approval.map_or_else(|| "nobody".to_owned(), |approval| approval.by))
}

/// Has a child ask for the word.
#[workflow]
async fn delegating(step: &mut Step, asked: Asked) -> Result<String, Error> {
    Ok(step.invoke("delegate", approving, &asked).await?)
}

/// Books, and undoes it unless somebody confirms.
#[workflow]
async fn booking(step: &mut Step, asked: Asked) -> Result<String, Error> {
    let order = asked.order;
    step.scope("trip", async |trip| {
        trip.run("book", async |attempt: &Attempt| {
            told("booking", &order, "book", attempt).await
        })
        .undo(async |attempt: &Attempt, ()| told("booking", &order, "unbook", attempt).await)
        .await?;
        let confirmed: bool = trip.wait_signal("confirmation", "confirm").await?;
        if confirmed {
            Ok(())
        } else {
            Err(Error::terminal("nobody goes"))
        }
    })
    .await?;
    Ok(order)
}

/// Goes on as a run that naps and no more.
#[workflow]
async fn renewing(step: &mut Step, asked: Asked) -> Result<String, Error> {
    if asked.nap_ms == 0 {
        return Ok(asked.order);
    }
    let next = Asked { nap_ms: 0, ..asked };
    step.continue_as_new(&next).await
}

/// On the day that comes once in four years.
#[workflow(cron = "0 9 29 2 *", zone = "America/Los_Angeles")]
async fn leaping(_step: &mut Step, tick: Tick) -> Result<String, Error> {
    Ok(tick.cron)
}

/// The first version of a workflow of which a second is registered beside it.
mod first_version {
    use super::{Asked, Error, Step, seen, workflow};

    /// Packs, waits for somebody's word, and ships as of old.
    #[workflow]
    pub(super) async fn shipping(step: &mut Step, asked: Asked) -> Result<String, Error> {
        seen(step, "shipping", "pack", &asked.order).await?;
        let _word: serde_json::Value = step.wait_signal("word", "go").await?;
        seen(step, "shipping", "ship-by-road", &asked.order).await?;
        Ok("by road".to_owned())
    }
}

/// The same, as it is begun from the second version on.
mod second_version {
    use super::{Asked, Error, Step, seen, workflow};

    /// Waits for somebody's word, and ships in a new way.
    #[workflow(version = 2)]
    pub(super) async fn shipping(step: &mut Step, asked: Asked) -> Result<String, Error> {
        let _word: serde_json::Value = step.wait_signal("word", "go").await?;
        seen(step, "shipping", "ship-by-rail", &asked.order).await?;
        Ok("by rail".to_owned())
    }
}

/// What [`needing`] depends on.
#[derive(Clone)]
struct Ledger;

/// Takes its dependency only after its first step.
#[workflow]
async fn needing(step: &mut Step, asked: Asked) -> Result<String, Error> {
    seen(step, "needing", "open", &asked.order).await?;
    let Ledger = step.get::<Ledger>();
    let _word: serde_json::Value = step.wait_signal("word", "go").await?;
    Ok(asked.order)
}

/// A step that tells the witness and does as it is told.
async fn seen(
    step: &mut Step,
    workflow: &str,
    name: &'static str,
    order: &str,
) -> Result<(), StepError> {
    step.run(name, async |attempt: &Attempt| {
        told(workflow, order, name, attempt).await
    })
    .await
}

/// A body that tells the witness and does as it is told.
async fn told(workflow: &str, order: &str, step: &str, attempt: &Attempt) -> Result<(), Error> {
    let told = tell(workflow, order, step, attempt.number()).await;
    match told.map_err(Error::retryable)?.as_str() {
        "go" => Ok(()),
        "abort" => std::process::abort(),
        said => Err(Error::retryable(format_args!("witness says {said:?}"))),
    }
}

/// What the witness says once it has taken note.
async fn tell(workflow: &str, order: &str, step: &str, attempt: u32) -> std::io::Result<String> {
    let Ok(address) = std::env::var(WITNESS) else {
        return Ok("go".to_owned());
    };
    let mut witness = TcpStream::connect(address).await?;
    let line = format!("{workflow}\t{order}\t{step}\t{attempt}\n");
    witness.write_all(line.as_bytes()).await?;
    let mut said = String::new();
    BufReader::new(witness).read_line(&mut said).await?;
    Ok(said.trim_end().to_owned())
}

fn main() -> ExitCode {
    let mut registry = Registry::new().with(plain).with(shaped).with(poisoned);
    registry = registry.with(napping).with(paying).with(regretting);
    registry = registry.with(approving).with(delegating).with(booking);
    registry = registry.with(renewing).with(needing);
    registry = registry.with(first_version::shipping);
    if std::env::var(VERSION).as_deref() == Ok("2") {
        registry = registry.with(second_version::shipping);
    }
    if std::env::var(LACKING).is_err() {
        registry = registry.provide(Ledger);
    }
    if std::env::var(SCHEDULED).is_ok() {
        registry = registry.with(leaping);
    }
    stepwell_cli::run(registry)
}
