//! The whole binary around workflows made for tests: bodies that are seen, held, failed and deadly.
//!
//! Every body tells the *witness*, a listener in the test that started the engine, who it is, and
//! does what it is told. So a test counts bodies from outside, past any kill of the engine, and
//! decides which are in flight when. The witness's address stands in `STEPWELL_WITNESS`; without
//! one every body simply succeeds.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Registry, Step, StepError, workflow};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Which order of steps [`shaped`] has: `original`, `renamed`, `reordered` or `removed`.
const SHAPE: &str = "STEPWELL_WORKFLOW_SHAPE";

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

/// A step that tells the witness and does as it is told.
async fn seen(
    step: &mut Step,
    workflow: &str,
    name: &'static str,
    order: &str,
) -> Result<(), StepError> {
    step.run(name, async |attempt: &Attempt| {
        let told = tell(workflow, order, name, attempt.number()).await;
        match told.map_err(Error::retryable)?.as_str() {
            "go" => Ok(()),
            "abort" => std::process::abort(),
            said => Err(Error::retryable(format_args!("witness says {said:?}"))),
        }
    })
    .await
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
    let registry = Registry::new().with(plain).with(shaped).with(poisoned);
    stepwell_cli::run(registry)
}
