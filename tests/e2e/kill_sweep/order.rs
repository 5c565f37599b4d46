//! What must hold of one order once it is fulfilled.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stepwell_core::Timestamp;
use stepwell_core::run::RunStatus;
use stepwell_fakes::{CallCount, Calls, Cart, Fakes, Service};
use stepwell_server::wire::{EntryJson, EntryKind, JournalJson};
use stepwell_swag_store::db::catalogue::CATALOGUE;

use crate::harness::{Engine, soon};

/// The steps in their order, each with the calls its body makes.
const STEPS: [(&str, &[(Service, &str)]); 4] = [
    (
        "capture-payment",
        &[(Service::Stripe, "payment_intents.retrieve")],
    ),
    ("reserve-inventory", &[]),
    ("send-confirmation", &[(Service::Resend, "emails.send")]),
    (
        "record-to-sheet",
        &[
            (Service::Sheets, "values.get"),
            (Service::Sheets, "values.append"),
        ],
    ),
];

/// The variant the default cart takes one of.
const VARIANT: &str = "var_aai-tee-grey-m";

/// Whether every run there is completed, and there is one.
pub(super) async fn is_completed(engine: &Engine) -> bool {
    // Asked while it may be dying.
    let runs = engine.runs().await.unwrap_or_default();
    !runs.is_empty() && runs.values().all(|run| run.status == RunStatus::Completed)
}

pub(super) async fn completed(engine: &Engine) -> Result<()> {
    let look = async || Ok(is_completed(engine).await.then_some(()));
    soon("the order to be fulfilled", look).await
}

/// The steps' records: one for each step, in order, attempts honest.
pub(super) fn ran_once_each(journal: &JournalJson) -> Result<Vec<EntryJson>> {
    let of_kind = |kind| {
        journal
            .entries
            .iter()
            .filter(move |entry| entry.kind == kind)
    };
    let recorded: Vec<_> = of_kind(EntryKind::StepSucceeded).cloned().collect();
    let steps: Vec<_> = recorded
        .iter()
        .filter_map(|entry| entry.step.as_deref())
        .collect();
    ensure!(steps == STEPS.map(|(step, _)| step), "recorded: {steps:?}");
    let last = journal.entries.last().map(|entry| entry.kind);
    ensure!(last == Some(EntryKind::RunCompleted), "{last:?}");
    for entry in &recorded {
        let cut_short = of_kind(EntryKind::Recovered).filter(|cut| cut.step == entry.step);
        let attempts = u32::try_from(cut_short.count())? + 1;
        ensure!(
            entry.attempt == Some(attempts),
            "{entry:?} after {} crashes",
            attempts - 1
        );
    }
    let failed = of_kind(EntryKind::StepFailed).next();
    ensure!(failed.is_none(), "{failed:?}");
    Ok(recorded)
}

fn called<'a>(
    calls: &'a Calls,
    made: &'a [(Service, &str)],
) -> impl Iterator<Item = &'a CallCount> {
    let made = |call: &&CallCount| {
        made.iter()
            .any(|(service, operation)| call.service == *service && call.operation == *operation)
    };
    calls.calls.iter().filter(made)
}

fn received(calls: &Calls, made: &[(Service, &str)]) -> u64 {
    called(calls, made).map(|call| call.received).sum()
}

/// A step recorded before the kill made no call after it.
pub(super) fn recorded_never_ran_again(
    recorded: &[EntryJson],
    killed_at: Timestamp,
    before: &Calls,
    after: &Calls,
) -> Result<()> {
    for (entry, (step, made)) in recorded.iter().zip(STEPS) {
        if entry.at.0 > killed_at {
            continue;
        }
        let (then, now) = (received(before, made), received(after, made));
        ensure!(
            then == now,
            "{step} was recorded and called again: {then} calls, then {now}"
        );
    }
    Ok(())
}

/// One mail under one key, one row, and no more calls than attempts.
pub(super) fn acted_once(fakes: &Fakes, recorded: &[EntryJson]) -> Result<()> {
    let (mails, rows, calls) = (fakes.mails(), fakes.sheet_rows(), fakes.calls());
    let keys: BTreeSet<_> = mails
        .iter()
        .map(|mail| mail.idempotency_key.as_ref())
        .collect();
    ensure!(mails.len() == 1 && keys.len() == 1, "mails: {mails:?}");
    ensure!(!keys.contains(&None), "a mail without a key");
    ensure!(rows.len() == 1, "rows: {rows:?}");
    for (entry, (step, made)) in recorded.iter().zip(STEPS) {
        let attempts = u64::from(entry.attempt.context("no attempt")?);
        for operation in made {
            let calls = received(&calls, &[*operation]);
            ensure!(
                calls <= attempts,
                "{step}: {calls} calls in {attempts} attempts"
            );
        }
        let silent = made.iter().all(|made| received(&calls, &[*made]) == 0);
        ensure!(
            made.is_empty() || !silent,
            "{step} was recorded and called nobody"
        );
    }
    Ok(())
}

/// What a reservation left in stock, from its step's record.
fn stock_after(entry: &EntryJson) -> Result<i64> {
    let output = entry.output.as_ref().context("no output")?;
    let reserved: Value = serde_json::from_str(output.as_json())?;
    let after = &reserved["reservations"][0];
    ensure!(after["variantId"] == VARIANT, "{reserved}");
    after["stockAfter"]
        .as_i64()
        .with_context(|| reserved.to_string())
}

/// The next order finds exactly one piece less.
pub(super) async fn took_stock_once(
    engine: &Engine,
    fakes: &Fakes,
    recorded: &[EntryJson],
) -> Result<()> {
    let variants = CATALOGUE.iter().flat_map(|product| product.variants);
    let initial = variants.clone().find(|variant| variant.id == VARIANT);
    let initial = initial
        .context("the cart's variant is in no catalogue")?
        .stock;
    let reservation = recorded.get(1).context("no reservation")?;
    ensure!(stock_after(reservation)? == initial - 1, "{reservation:?}");

    let known = engine.runs().await?;
    ensure!(
        engine.deliver(&fakes.pay(Cart::default())).await?,
        "webhook not answered"
    );
    completed(engine).await?;
    let runs = engine.runs().await?;
    let next = runs
        .keys()
        .find(|run| !known.contains_key(*run))
        .context("no second order")?;
    let next = ran_once_each(&engine.journal(next).await?)?;
    let after = stock_after(next.get(1).context("no reservation")?)?;
    ensure!(
        after == initial - 2,
        "{initial} pieces, two orders of one, {after} left"
    );
    Ok(())
}
