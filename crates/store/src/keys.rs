//! The key layout: one ordered key space, the first byte naming the kind of row.
//!
//! | key | value |
//! |---|---|
//! | `a` instant (8, big-endian) run (16) | the run is due; no body |
//! | `c` part number (4) key | a further part of the value under `key` |
//! | `d` order (16) | [`DeliveryRow`](crate::DeliveryRow): an event on its way to runs that wait |
//! | `e` event id | [`EventRow`](crate::EventRow) |
//! | `i` run (16) request (16) | [`InboxRow`](crate::InboxRow) |
//! | `j` run (16) sequence (8) | journal block: consecutive entries, the first named by the key |
//! | `k` event key (16) order (16) | [`EventKeyRow`](crate::EventKeyRow): an event by name and key |
//! | `m` name | what the store knows of itself |
//! | `r` run (16) | [`RunHead`](crate::RunHead) |
//! | `t` workflow | [`ScheduleRow`](crate::ScheduleRow) |
//! | `w` event key (16) run (16) | the run waits for events of that name and key; no body |
//!
//! All numbers are big-endian, so keys sort as their parts do.

use stepwell_core::{EventId, EventKey, EventOrder, RunId, Seq, Timestamp, WorkflowName};

use crate::rows::InboxId;

/// First byte of agenda keys.
pub const AGENDA: u8 = b'a';
/// First byte of the keys of further parts.
pub const PART: u8 = b'c';
/// First byte of the keys of deliveries.
pub const DELIVERY: u8 = b'd';
/// First byte of event keys.
pub const EVENT: u8 = b'e';
/// First byte of inbox keys.
pub const INBOX: u8 = b'i';
/// First byte of journal keys.
pub const JOURNAL: u8 = b'j';
/// First byte of the index of events by name and key.
pub const EVENT_KEY: u8 = b'k';
/// First byte of the store's own keys.
pub const META: u8 = b'm';
/// First byte of run heads.
pub const HEAD: u8 = b'r';
/// First byte of schedules.
pub const SCHEDULE: u8 = b't';
/// First byte of the index of waiting runs.
pub const WAIT: u8 = b'w';

/// The key under which a run is due.
#[must_use]
pub fn agenda(at: Timestamp, run: RunId) -> Vec<u8> {
    joined(&[&[AGENDA], &at.as_ms().to_be_bytes(), &run.to_bytes()])
}

/// The key of an event.
#[must_use]
pub fn event(id: &EventId) -> Vec<u8> {
    joined(&[&[EVENT], id.as_str().as_bytes()])
}

/// The key of a request waiting for a run.
#[must_use]
pub fn inbox(run: RunId, id: InboxId) -> Vec<u8> {
    joined(&[&[INBOX], &run.to_bytes(), &id.0.to_be_bytes()])
}

/// What the keys of all requests of a run begin with.
#[must_use]
pub fn inbox_of(run: RunId) -> Vec<u8> {
    joined(&[&[INBOX], &run.to_bytes()])
}

/// The key of the journal block that begins at `first`.
#[must_use]
pub fn journal(run: RunId, first: Seq) -> Vec<u8> {
    joined(&[&[JOURNAL], &run.to_bytes(), &first.0.to_be_bytes()])
}

/// What the keys of a run's whole journal begin with.
#[must_use]
pub fn journal_of(run: RunId) -> Vec<u8> {
    joined(&[&[JOURNAL], &run.to_bytes()])
}

/// The key of a run's head.
#[must_use]
pub fn head(run: RunId) -> Vec<u8> {
    joined(&[&[HEAD], &run.to_bytes()])
}

/// The key of part `number` (from 1) of the value under `key`.
#[must_use]
pub fn part(key: &[u8], number: u32) -> Vec<u8> {
    joined(&[&[PART], &number.to_be_bytes(), key])
}

/// The key of something the store knows of itself.
#[must_use]
pub fn meta(name: &str) -> Vec<u8> {
    joined(&[&[META], name.as_bytes()])
}

/// The key of an event in the index by name and key.
#[must_use]
pub fn event_key(key: EventKey, order: EventOrder) -> Vec<u8> {
    joined(&[&[EVENT_KEY], &key.0, &order.to_bytes()])
}

/// What the keys of all indexed events of one name and key begin with.
#[must_use]
pub fn event_keys_of(key: EventKey) -> Vec<u8> {
    joined(&[&[EVENT_KEY], &key.0])
}

/// The key under which a run waits for events.
#[must_use]
pub fn wait(key: EventKey, run: RunId) -> Vec<u8> {
    joined(&[&[WAIT], &key.0, &run.to_bytes()])
}

/// What the keys of all runs waiting for events of one name and key begin with.
#[must_use]
pub fn waits_of(key: EventKey) -> Vec<u8> {
    joined(&[&[WAIT], &key.0])
}

/// The key of an event on its way.
#[must_use]
pub fn delivery(order: EventOrder) -> Vec<u8> {
    joined(&[&[DELIVERY], &order.to_bytes()])
}

/// The key of a workflow's schedule.
#[must_use]
pub fn schedule(workflow: &WorkflowName) -> Vec<u8> {
    joined(&[&[SCHEDULE], workflow.as_str().as_bytes()])
}

/// The event key and order of a key of the index by name and key.
#[must_use]
pub fn parse_event_key(key: &[u8]) -> Option<(EventKey, EventOrder)> {
    let rest = key.strip_prefix(&[EVENT_KEY])?;
    let (of, order) = rest.split_at_checked(16)?;
    let order = EventOrder::from_bytes(order.try_into().ok()?);
    Some((EventKey(of.try_into().ok()?), order))
}

/// The event key and run of the key of a waiting run.
#[must_use]
pub fn parse_wait(key: &[u8]) -> Option<(EventKey, RunId)> {
    let rest = key.strip_prefix(&[WAIT])?;
    let (of, run) = rest.split_at_checked(16)?;
    let run = RunId::from_bytes(run.try_into().ok()?);
    Some((EventKey(of.try_into().ok()?), run))
}

/// The order of a delivery's key.
#[must_use]
pub fn parse_delivery(key: &[u8]) -> Option<EventOrder> {
    let rest = key.strip_prefix(&[DELIVERY])?;
    Some(EventOrder::from_bytes(rest.try_into().ok()?))
}

/// The instant and run of an agenda key.
#[must_use]
pub fn parse_agenda(key: &[u8]) -> Option<(Timestamp, RunId)> {
    let rest = key.strip_prefix(&[AGENDA])?;
    let (at, run) = rest.split_at_checked(8)?;
    let at = u64::from_be_bytes(at.try_into().ok()?);
    Some((
        Timestamp::from_ms(at),
        RunId::from_bytes(run.try_into().ok()?),
    ))
}

/// The run and request of an inbox key.
#[must_use]
pub fn parse_inbox(key: &[u8]) -> Option<(RunId, InboxId)> {
    let rest = key.strip_prefix(&[INBOX])?;
    let (run, id) = rest.split_at_checked(16)?;
    let id = u128::from_be_bytes(id.try_into().ok()?);
    Some((RunId::from_bytes(run.try_into().ok()?), InboxId(id)))
}

/// The run and first sequence of a journal key.
#[must_use]
pub fn parse_journal(key: &[u8]) -> Option<(RunId, Seq)> {
    let rest = key.strip_prefix(&[JOURNAL])?;
    let (run, first) = rest.split_at_checked(16)?;
    let first = u64::from_be_bytes(first.try_into().ok()?);
    Some((RunId::from_bytes(run.try_into().ok()?), Seq(first)))
}

/// The run of a head's key.
#[must_use]
pub fn parse_head(key: &[u8]) -> Option<RunId> {
    let rest = key.strip_prefix(&[HEAD])?;
    Some(RunId::from_bytes(rest.try_into().ok()?))
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [EventKey; 3] = [EventKey([0; 16]), EventKey([9; 16]), EventKey([0xff; 16])];

    fn orders() -> [EventOrder; 3] {
        [(1, 2), (1, u64::MAX), (2, 1)].map(|(opening, number)| EventOrder { opening, number })
    }

    #[test]
    fn keys_of_events_and_waits_read_back_as_written() {
        let run = RunId::from_bytes([7; 16]);
        for (of, order) in KEYS.into_iter().zip(orders()) {
            assert_eq!(parse_event_key(&event_key(of, order)), Some((of, order)));
            assert_eq!(parse_wait(&wait(of, run)), Some((of, run)));
            assert_eq!(parse_delivery(&delivery(order)), Some(order));
        }
    }

    #[test]
    fn keys_of_events_sort_by_what_they_are_matched_by_and_then_as_in_time() {
        let keys: Vec<Vec<u8>> = KEYS
            .into_iter()
            .flat_map(|of| orders().map(|order| event_key(of, order)))
            .collect();
        assert!(keys.is_sorted());
        for (of, keys) in KEYS.into_iter().zip(keys.chunks(3)) {
            assert!(keys.iter().all(|key| key.starts_with(&event_keys_of(of))));
        }
        assert!(orders().map(delivery).is_sorted());
    }

    #[test]
    fn a_key_of_another_length_or_kind_is_not_read() {
        let run = RunId::from_bytes([7; 16]);
        for key in [
            event_key(KEYS[1], orders()[0]),
            wait(KEYS[1], run),
            delivery(orders()[0]),
        ] {
            let short = &key[..key.len() - 1];
            let long = [&key[..], &[0]].concat();
            let other = [b"x", &key[1..]].concat();
            for key in [short, &long, &other] {
                assert_eq!(parse_event_key(key), None);
                assert_eq!(parse_wait(key), None);
                assert_eq!(parse_delivery(key), None);
            }
        }
    }
}
