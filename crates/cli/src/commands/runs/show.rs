//! `runs show`: one run, and in one sentence what it is doing.

use stepwell_core::run::RunStatus;
use stepwell_server::wire::RunJson;

use crate::failure::Failure;
use crate::ids;
use crate::output::{self, OutputArgs, plain};
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell runs show 01JD5N
  stepwell runs show 01JD5NRB9WY5BK7GB58PPHFCQG -o json";

/// Show runs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Ids, beginnings of ids, or `-` for ids on standard input
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let show = async |reach: &Reach| {
        for id in ids::resolve(reach, &args.runs).await? {
            let run = reach.run(id).await?;
            output::one(args.shape.output, &run, &run.id, || describe(&run))?;
        }
        Ok(())
    };
    args.at.visit(show).await
}

fn describe(run: &RunJson) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("{name:<10} {}\n", plain(value)));
    };
    line("run", &run.id);
    line(
        "workflow",
        &format!("{} (version {})", run.workflow, run.version),
    );
    line("event", &run.event);
    line("started", &run.started_at.to_string());
    if let Some(at) = run.ended_at {
        line("ended", &at.to_string());
    }
    if let Some(output) = &run.output {
        line("output", output.as_json());
    }
    let status = output::status(run.status);
    format!(
        "{text}{:<10} {status}\n           {}\n",
        "status",
        plain(&sentence(run))
    )
}

/// What the run is doing, or why it does nothing, and what to do about it.
fn sentence(run: &RunJson) -> String {
    let failed = run
        .error
        .as_ref()
        .map_or("", |error| error.message.as_str());
    match run.status {
        RunStatus::Queued => "waits for its turn".to_owned(),
        RunStatus::Running => match &run.in_flight {
            Some(flight) => match &flight.step {
                Some(step) => {
                    format!(
                        "step {step} is in flight since {}, attempt {}",
                        flight.since, flight.attempt
                    )
                }
                None => format!("workflow code is running since {}", flight.since),
            },
            None => "has work due".to_owned(),
        },
        RunStatus::Waiting => {
            let until = run
                .wake_at
                .map_or_else(|| "something happens".to_owned(), |at| at.to_string());
            let after = if failed.is_empty() {
                String::new()
            } else {
                format!(", after: {failed}")
            };
            format!("waits until {until}{after}")
        }
        RunStatus::Completed => "returned its output".to_owned(),
        RunStatus::Failed => format!("failed: {failed}"),
        RunStatus::Cancelled => "was cancelled".to_owned(),
        RunStatus::Quarantined => format!(
            "{}: mend that, then `stepwell runs resume {}`",
            run.quarantine
                .as_deref()
                .unwrap_or("untouched until a person decides"),
            run.id
        ),
    }
}
