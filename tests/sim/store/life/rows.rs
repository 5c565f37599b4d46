//! The rows beside journals: what a script changes of them with each entry, and what must be there.

use std::collections::BTreeSet;

use stepwell_core::run::RunState;
use stepwell_core::{
    Awaited, EventId, EventKey, EventOrder, Fence, RunId, Timestamp, WorkflowName,
};
use stepwell_store::{Change, Commit, DeliveryRow, EventKeyRow, ScheduleRow};
use stepwell_store_sled::Core;
use stepwell_testkit::disk::SimDisk;
use stepwell_testkit::scripts::{Script, run_id};

use crate::store::table::SimTable;

/// What the `nth` run waits for; several wait for the same.
pub(super) fn awaited(nth: u64) -> Awaited {
    Awaited {
        name: "script/awaited".to_owned(),
        key: (nth % 3).to_string(),
    }
}

/// The state of a run that goes on; `None` before its start and after its end.
pub(super) fn open(script: &Script) -> Option<RunState> {
    script.state().filter(|state| state.outcome.is_none())
}

/// The end of the wait of `script`, if it waits.
pub(super) fn waited(script: &mut Script, fence: Fence) -> Option<Commit> {
    let waits = open(script).is_some_and(|state| !state.waiting.is_empty());
    // An event satisfies one wait of a run, so each takes another.
    let event = EventId::new(format!("awaited-{}", script.entries().len()));
    waits.then(|| script.receive(fence, &event))
}

/// What changes beside the journal with the last entry of `script`: each row says how many
/// entries there are.
pub(super) fn beside(nth: u64, script: &Script) -> Vec<Change> {
    let count = script.entries().len() as u64;
    let mut changes = vec![Change::PutSchedule(
        schedule_name(nth),
        schedule_after(count),
    )];
    if count == 1 {
        let row = EventKeyRow {
            event: script.event(),
            received_at: Timestamp::from_ms(nth),
        };
        changes.push(Change::IndexEvent(key(nth), order(nth), row));
    }
    changes.push(match open(script) {
        Some(_) => Change::PutDelivery(order(nth), delivery_after(nth, script, count)),
        None => Change::DeleteDelivery(order(nth)),
    });
    changes
}

/// Compares the rows beside the journals of `scripts` with what is stored: as many entries as
/// each says, and no row too many.
pub(super) fn check<'a>(
    core: &Core<SimDisk, SimTable>,
    scripts: impl Iterator<Item = (u64, &'a Script)>,
) -> Result<(), String> {
    let (mut waits, mut deliveries) = (BTreeSet::new(), Vec::new());
    let mut indexed = [const { Vec::new() }; 3];
    for (nth, script) in scripts {
        let count = script.entries().len() as u64;
        let schedule = core.schedule(&schedule_name(nth)).map_err(in_words)?;
        same(
            &schedule,
            &(count > 0).then(|| schedule_after(count)),
            "schedule",
        )?;
        if count > 0 {
            indexed[(nth % 3) as usize].push(order(nth));
        }
        if let Some(state) = open(script) {
            deliveries.push((order(nth), delivery_after(nth, script, count)));
            waits.extend(state.listening.keys().map(|key| (*key, script.run())));
        }
    }
    let waits: Vec<(EventKey, RunId)> = waits.into_iter().collect();
    same(
        &core.waits(None, usize::MAX).map_err(in_words)?,
        &waits,
        "waits",
    )?;
    let there = core.deliveries(EventOrder::BEGINNING, usize::MAX);
    same(&there.map_err(in_words)?, &deliveries, "deliveries")?;
    for (nth, orders) in (0..).zip(&indexed) {
        let there = core.events_by_key(key(nth), EventOrder::BEGINNING, usize::MAX);
        let there = there.map_err(in_words)?;
        let there: Vec<EventOrder> = there.iter().map(|(order, _)| *order).collect();
        same(&there, orders, "events by key")?;
        let runs = core.waiting_for(key(nth), None, usize::MAX);
        let waiting = waits.iter().filter(|(of, _)| *of == key(nth));
        let waiting: Vec<RunId> = waiting.map(|(_, run)| *run).collect();
        same(&runs.map_err(in_words)?, &waiting, "runs that wait")?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(there: &T, due: &T, what: &str) -> Result<(), String> {
    match there == due {
        true => Ok(()),
        false => Err(format!("{what}: {there:?} where {due:?} belongs")),
    }
}

fn in_words(error: stepwell_store::ReadError) -> String {
    error.to_string()
}

fn key(nth: u64) -> EventKey {
    awaited(nth).digest()
}

fn order(nth: u64) -> EventOrder {
    EventOrder {
        opening: 1,
        number: nth + 1,
    }
}

fn schedule_name(nth: u64) -> WorkflowName {
    WorkflowName::new(format!("scripted-{nth}"))
}

fn schedule_after(count: u64) -> ScheduleRow {
    ScheduleRow {
        expression: "* * * * *".to_owned(),
        zone: "UTC".to_owned(),
        considered: Timestamp::from_ms(count),
        last_run: None,
    }
}

fn delivery_after(nth: u64, script: &Script, count: u64) -> DeliveryRow {
    DeliveryRow {
        event: script.event(),
        key: key(nth),
        after: (count > 1).then(|| run_id(count)),
    }
}
