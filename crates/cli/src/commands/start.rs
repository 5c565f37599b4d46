//! `start`: one run of a workflow, by its name, on a running engine.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use stepwell_core::RunId;
use stepwell_core::run::RunStatus;
use stepwell_server::wire::{Instant, RunJson};

use crate::commands::runs::describe;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, OutputArgs};
use crate::payload;
use crate::reach::{Reach, Target};
use crate::spans::span;
use crate::talk::say;

/// How often the run is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const EXAMPLE: &str = "\
Examples:
  stepwell start fulfill-order @order.json --key order-1 --wait
  stepwell start send-reminder '{\"user\":\"u_1\"}' --delay 10m
  stepwell start close-month --at 2026-12-01T00:00:00Z --finish-within 2h

Lengths are written 500ms, 90s, 10m, 1h30m, 7d. With --key the same start can be asked for again
without a second run: it answers the run that has the key.";

/// Start a run of a workflow and print its id
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The workflow's name
    workflow: String,

    /// Its input: JSON, `@FILE`, or `-` for standard input
    #[arg(value_name = "INPUT", default_value = "null")]
    payload: String,

    /// Starts one run however often it is asked for under this key
    #[arg(long)]
    key: Option<String>,

    /// How long the key stays taken once the run has ended [default: the engine's, a day]
    #[arg(long, value_name = "LENGTH", value_parser = span, requires = "key")]
    keep_key: Option<Duration>,

    /// Its code begins no earlier than this instant, such as 2026-12-01T00:00:00Z
    #[arg(long, value_name = "INSTANT", value_parser = instant, conflicts_with = "delay")]
    at: Option<Instant>,

    /// Its code begins only after this long
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    delay: Option<Duration>,

    /// Cancel it when its code has not recorded anything within this time
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    start_within: Option<Duration>,

    /// Cancel it when it has not ended within this time
    #[arg(long, value_name = "LENGTH", value_parser = span)]
    finish_within: Option<Duration>,

    /// Wait until it has ended; exit 5 unless it completed
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

fn instant(text: &str) -> Result<Instant, String> {
    let expected = "expected an instant such as 2026-12-01T00:00:00Z";
    text.parse().map_err(|_| expected.to_owned())
}

/// The request's body.
#[derive(Serialize)]
struct Asked<'a> {
    workflow: &'a str,
    input: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_key_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_within_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_within_ms: Option<u64>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let what = format!("input of workflow {}", args.workflow);
    let input = payload::json(&args.payload, &what)?;
    let ms = |length: Option<Duration>| {
        length.map(|length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
    };
    let asked = Asked {
        workflow: &args.workflow,
        input: &input,
        key: args.key.as_deref(),
        keep_key_ms: ms(args.keep_key),
        at: args.at,
        delay_ms: ms(args.delay),
        start_within_ms: ms(args.start_within),
        finish_within_ms: ms(args.finish_within),
    };
    let body = serde_json::to_string(&asked).map_err(anyhow::Error::from)?;
    let engine = args.target.engine()?;
    let started = engine.start(body).await?;
    if let (false, Some(key)) = (started.new, &args.key) {
        let run = &started.run.id;
        say(format_args!(
            "key {key} is taken: nothing was started, this is run {run}"
        ));
    }
    if !args.wait {
        let id = &started.run.id;
        return output::one(args.shape.output, &started, id, || format!("{id}\n"));
    }
    let run = ended(&Reach::Engine(engine), &started.run.id).await?;
    output::one(args.shape.output, &run, &run.id, || describe(&run))?;
    if run.status == RunStatus::Completed {
        return Ok(());
    }
    let sentence = format!("run {} is {}", run.id, run.status);
    Err(Failure::said(
        Exit::RunFailed,
        "run-not-completed",
        sentence,
    ))
}

/// The run once it does not go on by itself; of a run that goes on as another, the last.
async fn ended(reach: &Reach, id: &str) -> Result<RunJson, Failure> {
    let mut id = read_id(id)?;
    loop {
        let run = reach.run(id).await?;
        if let Some(next) = &run.continued_as {
            id = read_id(next)?;
            continue;
        }
        if run.status.ended() || run.status == RunStatus::Quarantined {
            return Ok(run);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn read_id(id: &str) -> Result<RunId, Failure> {
    id.parse().map_err(|_| {
        let sentence = format!("engine answered {id:?} as a run id");
        Failure::said(Exit::Failed, "failed", sentence)
    })
}
