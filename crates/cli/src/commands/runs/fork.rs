//! `runs fork`: a new run with another's results before a step.

use serde_json::value::RawValue;
use stepwell_core::{Payload, StepAddress};
use stepwell_engine::ForkAsk;
use stepwell_server::wire::{AgainJson, ForkJson};

use crate::consent::Consent;
use crate::failure::Failure;
use crate::ids;
use crate::output::{self, Format, OutputArgs, Table, plain};
use crate::payload;
use crate::reach::{Reach, Target};
use crate::talk::say;

const EXAMPLE: &str = "\
Examples:
  stepwell runs fork 01JD5N --from capture-payment --dry-run
  stepwell runs fork 01JD5N --from capture-payment --yes
  stepwell runs fork 01JD5N --from send-mail --input @corrected.json --version 2

The new run has an id and idempotency keys of its own, so effects that are there already happen once
more: what is kept and what is done again is always shown first. The run forked stays as it is.";

/// Begin a new run with the results another had before a step
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Id, or the beginning of one
    run: String,

    /// The first step that is done anew, as `stepwell journal show` names it
    #[arg(long, value_name = "STEP", value_parser = step)]
    from: StepAddress,

    /// Another input: JSON, `@FILE`, or `-` for standard input [default: the run's own]
    #[arg(long)]
    input: Option<String>,

    /// Another version of the workflow's code [default: the run's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,

    /// Show what would be kept and done again, and begin nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    consent: Consent,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

fn step(text: &str) -> Result<StepAddress, String> {
    let expected = "expected a step as `stepwell journal show` names it";
    text.parse().map_err(|_| expected.to_owned())
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let input = args.input.as_deref();
    let input = input
        .map(|given| payload::json(given, "input"))
        .transpose()?;
    let fork = async |reach: &Reach| fork(reach, &args, input.as_deref()).await;
    args.at.visit(fork).await
}

async fn fork(reach: &Reach, args: &Args, input: Option<&RawValue>) -> Result<(), Failure> {
    let ask = ForkAsk {
        run: ids::one(reach, &args.run).await?,
        step: args.from.clone(),
        input: input.map(|input| Payload::from_json(input.get())),
        version: args.version,
    };
    let would = reach.fork(&ask, true).await?;
    if args.dry_run {
        let id = would.forked.clone();
        return output::one(args.shape.output, &would, &id, || shown(&would));
    }
    // Shown to whoever decides, whatever shape the result has.
    for line in shown(&would).lines() {
        say(format_args!("{line}"));
    }
    let deed = format!("fork run {} from step {}", would.forked, would.from);
    args.consent.to(&deed)?;
    let forked = reach.fork(&ask, false).await?;
    let id = forked.run.clone().unwrap_or_default();
    if args.shape.output == Format::Table {
        return output::print(&format!("{id} is forked from {}\n", forked.forked));
    }
    output::one(args.shape.output, &forked, &id, String::new)
}

/// What is kept, what is done again, and which effects would be there twice.
fn shown(fork: &ForkJson) -> String {
    let none = |text: String| {
        if text.is_empty() {
            "nothing".to_owned()
        } else {
            text
        }
    };
    let twice = fork.again.iter().filter(|again| again.effect).count();
    let mut table = Table::new(&["done again", "kind", "effect"]);
    for again in &fork.again {
        let kind = serde_json::to_value(again.kind).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str());
        table.row([
            again.step.clone(),
            kind.unwrap_or_default().to_owned(),
            effect(again),
        ]);
    }
    format!(
        "fork of run {} from step {}, with version {} of its code\nkept: {}\n\n{}\n\
         {twice} effect(s) that are there already would happen once more\n",
        fork.forked,
        plain(&fork.from),
        fork.version,
        plain(&none(fork.keeps.join(", "))),
        table.render(),
    )
}

/// Whether the effect of a step is there already, and where.
fn effect(again: &AgainJson) -> String {
    match (&again.database, again.effect) {
        (Some(database), true) => format!("there already, in database {database}"),
        (None, true) => "there already".to_owned(),
        (_, false) if !again.kind.has_effect() => "-".to_owned(),
        (_, false) => "not there, as far as is recorded".to_owned(),
    }
}
