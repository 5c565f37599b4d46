//! Verification of what brings events and runs together: index, waits, deliveries, schedules.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::envelope::{self, ValueKind};
use stepwell_core::run::RunState;
use stepwell_core::{EventId, EventKey, RunId};
use stepwell_store::{ReadError, keys};

use super::{Verification, for_each_row};
use crate::reader::{self, failed};
use crate::table::Table;
use crate::value::ValueError;

/// What the walk over the journals learned of who waits for what.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Every run with a journal or a head.
    runs: BTreeMap<RunId, Standing>,
    /// The waits their journals speak of and no row was seen for yet.
    waits: BTreeSet<(EventKey, RunId)>,
}

/// How far a run's journal says what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is damaged: nobody can tell.
    Unreadable,
    /// The run has ended.
    Ended,
    /// The run goes on.
    Open,
}

impl Listeners {
    /// A run whose journal could be folded.
    pub(super) fn note(&mut self, state: &RunState) {
        let standing = match &state.outcome {
            Some(_) => Standing::Ended,
            None => Standing::Open,
        };
        self.runs.insert(state.run, standing);
        let keys = state.listening.keys();
        self.waits.extend(keys.map(|key| (*key, state.run)));
    }

    /// A run whose journal is damaged.
    pub(super) fn note_unreadable(&mut self, run: RunId) {
        self.runs.insert(run, Standing::Unreadable);
    }

    /// Takes a stored wait off those not seen yet; what is wrong with one that should not be.
    fn meet(&mut self, of: EventKey, run: RunId) -> Option<&'static str> {
        if self.waits.remove(&(of, run)) {
            return None;
        }
        match self.runs.get(&run) {
            Some(Standing::Unreadable) => None,
            Some(Standing::Ended) => Some("the run has ended"),
            Some(Standing::Open) => Some("the run does not wait for that"),
            None => Some("there is no such run"),
        }
    }
}

/// Every wait is one the run's journal speaks of, and each of those is there: without it an event
/// would never find the run, and no other row would show it.
pub(super) fn verify_waits<T: Table>(
    table: &T,
    mut listeners: Listeners,
    found: &mut Verification,
) -> Result<(), ReadError> {
    for_each_row(table, keys::WAIT, |key, row| {
        let wrong = match envelope::open_as(ValueKind::Wait, "a wait", &key, &row) {
            Ok(_) => match keys::parse_wait(&key) {
                Some((of, run)) => listeners.meet(of, run).map(str::to_owned),
                None => Some("its key has another length".to_owned()),
            },
            Err(error) => {
                // Damaged, and there: it is not to be called missing as well.
                if let Some(wait) = keys::parse_wait(&key) {
                    listeners.waits.remove(&wait);
                }
                Some(error.to_string())
            }
        };
        match wrong {
            Some(what) => found.note_value(reader::named_wait(&key), ValueError::Damaged(what)),
            None => Ok(()),
        }
    })?;
    for (of, run) in listeners.waits {
        let named = reader::named_wait(&keys::wait(of, run));
        found.note_value(named, ValueError::Damaged("it is missing".to_owned()))?;
    }
    Ok(())
}

/// Every row of the index by name and key, and every delivery, speaks of an event that is there.
pub(super) fn verify_event_keys<T: Table>(
    table: &T,
    found: &mut Verification,
) -> Result<(), ReadError> {
    for_each_row(table, keys::EVENT_KEY, |key, row| {
        let event = reader::event_key_row(table, &key, row).map(|row| row.event);
        note_without_event(table, event, || reader::named_event_key(&key), found)
    })?;
    for_each_row(table, keys::DELIVERY, |key, row| {
        let event = reader::delivery_row(table, &key, row).map(|row| row.event);
        note_without_event(table, event, || reader::named_delivery(&key), found)
    })
}

/// Every schedule can be read.
pub(super) fn verify_schedules<T: Table>(
    table: &T,
    found: &mut Verification,
) -> Result<(), ReadError> {
    for_each_row(
        table,
        keys::SCHEDULE,
        |key, row| match reader::schedule_row(table, &key, row) {
            Ok(_) => Ok(()),
            Err(error) => found.note_value(reader::named_schedule(&key), error),
        },
    )
}

fn note_without_event<T: Table>(
    table: &T,
    event: Result<EventId, ValueError>,
    named: impl FnOnce() -> String,
    found: &mut Verification,
) -> Result<(), ReadError> {
    let error = match event {
        Ok(id) => {
            if table.get(&keys::event(&id)).map_err(failed)?.is_some() {
                return Ok(());
            }
            ValueError::Damaged(format!("its event {id} is missing"))
        }
        Err(error) => error,
    };
    found.note_value(named(), error)
}
