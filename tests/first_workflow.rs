//! The first workflow of the README, compiled and run by the tests.

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Registry, Step, workflow};

#[derive(Event, Serialize, Deserialize)]
#[event("user/signed.up")]
struct SignedUp {
    name: String,
}

#[workflow(on = SignedUp, retries = 4)]
async fn welcome(step: &mut Step, user: SignedUp) -> Result<String, Error> {
    let greeting = step
        .run("write-greeting", async |_: &Attempt| {
            Ok(format!("hello {}", user.name))
        })
        .await?;
    step.run("send-greeting", async |attempt: &Attempt| {
        // Hand the key to the service you call: it is the same on every attempt.
        Ok(attempt.idempotency_key().to_owned())
    })
    .await?;
    Ok(greeting)
}

fn main() -> std::process::ExitCode {
    stepwell_cli::run(Registry::new().with(welcome))
}
