//! The key layout: one ordered key space, the first byte naming the kind of row.
//!
//! | key | value |
//! |---|---|
//! | `a` instant (8, big-endian) run (16) | the run is due; no body |
//! | `c` part number (4) key | a further part of the value under `key` |
//! | `e` event id | [`EventRow`](crate::EventRow) |
//! | `i` run (16) request (16) | [`InboxRow`](crate::InboxRow) |
//! | `j` run (16) sequence (8) | journal block: consecutive entries, the first named by the key |
//! | `m` name | what the store knows of itself |
//! | `r` run (16) | [`RunHead`](crate::RunHead) |
//!
//! All numbers are big-endian, so keys sort as their parts do.

use stepwell_core::{EventId, RunId, Seq, Timestamp};

use crate::rows::InboxId;

/// First byte of agenda keys.
pub const AGENDA: u8 = b'a';
/// First byte of the keys of further parts.
pub const PART: u8 = b'c';
/// First byte of event keys.
pub const EVENT: u8 = b'e';
/// First byte of inbox keys.
pub const INBOX: u8 = b'i';
/// First byte of journal keys.
pub const JOURNAL: u8 = b'j';
/// First byte of the store's own keys.
pub const META: u8 = b'm';
/// First byte of run heads.
pub const HEAD: u8 = b'r';

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
