//! A workflow as the engine sees it; authors write an `async fn` and the attribute does the rest.

use std::future::Future;

use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::Payload;

use crate::error::Error;
use crate::step::Step;

/// The future of one replay of a workflow: not `Send`, because it borrows locals across steps.
pub type WorkflowFuture<'a> = LocalBoxFuture<'a, Result<Payload, Error>>;

/// A named function the engine can run. `#[workflow]` implements it; it can be done by hand.
pub trait Workflow: Send + Sync + 'static {
    /// Its name: lowercase words joined by hyphens, unique in a registry.
    fn name(&self) -> &'static str;

    /// The version of its code, from 1.
    fn version(&self) -> u32 {
        1
    }

    /// The name of the event that starts it, if one does.
    fn trigger(&self) -> Option<&'static str> {
        None
    }

    /// Retries of each step, and of the code between steps, unless a step says otherwise.
    fn retries(&self) -> Option<u32> {
        None
    }

    /// The names of the steps its code spells out, in the order they stand there; for people.
    fn steps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Runs the code from the top over `step`, with the run's input as JSON.
    fn run<'a>(&'a self, step: &'a mut Step, input: Payload) -> WorkflowFuture<'a>;
}

/// Decodes the input, calls an author's function, encodes what it returns.
///
/// # Errors
/// The function's own error; terminal when the input or output does not fit its type.
pub async fn call<'s, I, O, E, F, Fut>(
    step: &'s mut Step,
    input: Payload,
    function: F,
) -> Result<Payload, Error>
where
    I: DeserializeOwned,
    O: Serialize,
    E: Into<Error>,
    F: FnOnce(&'s mut Step, I) -> Fut,
    Fut: Future<Output = Result<O, E>> + 's,
{
    let input = serde_json::from_str(input.as_json())
        .map_err(|error| Error::terminal(format_args!("input does not fit: {error}")))?;
    let output = function(step, input).await.map_err(Into::into)?;
    let json = serde_json::to_string(&output)
        .map_err(|error| Error::terminal(format_args!("output does not serialise: {error}")))?;
    Ok(Payload::from_json(json))
}
