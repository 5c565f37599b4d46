//! Verification: every row read, every journal folded, every run counted.

use std::collections::BTreeSet;

use stepwell_core::envelope::{self, ValueKind};
use stepwell_core::run::{Illegal, RunState, apply, due_at, fold};
use stepwell_core::{Entry, RunId, Seq, Timestamp};
use stepwell_store::{EventRow, InboxRow, ReadError, keys};

use crate::reader::{self, Pages, failed};
use crate::settled::{Settled, SettledError};
use crate::table::Table;
use crate::value::ValueError;

mod matching;

use matching::Listeners;

/// What a walk over every row found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// Runs counted, or read when journals were.
    pub runs: u64,
    /// Entries in the journals that could be read.
    pub entries: u64,
    /// Events.
    pub events: u64,
    /// Everything that is not what was written, in the order of the walk.
    pub damage: Vec<Damage>,
}

/// One thing that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The journal of a run.
    Journal {
        /// The run.
        run: RunId,
        /// The first entry that cannot be trusted.
        seq: Seq,
        /// What is wrong with it.
        what: String,
    },
    /// Another value.
    Value {
        /// Which value, in words.
        value: String,
        /// What is wrong with it.
        what: String,
    },
    /// Runs vanished, or appeared, without a commit.
    Runs {
        /// Runs the store created and still has by its own count.
        expected: u64,
        /// Runs with a journal.
        found: u64,
    },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal { run, seq, what } => {
                write!(f, "journal of run {run} is damaged at entry {seq}: {what}")
            }
            Self::Value { value, what } => write!(f, "{value} is damaged: {what}"),
            Self::Runs { expected, found } => {
                write!(f, "{found} runs where {expected} were created")
            }
        }
    }
}

impl Verification {
    /// Whether everything is as it was written.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }

    fn note_value(&mut self, value: String, error: ValueError) -> Result<(), ReadError> {
        match error {
            ValueError::Damaged(what) => self.damage.push(Damage::Value { value, what }),
            ValueError::Table(error) => return Err(failed(error)),
        }
        Ok(())
    }
}

/// Reads every row and folds every journal.
pub(crate) fn verify<T: Table>(table: &T) -> Result<Verification, ReadError> {
    let mut found = recount(table)?;
    found.runs = 0;
    let mut listeners = Listeners::default();
    verify_journals(table, &mut listeners, &mut found)?;
    verify_heads(table, &mut found)?;
    verify_events(table, &mut found)?;
    verify_small(table, &mut found)?;
    matching::verify_waits(table, listeners, &mut found)?;
    matching::verify_event_keys(table, &mut found)?;
    matching::verify_schedules(table, &mut found)?;
    Ok(found)
}

/// Counts journal blocks and events and compares with the table's own count: cheap, and tells of
/// rows that vanished, which no other row can show.
pub(crate) fn recount<T: Table>(table: &T) -> Result<Verification, ReadError> {
    let mut found = Verification::default();
    let mut there = Settled::new(0);
    for first in [keys::JOURNAL, keys::EVENT] {
        for_each_row(table, first, |key, _| {
            there.count(&key);
            Ok(())
        })?;
    }
    found.runs = there.runs;
    let written = match Settled::read(table) {
        Ok(written) => written,
        Err(error) => {
            note_settled(&mut found, error)?;
            return Ok(found);
        }
    };
    if written.runs != there.runs {
        found.damage.push(Damage::Runs {
            expected: written.runs,
            found: there.runs,
        });
    }
    if (written.rows, written.keys) != (there.rows, there.keys) {
        found.damage.push(Damage::Value {
            value: "the set of journal blocks and events".to_owned(),
            what: format!(
                "{} are there, {} were written, and they are not the same",
                there.rows, written.rows
            ),
        });
    }
    Ok(found)
}

fn note_settled(found: &mut Verification, error: SettledError) -> Result<(), ReadError> {
    let what = match error {
        SettledError::Table(error) => return Err(failed(error)),
        SettledError::Missing => "it is missing".to_owned(),
        SettledError::Damaged(what) => what,
        SettledError::NewerFormat(format) => format!("format {format} is newer than this build"),
    };
    found.damage.push(Damage::Value {
        value: "settled row".to_owned(),
        what,
    });
    Ok(())
}

/// Every run with a journal block or a head, so that a run that lost either is named.
fn verify_journals<T: Table>(
    table: &T,
    listeners: &mut Listeners,
    found: &mut Verification,
) -> Result<(), ReadError> {
    let mut runs = BTreeSet::new();
    for_each_row(table, keys::JOURNAL, |key, _| {
        runs.extend(keys::parse_journal(&key).map(|(run, _)| run));
        Ok(())
    })?;
    for_each_row(table, keys::HEAD, |key, _| {
        runs.extend(keys::parse_head(&key));
        Ok(())
    })?;
    for run in runs {
        found.runs += 1;
        match reader::journal(table, run) {
            Ok(entries) => {
                found.entries += entries.len() as u64;
                match refold(run, &entries) {
                    Ok(state) => {
                        listeners.note(&state);
                        verify_place(table, &state, found)?;
                    }
                    Err((seq, illegal)) => {
                        listeners.note_unreadable(run);
                        let what = illegal.to_string();
                        found.damage.push(Damage::Journal { run, seq, what });
                    }
                }
            }
            Err(ReadError::Damaged { run, seq, what }) => {
                listeners.note_unreadable(run);
                found.damage.push(Damage::Journal { run, seq, what });
            }
            Err(error @ (ReadError::DamagedValue { .. } | ReadError::Failed { .. })) => {
                return Err(error);
            }
        }
    }
    Ok(())
}

fn verify_heads<T: Table>(table: &T, found: &mut Verification) -> Result<(), ReadError> {
    for_each_row(table, keys::HEAD, |key, row| {
        let Some(run) = keys::parse_head(&key) else {
            return Ok(());
        };
        match reader::head_row(table, &key, row) {
            Ok(_) => Ok(()),
            Err(error) => found.note_value(format!("head of run {run}"), error),
        }
    })
}

fn verify_events<T: Table>(table: &T, found: &mut Verification) -> Result<(), ReadError> {
    for_each_row(table, keys::EVENT, |key, row| {
        found.events += 1;
        match reader::fields::<T, EventRow>(table, ValueKind::Event, "event", &key, row) {
            Ok(_) => Ok(()),
            Err(error) => {
                let id = String::from_utf8_lossy(&key[1..]).into_owned();
                found.note_value(format!("event {id}"), error)
            }
        }
    })
}

fn verify_small<T: Table>(table: &T, found: &mut Verification) -> Result<(), ReadError> {
    for_each_row(table, keys::AGENDA, |key, row| {
        let opened = envelope::open_as(ValueKind::Agenda, "a place on the agenda", &key, &row);
        match opened {
            Ok(_) => Ok(()),
            Err(error) => {
                let run = keys::parse_agenda(&key);
                let value = run.map_or_else(
                    || "a place on the agenda".to_owned(),
                    |(at, run)| format!("place of run {run} on the agenda at {at}"),
                );
                found.note_value(value, error.into())
            }
        }
    })?;
    for_each_row(table, keys::INBOX, |key, row| {
        match reader::fields::<T, InboxRow>(table, ValueKind::Inbox, "request", &key, row) {
            Ok(_) => Ok(()),
            Err(error) => {
                let run = keys::parse_inbox(&key);
                let value = run.map_or_else(
                    || "a request".to_owned(),
                    |(run, _)| format!("a request to run {run}"),
                );
                found.note_value(value, error)
            }
        }
    })
}

fn for_each_row<T: Table>(
    table: &T,
    first: u8,
    mut each: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut pages = Pages::under(table, &[first]);
    loop {
        let page = pages.next().map_err(failed)?;
        if page.is_empty() {
            return Ok(());
        }
        for (key, row) in page {
            each(key, row)?;
        }
    }
}

/// A run that waits for an instant must have a head, and its place on the agenda: without either
/// it would never be seen, or never be woken, and no other row would show it.
fn verify_place<T: Table>(
    table: &T,
    state: &RunState,
    found: &mut Verification,
) -> Result<(), ReadError> {
    let run = state.run;
    if table.get(&keys::head(run)).map_err(failed)?.is_none() {
        let what = "it is missing".to_owned();
        found.note_value(format!("head of run {run}"), ValueError::Damaged(what))?;
    }
    let Some(at) = due_at(state) else {
        return Ok(());
    };
    let mut place = table.get(&keys::agenda(at, run)).map_err(failed)?;
    if place.is_none() {
        // Format 1 put a run there whose instant had come when it was recorded.
        let at_once = keys::agenda(Timestamp::ZERO, run);
        place = table.get(&at_once).map_err(failed)?;
    }
    if place.is_none() {
        let value = format!("place of run {run} on the agenda at {at}");
        found.note_value(value, ValueError::Damaged("it is missing".to_owned()))?;
    }
    Ok(())
}

/// The state after a journal, or the first entry that cannot follow those before it, and why.
fn refold(run: RunId, entries: &[Entry]) -> Result<RunState, (Seq, Illegal)> {
    let first = entries.len().min(1);
    let mut state = fold(run, &entries[..first]).map_err(|illegal| (Seq::FIRST, illegal))?;
    for entry in &entries[first..] {
        state = apply(state, entry).map_err(|illegal| (entry.seq, illegal))?;
    }
    Ok(state)
}
