//! `runs show`: one run, and in one sentence what it is doing.

use stepwell_core::run::RunStatus;
use stepwell_server::wire::{CancelJson, RunJson, WaitJson, WaitKind};

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

/// The run, a line for each thing there is to say.
pub(crate) fn describe(run: &RunJson) -> String {
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
    if let Some(at) = run.finish_by.filter(|_| !run.status.ended()) {
        line("finish by", &at.to_string());
    }
    if let Some(parent) = &run.parent {
        line("parent", parent);
    }
    if let Some(forked) = &run.forked_from {
        let text = format!("run {}, done anew from step {}", forked.run, forked.step);
        line("forked", &text);
    }
    let children = run.children.as_deref().unwrap_or_default();
    if !children.is_empty() {
        line("children", &children.join(" "));
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
    let mut said = doing(run);
    if let Some(asked) = run.paused.as_ref().filter(|asked| asked.since.is_none()) {
        let why = because(&asked.reason);
        said.push_str(&format!(
            "; a pause was requested and not taken up yet{why}"
        ));
    }
    match &run.cancel_requested {
        Some(asked) if !run.status.ended() => format!("{said}; {}", end_asked(asked)),
        Some(_) | None => said,
    }
}

fn doing(run: &RunJson) -> String {
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
        RunStatus::Waiting => waiting(run, failed),
        RunStatus::Paused => paused(run),
        RunStatus::Completed => match &run.continued_as {
            Some(next) => format!("goes on as run {next}"),
            None => "returned its output".to_owned(),
        },
        RunStatus::Failed => format!(
            "failed: {failed}; once mended, `stepwell runs retry {}`",
            run.id
        ),
        RunStatus::Cancelled => cancelled(run),
        RunStatus::Quarantined => format!(
            "{}: mend that, then `stepwell runs resume {}`",
            run.quarantine
                .as_deref()
                .unwrap_or("untouched until a person decides"),
            run.id
        ),
    }
}

/// Since when, why, what still goes on, and what to do.
fn paused(run: &RunJson) -> String {
    let pause = run.paused.as_ref();
    let since = pause.and_then(|pause| pause.since);
    let since = since.map_or_else(String::new, |at| format!(" since {at}"));
    let why = pause.map_or_else(String::new, |pause| because(&pause.reason));
    let flight = run
        .in_flight
        .as_ref()
        .and_then(|flight| flight.step.as_ref());
    let flight = flight.map_or_else(String::new, |step| {
        format!("; step {step} is in flight and may end")
    });
    let id = &run.id;
    format!("is paused{since}{why}{flight}; `stepwell runs resume {id}` has it go on")
}

/// For what, since when, until when.
fn waiting(run: &RunJson, failed: &str) -> String {
    let waits = run.waiting_for.as_deref().unwrap_or_default();
    let after = if failed.is_empty() {
        String::new()
    } else {
        format!(", after: {failed}")
    };
    if waits.is_empty() {
        let until = run
            .wake_at
            .map_or_else(|| "something happens".to_owned(), |at| at.to_string());
        return format!("waits until {until}{after}");
    }
    let each: Vec<_> = waits.iter().map(wait).collect();
    format!("waits {}{after}", each.join(", and "))
}

fn wait(wait: &WaitJson) -> String {
    let (what, since) = (&wait.r#for, wait.since);
    let step = wait.step.as_ref();
    let at_step = step.map_or_else(String::new, |step| format!(" at step {step}"));
    match (wait.kind, wait.until) {
        (WaitKind::Sleep, Some(until)) => format!("until {until}{at_step}, since {since}"),
        (WaitKind::Start | WaitKind::Retry, Some(until)) => {
            format!("for {what}{at_step} at {until}, since {since}")
        }
        (_, Some(until)) => {
            format!("for {what}{at_step} since {since}, until {until} at the latest")
        }
        (_, None) => format!("for {what}{at_step} since {since}, without a limit of its own"),
    }
}

fn end_asked(asked: &CancelJson) -> String {
    let what = if asked.kill { "a kill" } else { "a cancel" };
    let when = asked.at.map_or_else(
        || " and not taken up yet".to_owned(),
        |at| format!(" at {at}"),
    );
    format!("{what} was requested{when}{}", because(&asked.reason))
}

fn cancelled(run: &RunJson) -> String {
    match &run.cancel_requested {
        Some(asked) if asked.kill => {
            let why = because(&asked.reason);
            format!("was killed, nothing was undone{why}")
        }
        Some(asked) => format!("was cancelled{}", because(&asked.reason)),
        None => "was cancelled".to_owned(),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}
