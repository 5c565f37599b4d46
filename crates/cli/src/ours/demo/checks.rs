//! What must hold at the end, each as a sentence.

use serde::Serialize;
use stepwell_core::run::RunStatus;
use stepwell_fakes::Service;
use stepwell_server::wire::{EntryJson, EntryKind};

use super::story::Outcome;

/// The steps of the workflow, in order.
pub(super) const STEPS: [&str; 4] = [
    "capture-payment",
    "reserve-inventory",
    "send-confirmation",
    "record-to-sheet",
];

/// A claim and whether it holds.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) claim: String,
    pub(super) holds: bool,
}

/// All of them.
pub(super) fn all(outcome: &Outcome) -> Vec<Check> {
    let calls = &outcome.calls;
    let mut checks = vec![check(
        "the order was fulfilled although the engine was killed twice",
        outcome.journal.status == RunStatus::Completed && outcome.kills == 2,
    )];
    checks.extend(STEPS.map(|step| {
        let recorded = of_kind(outcome, EntryKind::StepSucceeded, step).count();
        check(&format!("{step}: one result recorded"), recorded == 1)
    }));
    checks.extend([
        check(
            "capture-payment: its body ran once; after both kills the journal answered for it",
            calls
                .of(Service::Stripe)
                .filter(|call| call.operation == "payment_intents.retrieve")
                .map(|call| call.received)
                .sum::<u64>()
                == 1,
        ),
        check(
            "reserve-inventory: its first attempt was cut short and counted",
            of_kind(outcome, EntryKind::Recovered, "reserve-inventory").count() == 1,
        ),
        check(
            "reserve-inventory: the stock fell by one",
            outcome.stock_before - outcome.stock_after == 1,
        ),
        check(
            "send-confirmation: its body ran once and one mail went out",
            calls.received(Service::Resend) == 1 && calls.acted(Service::Resend) == 1,
        ),
        check(
            "record-to-sheet: one row for the order",
            outcome.sheet_rows == 1,
        ),
        check(
            "the last engine stopped on SIGTERM with exit 0",
            outcome.stopped_cleanly,
        ),
    ]);
    checks
}

fn of_kind<'a>(
    outcome: &'a Outcome,
    kind: EntryKind,
    step: &'a str,
) -> impl Iterator<Item = &'a EntryJson> {
    let entries = outcome.journal.entries.iter();
    entries.filter(move |entry| entry.kind == kind && entry.step.as_deref() == Some(step))
}

fn check(claim: &str, holds: bool) -> Check {
    Check {
        claim: claim.to_owned(),
        holds,
    }
}
