//! `demo`: an order survives two kills, told as it happens and checked at the end.

mod checks;
mod engine;
mod story;
mod telling;

use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use futures_util::future::BoxFuture;
use serde::Serialize;
use stepwell_cli::output::{self, Format, OutputArgs, Table};
use stepwell_cli::{Exit, Failure, ProductCommand};
use stepwell_fakes::Calls;

use checks::Check;
use story::{Outcome, Story};
use telling::Telling;

/// How long the whole demo may take.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

const EXAMPLE: &str = "\
Examples:
  stepwell demo
  stepwell demo -o json

Needs nothing but this binary. The engine runs as a child process on a temporary data directory;
stand-ins for the payment provider, mail and the spreadsheet run in this one. Exit 0 only when the
order was fulfilled and every recorded step ran once.";

/// The command.
pub(crate) struct Demo;

impl ProductCommand for Demo {
    fn command(&self) -> Command {
        let about = "Fulfil an order while the engine is killed, twice";
        // What the arguments say of themselves must not stand in for what the command does.
        OutputArgs::augment_args(Command::new("demo"))
            .about(about)
            .long_about(about)
            .after_help(EXAMPLE)
    }

    fn run<'a>(&'a self, matches: &'a ArgMatches) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let shape = OutputArgs::from_arg_matches(matches).map_err(Failure::usage)?;
            run(shape.output).await
        })
    }
}

/// What JSON shows.
#[derive(Serialize)]
struct Report<'a> {
    order: &'a str,
    #[serde(flatten)]
    journal: &'a stepwell_server::wire::JournalJson,
    calls: &'a Calls,
    checks: &'a [Check],
}

async fn run(format: Format) -> Result<(), Failure> {
    let told = tokio::time::timeout(ENDS_WITHIN, tell()).await;
    let outcome = told
        .with_context(|| format!("demo did not end within {} s", ENDS_WITHIN.as_secs()))
        .and_then(|outcome| outcome)
        .map_err(|error| Failure::new(Exit::Failed, "demo-failed", error))?;
    let checks = checks::all(&outcome);
    let Outcome {
        order,
        journal,
        calls,
        ..
    } = &outcome;
    if format == Format::Table {
        output::print(&page(&outcome, &checks))?;
    } else {
        let report = Report {
            order,
            journal,
            calls,
            checks: &checks,
        };
        output::one(format, &report, &journal.run, String::new)?;
    }
    match checks.iter().find(|check| !check.holds) {
        None => Ok(()),
        Some(broken) => {
            let sentence = format!("run {}: this does not hold: {}", journal.run, broken.claim);
            Err(Failure::said(Exit::Failed, "demo-failed", sentence))
        }
    }
}

async fn tell() -> anyhow::Result<Outcome> {
    let telling = Telling::begin();
    let story = Box::pin(Story::begin(telling)).await?;
    Box::pin(story.tell()).await
}

fn page(outcome: &Outcome, checks: &[Check]) -> String {
    let journal = output::journal(&outcome.journal.entries).render();
    let mut calls = Table::new(&["service", "operation", "about", "received", "acted"]);
    for call in &outcome.calls.calls {
        calls.row([
            format!("{:?}", call.service),
            call.operation.clone(),
            call.subject.clone(),
            call.received.to_string(),
            call.acted.to_string(),
        ]);
    }
    let verdict = |check: &Check| {
        format!(
            "  {}  {}\n",
            if check.holds { "ok " } else { "NOT" },
            check.claim
        )
    };
    let checks: String = checks.iter().map(verdict).collect();
    format!(
        "\nThe journal of run {run} ({status}):\n\n{journal}\nThe calls the stand-ins counted:\n\n{calls}\n{checks}",
        run = outcome.journal.run,
        status = outcome.journal.status,
        calls = calls.render(),
    )
}
