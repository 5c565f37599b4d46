//! Reading what brings events and runs together: index, waits, deliveries, schedules.

use stepwell_core::envelope::ValueKind;
use stepwell_core::{EventKey, EventOrder, RunId, WorkflowName};
use stepwell_store::{DeliveryRow, EventKeyRow, ReadError, ScheduleRow, keys};

use super::{behind, failed, fields, unreadable};
use crate::table::{Order, Row, Table, end_of};
use crate::value::ValueError;

/// Up to `limit` events of `of` in the order of the log, behind `after`.
pub(crate) fn events_by_key<T: Table>(
    table: &T,
    of: EventKey,
    after: EventOrder,
    limit: usize,
) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
    let from = behind(&keys::event_key(of, after));
    let mut events = Vec::new();
    for (key, row) in page(table, &from, &keys::event_keys_of(of), limit)? {
        let named = || named_event_key(&key);
        let Some((_, order)) = keys::parse_event_key(&key) else {
            return Err(unreadable(misplaced(), named));
        };
        let row = event_key_row(table, &key, row).map_err(|error| unreadable(error, named))?;
        events.push((order, row));
    }
    Ok(events)
}

/// Up to `limit` runs that wait for `of`, by id, behind `after`. The key says it all; a damaged
/// value is for verification to name.
pub(crate) fn waiting_for<T: Table>(
    table: &T,
    of: EventKey,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<RunId>, ReadError> {
    let under = keys::waits_of(of);
    let from = match after {
        Some(run) => behind(&keys::wait(of, run)),
        None => under.clone(),
    };
    let rows = page(table, &from, &under, limit)?;
    let waits = rows.iter().filter_map(|(key, _)| keys::parse_wait(key));
    Ok(waits.map(|(_, run)| run).collect())
}

/// Up to `limit` of all waits, by key and run, behind `after`; as [`waiting_for`].
pub(crate) fn waits<T: Table>(
    table: &T,
    after: Option<(EventKey, RunId)>,
    limit: usize,
) -> Result<Vec<(EventKey, RunId)>, ReadError> {
    let under = [keys::WAIT];
    let from = match after {
        Some((of, run)) => behind(&keys::wait(of, run)),
        None => under.to_vec(),
    };
    let rows = page(table, &from, &under, limit)?;
    let waits = rows.iter().filter_map(|(key, _)| keys::parse_wait(key));
    Ok(waits.collect())
}

/// Up to `limit` events on their way, oldest first, behind `after`.
pub(crate) fn deliveries<T: Table>(
    table: &T,
    after: EventOrder,
    limit: usize,
) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
    let from = behind(&keys::delivery(after));
    let mut deliveries = Vec::new();
    for (key, row) in page(table, &from, &[keys::DELIVERY], limit)? {
        let named = || named_delivery(&key);
        let Some(order) = keys::parse_delivery(&key) else {
            return Err(unreadable(misplaced(), named));
        };
        let row = delivery_row(table, &key, row).map_err(|error| unreadable(error, named))?;
        deliveries.push((order, row));
    }
    Ok(deliveries)
}

/// How far the schedule of `workflow` was considered.
pub(crate) fn schedule<T: Table>(
    table: &T,
    workflow: &WorkflowName,
) -> Result<Option<ScheduleRow>, ReadError> {
    let key = keys::schedule(workflow);
    let Some(row) = table.get(&key).map_err(failed)? else {
        return Ok(None);
    };
    schedule_row(table, &key, row)
        .map(Some)
        .map_err(|error| unreadable(error, || named_schedule(&key)))
}

/// The fields of a row of the index by name and key.
pub(crate) fn event_key_row<T: Table>(
    table: &T,
    key: &[u8],
    row: Vec<u8>,
) -> Result<EventKeyRow, ValueError> {
    fields(table, ValueKind::EventKey, "indexed event", key, row)
}

/// The fields of a delivery.
pub(crate) fn delivery_row<T: Table>(
    table: &T,
    key: &[u8],
    row: Vec<u8>,
) -> Result<DeliveryRow, ValueError> {
    fields(table, ValueKind::Delivery, "delivery", key, row)
}

/// The fields of a schedule.
pub(crate) fn schedule_row<T: Table>(
    table: &T,
    key: &[u8],
    row: Vec<u8>,
) -> Result<ScheduleRow, ValueError> {
    fields(table, ValueKind::Schedule, "schedule", key, row)
}

/// What a row of the index by name and key is called.
pub(crate) fn named_event_key(key: &[u8]) -> String {
    keys::parse_event_key(key).map_or_else(
        || "an indexed event".to_owned(),
        |(of, order)| format!("index of events by key {}, at {}", hex(of), place(order)),
    )
}

/// What a wait is called.
pub(crate) fn named_wait(key: &[u8]) -> String {
    keys::parse_wait(key).map_or_else(
        || "a wait".to_owned(),
        |(of, run)| format!("wait of run {run} for event key {}", hex(of)),
    )
}

/// What a delivery is called.
pub(crate) fn named_delivery(key: &[u8]) -> String {
    keys::parse_delivery(key).map_or_else(
        || "a delivery".to_owned(),
        |order| format!("delivery of event {}", place(order)),
    )
}

/// What a schedule is called.
pub(crate) fn named_schedule(key: &[u8]) -> String {
    let workflow = String::from_utf8_lossy(key.get(1..).unwrap_or_default());
    format!("schedule of workflow {workflow}")
}

/// Up to `limit` rows from `from` on whose keys begin with `under`.
fn page<T: Table>(
    table: &T,
    from: &[u8],
    under: &[u8],
    limit: usize,
) -> Result<Vec<Row>, ReadError> {
    table
        .scan(from, end_of(under).as_deref(), Order::Ascending, limit)
        .map_err(failed)
}

fn misplaced() -> ValueError {
    ValueError::Damaged("its key has another length".to_owned())
}

fn hex(of: EventKey) -> String {
    format!("{:032x}", u128::from_be_bytes(of.0))
}

fn place(order: EventOrder) -> String {
    format!("{} of opening {}", order.number, order.opening)
}
