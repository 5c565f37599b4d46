//! How values are written: a versioned, checksummed envelope around bincode, described byte by byte.
//!
//! Every stored value has the same 36-byte head; numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..2 | magic `SW` |
//! | 2 | format version, [`FORMAT`] |
//! | 3 | kind of value, [`ValueKind`] |
//! | 4..20 | run id, or zeros where a value belongs to no run |
//! | 20..28 | sequence: of the first entry in a journal block, else 0 |
//! | 28..32 | length of the body |
//! | 32..36 | CRC-32 over the key, bytes 0..32 and the body |
//! | 36.. | the body |
//!
//! The checksum covers the key, so a value read back under another key is damage, not data. A
//! journal block's body is its entries one after another: kind of entry (1 byte), instant in
//! milliseconds (8), length (4), bincode of the entry's fields. A later format gets a new number
//! in byte 2 and this module keeps reading the old one.

use bincode::Options;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::entry::{Awaited, Entry, EntryBody, Parent, RunStarted};
use crate::ids::{EventId, EventOrder, RunId, Seq, WorkflowName};
use crate::time::Timestamp;

/// The format version written by this build.
pub const FORMAT: u8 = 3;

/// Length of the head that precedes every body, in bytes.
pub const HEAD_BYTES: usize = 36;

/// Largest body that is decoded, in bytes; a damaged length can ask for no more memory than this.
pub const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

const MAGIC: [u8; 2] = *b"SW";
const ENTRY_HEAD_BYTES: usize = 13;

/// What a stored value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ValueKind {
    /// One or more consecutive entries of one run.
    JournalBlock = 1,
    /// The head of a run: what lists show without reading its journal.
    RunHead = 2,
    /// An event with its payload and the runs it started.
    Event = 3,
    /// A run that is due at an instant.
    Agenda = 4,
    /// A request waiting for the shard that owns the run.
    Inbox = 5,
    /// The first part of a value too large for one row.
    Chunked = 6,
    /// A further part of such a value.
    Chunk = 7,
    /// What the store knows of itself.
    Store = 8,
    /// An event, found by its name and key.
    EventKey = 9,
    /// A run waits for events of a name and key.
    Wait = 10,
    /// An event on its way to the runs that wait for it.
    Delivery = 11,
    /// How far a schedule's ticks were considered.
    Schedule = 12,
}

impl ValueKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::JournalBlock,
            Self::RunHead,
            Self::Event,
            Self::Agenda,
            Self::Inbox,
            Self::Chunked,
            Self::Chunk,
            Self::Store,
            Self::EventKey,
            Self::Wait,
            Self::Delivery,
            Self::Schedule,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A value whose checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The format it was written in, from 1 to [`FORMAT`].
    pub format: u8,
    /// What the value is.
    pub kind: ValueKind,
    /// The run it belongs to, if any.
    pub run: Option<RunId>,
    /// The first entry in it, for a journal block.
    pub seq: Seq,
    /// The body.
    pub body: &'a [u8],
}

/// A value could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The body is larger than any reader accepts.
    #[error("value of more than {BODY_BYTES_MAX} bytes cannot be stored")]
    TooLarge,
}

/// A value cannot be trusted or understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its head, or its length disagrees with the bytes there are.
    #[error("value has {found} bytes where its envelope says {expected}")]
    Length {
        /// Bytes the envelope promises.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The magic is missing.
    #[error("value does not begin with an envelope")]
    NotAnEnvelope,
    /// Written by a later release.
    #[error("value has format {found}, this build reads up to {FORMAT}: use a newer build")]
    NewerFormat {
        /// The version found.
        found: u8,
    },
    /// The checksum does not hold.
    #[error("checksum of value does not hold")]
    Checksum,
    /// The checksum holds but the kind is unknown to this build or not the one expected here.
    #[error("value is of kind {found}, expected {expected}")]
    Kind {
        /// The kind found.
        found: u8,
        /// What belongs here.
        expected: &'static str,
    },
    /// The checksum holds but the fields do not decode.
    #[error("fields of {what} do not decode")]
    Fields {
        /// The thing being decoded.
        what: &'static str,
    },
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_limit(BODY_BYTES_MAX)
}

/// The bincode of `value`, the form in which fields stand inside a body.
///
/// # Errors
/// When it would be larger than [`BODY_BYTES_MAX`].
pub fn encode_fields<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    options()
        .serialize(value)
        .map_err(|_| EncodeError::TooLarge)
}

/// The inverse of [`encode_fields`]; refuses trailing bytes.
///
/// # Errors
/// [`DecodeError::Fields`] naming `what`.
pub fn decode_fields<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, DecodeError> {
    options()
        .deserialize(bytes)
        .map_err(|_| DecodeError::Fields { what })
}

/// Wraps `body` for storage under `key`.
///
/// # Errors
/// When the body is larger than [`BODY_BYTES_MAX`].
pub fn seal(
    kind: ValueKind,
    key: &[u8],
    run: Option<RunId>,
    seq: Seq,
    body: &[u8],
) -> Result<Vec<u8>, EncodeError> {
    let length = u32::try_from(body.len()).map_err(|_| EncodeError::TooLarge)?;
    if u64::from(length) > BODY_BYTES_MAX {
        return Err(EncodeError::TooLarge);
    }
    let mut value = Vec::with_capacity(HEAD_BYTES + body.len());
    value.extend_from_slice(&MAGIC);
    value.push(FORMAT);
    value.push(kind as u8);
    value.extend_from_slice(&run.map_or([0; 16], RunId::to_bytes));
    value.extend_from_slice(&seq.0.to_le_bytes());
    value.extend_from_slice(&length.to_le_bytes());
    let checksum = checksum(key, &value, body);
    value.extend_from_slice(&checksum.to_le_bytes());
    value.extend_from_slice(body);
    Ok(value)
}

/// Checks the envelope of a `value` read under `key`.
///
/// # Errors
/// Whatever is wrong first: length, magic, format, checksum, kind.
pub fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<Opened<'a>, DecodeError> {
    let found = value.len() as u64;
    let Some((head, body)) = value.split_at_checked(HEAD_BYTES) else {
        return Err(DecodeError::Length {
            expected: HEAD_BYTES as u64,
            found,
        });
    };
    // Formats count from 1, so a head of zeros is none of ours.
    if head[..2] != MAGIC || head[2] == 0 {
        return Err(DecodeError::NotAnEnvelope);
    }
    if head[2] > FORMAT {
        return Err(DecodeError::NewerFormat { found: head[2] });
    }
    let expected = HEAD_BYTES as u64 + u64::from(le_u32(&head[28..32]));
    if expected != found {
        return Err(DecodeError::Length { expected, found });
    }
    if checksum(key, &head[..32], body) != le_u32(&head[32..36]) {
        return Err(DecodeError::Checksum);
    }
    let kind = ValueKind::from_byte(head[3]).ok_or(DecodeError::Kind {
        found: head[3],
        expected: "a kind this build knows",
    })?;
    let mut run = [0; 16];
    run.copy_from_slice(&head[4..20]);
    let run = (run != [0; 16]).then(|| RunId::from_bytes(run));
    Ok(Opened {
        format: head[2],
        kind,
        run,
        seq: Seq(le_u64(&head[20..28])),
        body,
    })
}

/// [`open`], and the kind must be `kind`.
///
/// # Errors
/// As [`open`], and [`DecodeError::Kind`] naming `expected`.
pub fn open_as<'a>(
    kind: ValueKind,
    expected: &'static str,
    key: &[u8],
    value: &'a [u8],
) -> Result<Opened<'a>, DecodeError> {
    let opened = open(key, value)?;
    if opened.kind != kind {
        return Err(DecodeError::Kind {
            found: opened.kind as u8,
            expected,
        });
    }
    Ok(opened)
}

/// The body of a journal block holding `entries`, which must be consecutive.
///
/// # Errors
/// When an entry is larger than [`BODY_BYTES_MAX`].
pub fn encode_block(entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    let mut body = Vec::with_capacity(entries.len() * 96);
    for entry in entries {
        let fields = encode_body(&entry.body)?;
        let length = u32::try_from(fields.len()).map_err(|_| EncodeError::TooLarge)?;
        body.push(entry_kind(&entry.body));
        body.extend_from_slice(&entry.at.as_ms().to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&fields);
    }
    Ok(body)
}

/// The entries in the body of a journal block of `format`, the first of which is `first`.
///
/// # Errors
/// [`DecodeError::Length`] or [`DecodeError::Fields`]; a block whose checksum held decodes unless a
/// different program wrote it.
pub fn decode_block(format: u8, first: Seq, mut body: &[u8]) -> Result<Vec<Entry>, DecodeError> {
    let mut entries = Vec::new();
    while !body.is_empty() {
        let short = |expected| DecodeError::Length {
            expected,
            found: body.len() as u64,
        };
        let (head, rest) = body
            .split_at_checked(ENTRY_HEAD_BYTES)
            .ok_or(short(ENTRY_HEAD_BYTES as u64))?;
        let length = le_u32(&head[9..13]);
        let (fields, rest) = rest
            .split_at_checked(length as usize)
            .ok_or(short(u64::from(length)))?;
        entries.push(Entry {
            seq: first.plus(entries.len() as u64),
            at: Timestamp::from_ms(le_u64(&head[1..9])),
            body: decode_body(format, head[0], fields)?,
        });
        body = rest;
    }
    Ok(entries)
}

fn entry_kind(body: &EntryBody) -> u8 {
    match body {
        EntryBody::RunStarted(_) => 1,
        EntryBody::StepSucceeded(_) => 2,
        EntryBody::StepFailed(_) => 3,
        EntryBody::Recovered(_) => 4,
        EntryBody::AttemptFailed(_) => 5,
        EntryBody::CancelRequested(_) => 6,
        EntryBody::RunCompleted(_) => 7,
        EntryBody::RunFailed(_) => 8,
        EntryBody::RunCancelled => 9,
        EntryBody::Quarantined(_) => 10,
        EntryBody::Resumed => 11,
        EntryBody::WaitStarted(_) => 12,
        EntryBody::WaitTimedOut(_) => 13,
        EntryBody::EventOffered(_) => 14,
        EntryBody::EventReceived(_) => 15,
        EntryBody::EventRejected(_) => 16,
        EntryBody::SignalReceived(_) => 17,
        EntryBody::ChildStarted(_) => 18,
        EntryBody::ForkStarted(_) => 19,
        EntryBody::BranchEnded(_) => 20,
        EntryBody::UndoStarted(_) => 21,
        EntryBody::RunContinued(_) => 22,
        EntryBody::RunKilled(_) => 23,
        EntryBody::Patched(_) => 24,
        EntryBody::Paused(_) => 25,
        EntryBody::Retried(_) => 26,
    }
}

fn encode_body(body: &EntryBody) -> Result<Vec<u8>, EncodeError> {
    match body {
        EntryBody::RunStarted(fields) => encode_fields(fields),
        EntryBody::StepSucceeded(fields) => encode_fields(fields),
        EntryBody::StepFailed(fields) => encode_fields(fields),
        EntryBody::Recovered(fields) => encode_fields(fields),
        EntryBody::AttemptFailed(fields) => encode_fields(fields),
        EntryBody::CancelRequested(fields) => encode_fields(fields),
        EntryBody::RunCompleted(fields) => encode_fields(fields),
        EntryBody::RunFailed(fields) => encode_fields(fields),
        EntryBody::Quarantined(fields) => encode_fields(fields),
        EntryBody::WaitStarted(fields) => encode_fields(fields),
        EntryBody::WaitTimedOut(fields) => encode_fields(fields),
        EntryBody::EventOffered(fields) => encode_fields(fields),
        EntryBody::EventReceived(fields) => encode_fields(fields),
        EntryBody::EventRejected(fields) => encode_fields(fields),
        EntryBody::SignalReceived(fields) => encode_fields(fields),
        EntryBody::ChildStarted(fields) => encode_fields(fields),
        EntryBody::ForkStarted(fields) => encode_fields(fields),
        EntryBody::BranchEnded(fields) => encode_fields(fields),
        EntryBody::UndoStarted(fields) => encode_fields(fields),
        EntryBody::RunContinued(fields) => encode_fields(fields),
        EntryBody::RunKilled(fields) => encode_fields(fields),
        EntryBody::Patched(fields) => encode_fields(fields),
        EntryBody::Paused(fields) => encode_fields(fields),
        EntryBody::Retried(fields) => encode_fields(fields),
        EntryBody::RunCancelled | EntryBody::Resumed => Ok(Vec::new()),
    }
}

fn decode_body(format: u8, kind: u8, fields: &[u8]) -> Result<EntryBody, DecodeError> {
    let empty = |body| {
        if fields.is_empty() {
            Ok(body)
        } else {
            Err(DecodeError::Fields {
                what: "an empty entry",
            })
        }
    };
    match kind {
        1 if format == 1 => {
            let started: RunStartedOf1 = decode_fields("RunStarted", fields)?;
            Ok(EntryBody::RunStarted(started.into()))
        }
        1 if format == 2 => {
            let started: RunStartedOf2 = decode_fields("RunStarted", fields)?;
            Ok(EntryBody::RunStarted(started.into()))
        }
        1 => decode_fields("RunStarted", fields).map(EntryBody::RunStarted),
        2 => decode_fields("StepSucceeded", fields).map(EntryBody::StepSucceeded),
        3 => decode_fields("StepFailed", fields).map(EntryBody::StepFailed),
        4 => decode_fields("Recovered", fields).map(EntryBody::Recovered),
        5 => decode_fields("AttemptFailed", fields).map(EntryBody::AttemptFailed),
        6 => decode_fields("CancelRequested", fields).map(EntryBody::CancelRequested),
        7 => decode_fields("RunCompleted", fields).map(EntryBody::RunCompleted),
        8 => decode_fields("RunFailed", fields).map(EntryBody::RunFailed),
        9 => empty(EntryBody::RunCancelled),
        10 => decode_fields("Quarantined", fields).map(EntryBody::Quarantined),
        11 => empty(EntryBody::Resumed),
        12 => decode_fields("WaitStarted", fields).map(EntryBody::WaitStarted),
        13 => decode_fields("WaitTimedOut", fields).map(EntryBody::WaitTimedOut),
        14 => decode_fields("EventOffered", fields).map(EntryBody::EventOffered),
        15 => decode_fields("EventReceived", fields).map(EntryBody::EventReceived),
        16 => decode_fields("EventRejected", fields).map(EntryBody::EventRejected),
        17 => decode_fields("SignalReceived", fields).map(EntryBody::SignalReceived),
        18 => decode_fields("ChildStarted", fields).map(EntryBody::ChildStarted),
        19 => decode_fields("ForkStarted", fields).map(EntryBody::ForkStarted),
        20 => decode_fields("BranchEnded", fields).map(EntryBody::BranchEnded),
        21 => decode_fields("UndoStarted", fields).map(EntryBody::UndoStarted),
        22 => decode_fields("RunContinued", fields).map(EntryBody::RunContinued),
        23 => decode_fields("RunKilled", fields).map(EntryBody::RunKilled),
        24 => decode_fields("Patched", fields).map(EntryBody::Patched),
        25 => decode_fields("Paused", fields).map(EntryBody::Paused),
        26 => decode_fields("Retried", fields).map(EntryBody::Retried),
        found => Err(DecodeError::Kind {
            found,
            expected: "a kind of entry this build knows",
        }),
    }
}

/// The start of a run as format 1 wrote it: by an event, without any terms.
#[derive(Deserialize)]
struct RunStartedOf1 {
    workflow: WorkflowName,
    version: u32,
    event: EventId,
    input_bytes: u64,
}

impl From<RunStartedOf1> for RunStarted {
    fn from(started: RunStartedOf1) -> Self {
        Self {
            workflow: started.workflow,
            version: started.version,
            event: started.event,
            input_bytes: started.input_bytes,
            since: EventOrder::BEGINNING,
            parent: None,
            cancel_on: Vec::new(),
            start_at: None,
            start_by: None,
            finish_by: None,
            forked: None,
        }
    }
}

/// The start of a run as format 2 wrote it, which knew no forks of runs.
#[derive(Deserialize)]
struct RunStartedOf2 {
    workflow: WorkflowName,
    version: u32,
    event: EventId,
    input_bytes: u64,
    since: EventOrder,
    parent: Option<Parent>,
    cancel_on: Vec<Awaited>,
    start_at: Option<Timestamp>,
    start_by: Option<Timestamp>,
    finish_by: Option<Timestamp>,
}

impl From<RunStartedOf2> for RunStarted {
    fn from(started: RunStartedOf2) -> Self {
        Self {
            workflow: started.workflow,
            version: started.version,
            event: started.event,
            input_bytes: started.input_bytes,
            since: started.since,
            parent: started.parent,
            cancel_on: started.cancel_on,
            start_at: started.start_at,
            start_by: started.start_by,
            finish_by: started.finish_by,
            forked: None,
        }
    }
}

fn checksum(key: &[u8], head: &[u8], body: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(key);
    hash.update(head);
    hash.update(body);
    hash.finalize()
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

fn le_u64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
