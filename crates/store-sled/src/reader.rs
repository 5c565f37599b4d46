//! Reading rows back: every value is checked before a word of it is believed.

use serde::de::DeserializeOwned;
use stepwell_core::envelope::{self, ValueKind};
use stepwell_core::{Entry, EventId, RunId, Seq, Timestamp};
use stepwell_store::{EventRow, InboxId, InboxRow, ReadError, RunFilter, RunHead, keys};

use crate::table::{Order, Row, Table, TableError, end_of};
use crate::value::{self, ValueError};

mod matching;

pub(crate) use matching::*;

/// Rows read from the table at a time.
const PAGE: usize = 256;

/// The rows whose keys begin with `prefix`, read page by page.
pub(crate) struct Pages<'t, T> {
    table: &'t T,
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

impl<'t, T: Table> Pages<'t, T> {
    /// All rows under `prefix`, smallest key first.
    pub(crate) fn under(table: &'t T, prefix: &[u8]) -> Self {
        Self {
            table,
            from: Some(prefix.to_vec()),
            to: end_of(prefix),
        }
    }

    /// The next rows; empty at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<Row>, TableError> {
        let Some(from) = self.from.take() else {
            return Ok(Vec::new());
        };
        let rows = self
            .table
            .scan(&from, self.to.as_deref(), Order::Ascending, PAGE)?;
        if let Some((last, _)) = rows.last()
            && rows.len() == PAGE
        {
            self.from = Some(behind(last));
        }
        Ok(rows)
    }
}

/// The journal of `run`.
pub(crate) fn journal<T: Table>(table: &T, run: RunId) -> Result<Vec<Entry>, ReadError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut pages = Pages::under(table, &keys::journal_of(run));
    loop {
        let page = pages.next().map_err(failed)?;
        if page.is_empty() {
            break;
        }
        for (key, row) in page {
            let expected = Seq::FIRST.plus(entries.len() as u64);
            let damaged = |what: String| ReadError::Damaged {
                run,
                seq: expected,
                what,
            };
            let block = journal_block(table, run, &key, row).map_err(|error| match error {
                ValueError::Damaged(what) => damaged(what),
                ValueError::Table(error) => failed(error),
            })?;
            if block.first != expected {
                return Err(damaged(format!(
                    "entry {} follows where entry {expected} belongs",
                    block.first
                )));
            }
            entries.extend(block.entries);
        }
    }
    if entries.is_empty() && table.get(&keys::head(run)).map_err(failed)?.is_some() {
        return Err(ReadError::Damaged {
            run,
            seq: Seq::FIRST,
            what: "run has a head and no journal".to_owned(),
        });
    }
    Ok(entries)
}

struct Block {
    first: Seq,
    entries: Vec<Entry>,
}

fn journal_block<T: Table>(
    table: &T,
    run: RunId,
    key: &[u8],
    row: Vec<u8>,
) -> Result<Block, ValueError> {
    let Some((_, first)) = keys::parse_journal(key) else {
        return Err(ValueError::Damaged(
            "key of a block has another length".to_owned(),
        ));
    };
    let whole = value::whole(table, key, row)?;
    let opened = envelope::open_as(ValueKind::JournalBlock, "a journal block", key, &whole)?;
    if opened.run != Some(run) || opened.seq != first {
        return Err(ValueError::Damaged(
            "block says it belongs elsewhere".to_owned(),
        ));
    }
    let entries = envelope::decode_block(opened.format, first, opened.body)?;
    if entries.is_empty() {
        return Err(ValueError::Damaged("block holds no entry".to_owned()));
    }
    Ok(Block { first, entries })
}

/// The sequence next in the journal of `run`, 0 when there is none.
pub(crate) fn position<T: Table>(table: &T, run: RunId) -> Result<Seq, ValueError> {
    let prefix = keys::journal_of(run);
    let last = table.scan(&prefix, end_of(&prefix).as_deref(), Order::Descending, 1)?;
    let Some((key, row)) = last.into_iter().next() else {
        return Ok(Seq::FIRST);
    };
    let seq = keys::parse_journal(&key).map_or(Seq::FIRST, |(_, seq)| seq);
    match journal_block(table, run, &key, row) {
        Ok(block) => Ok(block.first.plus(block.entries.len() as u64)),
        Err(ValueError::Damaged(what)) => {
            let damage = ReadError::Damaged { run, seq, what };
            Err(ValueError::Damaged(damage.to_string()))
        }
        Err(error @ ValueError::Table(_)) => Err(error),
    }
}

/// The event `id`.
pub(crate) fn event<T: Table>(table: &T, id: &EventId) -> Result<Option<EventRow>, ReadError> {
    let key = keys::event(id);
    let Some(row) = table.get(&key).map_err(failed)? else {
        return Ok(None);
    };
    fields(table, ValueKind::Event, "event", &key, row)
        .map(Some)
        .map_err(|error| unreadable(error, || format!("event {id}")))
}

/// The head of `run`.
pub(crate) fn head<T: Table>(table: &T, run: RunId) -> Result<Option<RunHead>, ReadError> {
    let key = keys::head(run);
    let Some(row) = table.get(&key).map_err(failed)? else {
        return Ok(None);
    };
    head_row(table, &key, row)
        .map(Some)
        .map_err(|error| unreadable(error, || format!("head of run {run}")))
}

/// The head in a row.
pub(crate) fn head_row<T: Table>(
    table: &T,
    key: &[u8],
    row: Vec<u8>,
) -> Result<RunHead, ValueError> {
    fields(table, ValueKind::RunHead, "run head", key, row)
}

/// Up to `limit` heads, newest first; damaged ones are left out.
pub(crate) fn runs<T: Table>(
    table: &T,
    filter: &RunFilter,
    limit: usize,
) -> Result<Vec<RunHead>, ReadError> {
    let from = [keys::HEAD];
    let mut to = match filter.before {
        Some(run) => Some(keys::head(run)),
        None => end_of(&from),
    };
    let mut heads = Vec::new();
    loop {
        let page = table
            .scan(&from, to.as_deref(), Order::Descending, PAGE)
            .map_err(failed)?;
        let more = page.len() == PAGE;
        to = page.last().map(|(key, _)| key.clone());
        for (key, row) in page {
            if heads.len() >= limit {
                return Ok(heads);
            }
            match head_row(table, &key, row) {
                Ok(head) if is_wanted(filter, &head) => heads.push(head),
                Ok(_) | Err(ValueError::Damaged(_)) => {}
                Err(ValueError::Table(error)) => return Err(failed(error)),
            }
        }
        if !more {
            return Ok(heads);
        }
    }
}

fn is_wanted(filter: &RunFilter, head: &RunHead) -> bool {
    filter.status.is_none_or(|status| status == head.status)
        && filter
            .workflow
            .as_ref()
            .is_none_or(|workflow| *workflow == head.workflow)
}

/// Up to `limit` runs due at or before `until`, behind `after`. The key says it all; a damaged
/// value is for verification to name.
pub(crate) fn agenda<T: Table>(
    table: &T,
    after: Option<(Timestamp, RunId)>,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<(Timestamp, RunId)>, ReadError> {
    let from = match after {
        Some((at, run)) => behind(&keys::agenda(at, run)),
        None => vec![keys::AGENDA],
    };
    // Behind the largest run id of the last instant, and never behind the agenda itself.
    let to = end_of(&keys::agenda(until, RunId::from_bytes([u8::MAX; 16])));
    let rows = table
        .scan(&from, to.as_deref(), Order::Ascending, limit)
        .map_err(failed)?;
    Ok(rows
        .iter()
        .filter_map(|(key, _)| keys::parse_agenda(key))
        .collect())
}

/// The requests waiting for `run`.
pub(crate) fn inbox<T: Table>(
    table: &T,
    run: RunId,
) -> Result<Vec<(InboxId, InboxRow)>, ReadError> {
    let mut requests = Vec::new();
    let mut pages = Pages::under(table, &keys::inbox_of(run));
    loop {
        let page = pages.next().map_err(failed)?;
        if page.is_empty() {
            return Ok(requests);
        }
        for (key, row) in page {
            let Some((_, id)) = keys::parse_inbox(&key) else {
                continue;
            };
            let request = fields(table, ValueKind::Inbox, "request", &key, row)
                .map_err(|error| unreadable(error, || format!("a request to run {run}")))?;
            requests.push((id, request));
        }
    }
}

/// Every run with a request waiting.
pub(crate) fn inbox_runs<T: Table>(table: &T) -> Result<Vec<RunId>, ReadError> {
    let mut runs: Vec<RunId> = Vec::new();
    let mut pages = Pages::under(table, &[keys::INBOX]);
    loop {
        let page = pages.next().map_err(failed)?;
        if page.is_empty() {
            return Ok(runs);
        }
        let waiting = page.iter().filter_map(|(key, _)| keys::parse_inbox(key));
        runs.extend(waiting.map(|(run, _)| run));
        runs.dedup();
    }
}

/// The fields of the value whose first row is `row` under `key`.
pub(crate) fn fields<T: Table, F: DeserializeOwned>(
    table: &T,
    kind: ValueKind,
    what: &'static str,
    key: &[u8],
    row: Vec<u8>,
) -> Result<F, ValueError> {
    let whole = value::whole(table, key, row)?;
    let opened = envelope::open_as(kind, what, key, &whole)?;
    Ok(envelope::decode_fields(what, opened.body)?)
}

/// The smallest key behind `key`.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// A table that fails, as a read sees it.
pub(crate) fn failed(error: TableError) -> ReadError {
    ReadError::Failed {
        why: error.to_string(),
    }
}

fn unreadable(error: ValueError, value: impl FnOnce() -> String) -> ReadError {
    match error {
        ValueError::Damaged(what) => ReadError::DamagedValue {
            value: value(),
            what,
        },
        ValueError::Table(error) => failed(error),
    }
}
