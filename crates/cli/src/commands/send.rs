//! `send`: one event to a running engine.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use stepwell_core::EventId;
use stepwell_core::run::RunStatus;
use stepwell_server::wire::EventRunJson;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, OutputArgs, Table};
use crate::payload;
use crate::reach::{Reach, Target};
use crate::talk::say;

/// How often runs are looked at while they are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const EXAMPLE: &str = "\
Examples:
  stepwell send store/order.placed '{\"orderId\":\"ord_1\"}' --id order-placed-1
  stepwell send store/order.placed @order.json --wait
  cat order.json | stepwell send store/order.placed -

The key is STEPWELL_EVENT_KEY, or `dev`. With --id the same event can be sent again without a
second run.";

/// Send an event and print its id
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The event's name
    name: String,

    /// Its data: JSON, `@FILE`, or `-` for standard input
    #[arg(value_name = "DATA", default_value = "{}")]
    payload: String,

    /// Dedupes: the same id starts its runs once
    #[arg(long)]
    id: Option<String>,

    /// The event key
    #[arg(
        long,
        env = "STEPWELL_EVENT_KEY",
        hide_env_values = true,
        default_value = "dev"
    )]
    key: String,

    /// Wait until the runs it starts have ended; exit 5 unless all completed
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    data: &'a RawValue,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let data = payload::json(&args.payload, &format!("data of event {}", args.name))?;
    let event = Event {
        id: args.id.as_deref(),
        name: &args.name,
        data: &data,
    };
    let body = serde_json::to_string(&event).map_err(anyhow::Error::from)?;
    let engine = args.at.engine()?;
    let sent = engine.send(&args.key, body).await?;
    let Some(id) = sent.ids.first() else {
        let sentence = format!("engine answered no id for event {}", args.name);
        return Err(Failure::said(Exit::Failed, "failed", sentence));
    };
    let event = EventId::new(id.as_str());
    let reach = Reach::Engine(engine);
    if !args.wait {
        output::one(args.shape.output, &sent, id, || format!("{id}\n"))?;
        // Whoever may send need not be allowed to look; the event is kept either way.
        if let Ok(runs) = reach.runs_of_event(&event).await {
            warn_if_none(&runs, &args.name);
        }
        return Ok(());
    }
    let runs = ended(&reach, &event).await?;
    warn_if_none(&runs, &args.name);
    output::many(
        args.shape.output,
        &runs,
        &runs,
        |run| run.run_id.clone(),
        table,
    )?;
    match runs.iter().find(|run| run.status != RunStatus::Completed) {
        None => Ok(()),
        Some(run) => {
            let sentence = format!("run {} of event {id} is {}", run.run_id, run.status);
            Err(Failure::said(
                Exit::RunFailed,
                "run-not-completed",
                sentence,
            ))
        }
    }
}

/// An event that nobody listens for is kept all the same; most likely its name is mistyped.
fn warn_if_none(runs: &[EventRunJson], name: &str) {
    if runs.is_empty() {
        say(format_args!(
            "event {name} started no run: unless one waits for it, compare its name with those in \
             `stepwell workflows list`"
        ));
    }
}

/// The runs of an event once none of them goes on by itself.
async fn ended(reach: &Reach, event: &EventId) -> Result<Vec<EventRunJson>, Failure> {
    loop {
        let runs = reach.runs_of_event(event).await?;
        let over = |run: &EventRunJson| run.status.ended() || run.status == RunStatus::Quarantined;
        if runs.iter().all(over) {
            return Ok(runs);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn table(runs: &[EventRunJson]) -> Table {
    let mut table = Table::new(&["run", "workflow", "status"]);
    for run in runs {
        table.row([
            run.run_id.clone(),
            run.workflow.clone(),
            run.status.to_string(),
        ]);
    }
    table
}
