//! A workflow as the engine sees it; authors write an `async fn` and the attribute does the rest.

use std::future::Future;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stepwell_core::schedule::{Missed, Overlap};
use stepwell_core::{Payload, RetryPolicy, Timestamp};

use crate::error::Error;
use crate::event::EventType;
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

    /// The whole retry policy of its steps and of the code between them; `None` for the engine's.
    fn retry(&self) -> Option<RetryPolicy> {
        None
    }

    /// The event types its code waits for, as far as it spells them out.
    fn waits(&self) -> Vec<EventType> {
        Vec::new()
    }

    /// The event types that cancel a run of it: those whose key equals the field of that name in
    /// the run's input.
    fn cancel_on(&self) -> Vec<EventType> {
        Vec::new()
    }

    /// The workflow started when a run of this one has failed, with a [`FailedRun`] as input.
    fn on_failure(&self) -> Option<&'static str> {
        None
    }

    /// The schedule that starts it, with a [`Tick`] as input.
    fn cron(&self) -> Option<Cron> {
        None
    }

    /// A run is cancelled when its code has not recorded anything within this time.
    fn start_within(&self) -> Option<Duration> {
        None
    }

    /// A run is cancelled when it has not ended within this time.
    fn finish_within(&self) -> Option<Duration> {
        None
    }

    /// The names of the steps its code spells out, in the order they stand there; for people.
    fn steps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Runs the code from the top over `step`, with the run's input as JSON.
    fn run<'a>(&'a self, step: &'a mut Step, input: Payload) -> WorkflowFuture<'a>;
}

/// A workflow whose input and output are known to the compiler: one that can be started and invoked
/// by its handle.
pub trait TypedWorkflow: Workflow {
    /// What a run is given.
    type Input: Serialize;
    /// What a run returns.
    type Output: DeserializeOwned;
}

/// When a workflow is started by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    /// Five fields (minute, hour, day of month, month, day of week) or a nickname like `@daily`.
    pub expression: &'static str,
    /// The time zone the fields are read in, such as `America/Los_Angeles`.
    pub zone: &'static str,
    /// What happens to ticks that came while the engine was down.
    pub missed: Missed,
    /// What happens when the run of the tick before is still going on.
    pub overlap: Overlap,
}

/// The input of a run that was started by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tick {
    /// The instant of the tick, in milliseconds since the epoch; not that of the start, which is
    /// later.
    pub at: Timestamp,
    /// The expression it belongs to.
    pub cron: String,
}

/// The input of a workflow that is started because a run of another failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRun {
    /// The run that failed.
    pub run: String,
    /// Its workflow.
    pub workflow: String,
    /// What it failed with.
    pub error: String,
    /// The step whose spent attempts were its end, if it was one.
    pub step: Option<String>,
    /// The event that started it.
    pub event: String,
    /// Its input.
    pub input: serde_json::Value,
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

/// The output of a workflow's function, told from its return type.
pub trait Returned {
    /// The `O` of `Result<O, E>`.
    type Output;
}

impl<O, E> Returned for Result<O, E> {
    type Output = O;
}
