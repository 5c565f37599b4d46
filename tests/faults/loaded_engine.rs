//! The engine that the power is cut of: the whole binary around a workflow with large results.
//!
//! Its second step tells the test that the first one's result is recorded: a body starts only once
//! everything before it in its run is durable, so what was told before a cut must be there after.

use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Registry, Step, workflow};

mod filler;

/// Names the socket that bodies tell the test through.
const LISTENER: &str = "FAULTS_LISTENER";

/// What the test sends.
#[derive(Event, Serialize, Deserialize)]
#[event("load/offered")]
#[serde(rename_all = "camelCase")]
struct Offered {
    seed: u64,
    result_bytes: usize,
    filler: String,
}

/// The test's ear.
#[derive(Clone)]
struct Listener(Arc<UnixDatagram>);

impl Listener {
    fn tell(&self, what: &str, attempt: &Attempt, seed: u64) -> Result<(), Error> {
        let line = format!("{what} {} {seed} {}", attempt.run(), attempt.number());
        // A test that has gone away waits for nothing.
        self.0.send(line.as_bytes()).map_err(Error::retryable)?;
        Ok(())
    }
}

/// Makes a result of the size asked for, and tells when it is recorded.
#[workflow(on = Offered)]
async fn keep(step: &mut Step, offered: Offered) -> Result<usize, Error> {
    let listener = step.get::<Listener>();
    let seed = offered.seed;
    let made = step
        .run("make", async |attempt: &Attempt| {
            listener.tell("making", attempt, seed)?;
            Ok(filler::text(!seed, offered.result_bytes))
        })
        .await?;
    step.run("tell", async |attempt: &Attempt| {
        listener.tell("recorded", attempt, seed)
    })
    .await?;
    Ok(made.len())
}

fn main() -> ExitCode {
    let Ok(listener) = listen() else {
        return ExitCode::FAILURE;
    };
    stepwell_cli::run(Registry::new().provide(listener).with(keep))
}

/// Connects to the test, if it listens: commands that look at a store need nobody to.
fn listen() -> std::io::Result<Listener> {
    let socket = UnixDatagram::unbound()?;
    if let Some(path) = std::env::var_os(LISTENER) {
        socket.connect(path)?;
    }
    Ok(Listener(Arc::new(socket)))
}
