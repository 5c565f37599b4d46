//! What callers see of a store: ordering commits and reading, over any table.

use std::sync::{Arc, PoisonError};

use stepwell_core::envelope;
use stepwell_core::{
    Entry, EventId, EventKey, EventOrder, Fence, RunId, Seq, Timestamp, WorkflowName,
};
use stepwell_store::{
    Append, Commit, CommitError, DeliveryRow, EventKeyRow, EventRow, InboxId, InboxRow, Pressure,
    ReadError, RunFilter, RunHead, ScheduleRow, Seen, Ticket,
};

use crate::overlay::{Conditions, Look, Position};
use crate::reader;
use crate::record;
use crate::settle::Gate;
use crate::shared::Shared;
use crate::table::{Table, TableError};
use crate::value::ValueError;

/// Shared by every caller of one store; the methods are those of
/// [`Store`](stepwell_store::Store).
pub(crate) struct Front<T> {
    pub(crate) gate: Arc<Gate<T>>,
    pub(crate) shared: Arc<Shared>,
}

impl<T> Clone for Front<T> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Table> Front<T> {
    pub(crate) fn fence(&self) -> Fence {
        self.shared.fence()
    }

    /// Encodes the commit on the caller's thread, beside the sync of those before it.
    pub(crate) fn commit(&self, commit: &Commit) -> Ticket {
        match self.prepare(commit) {
            Ok((bytes, conditions)) => self.shared.enqueue(bytes, conditions),
            Err(error) => Ticket::resolved(Err(error)),
        }
    }

    fn prepare(&self, commit: &Commit) -> Result<(Vec<u8>, Conditions), CommitError> {
        let limit = self.shared.options().commit_bytes_max();
        // A value no envelope takes is larger than any commit may be.
        let oversized = || CommitError::TooLarge {
            bytes: envelope::BODY_BYTES_MAX + 1,
            limit,
        };
        let rows = commit.row_ops().map_err(|_| oversized())?;
        let bytes = record::encode_commit(&rows).map_err(|_| oversized())?;
        if bytes.len() as u64 > limit {
            return Err(CommitError::TooLarge {
                bytes: bytes.len() as u64,
                limit,
            });
        }
        let appends = commit.appends.iter().map(|append| {
            Ok(Position {
                run: append.run,
                expected: append.expected,
                next: append.expected.plus(append.entries.len() as u64),
                look: self.look_run(append, commit.seen)?,
            })
        });
        let conditions = Conditions {
            fence: commit.fence,
            seen: commit.seen,
            events: commit.new_events().cloned().collect(),
            appends: appends.collect::<Result<_, CommitError>>()?,
        };
        Ok((bytes, conditions))
    }

    /// Where the table has the run, and how far it was settled before that look; `None` for a run
    /// the overlay knows, which is every run being driven.
    fn look_run(&self, append: &Append, seen: Seen) -> Result<Option<Look>, CommitError> {
        if self.shared.overlay().knows(append.run) {
            return Ok(None);
        }
        if seen == Seen::OWNER && append.expected == Seq::FIRST {
            // A run under an id drawn just now: nobody can have written it.
            let next = Seq::FIRST;
            return Ok(Some(Look { next, seen }));
        }
        let seen = Seen(self.shared.settled().record);
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let table = gate.as_ref().ok_or(CommitError::Closed)?;
        let next = reader::position(table, append.run).map_err(|error| {
            let why = match error {
                // The disk may be found full by a read before whatever fills it says so.
                ValueError::Table(TableError::Full { .. }) => return CommitError::Full,
                ValueError::Table(error) => reader::failed(error).to_string(),
                // Trouble of one run: its owner folds again, finds the damage and sets it aside.
                ValueError::Damaged(_) => {
                    let (run, expected) = (append.run, append.expected);
                    return CommitError::OutOfSequence { run, expected };
                }
            };
            // A store that stopped fails its reads for the same reason.
            self.shared.refusal().unwrap_or(CommitError::Failed { why })
        })?;
        Ok(Some(Look { next, seen }))
    }

    pub(crate) fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError> {
        // Read first: what is settled after it may or may not be in the look.
        let seen = Seen(self.shared.settled().record);
        let row = self.with_table(|table| reader::event(table, id))?;
        Ok((row, seen))
    }

    pub(crate) fn event(&self, id: &EventId) -> Result<Option<EventRow>, ReadError> {
        self.settled(|table| reader::event(table, id))
    }

    pub(crate) fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError> {
        self.settled(|table| reader::journal(table, run))
    }

    pub(crate) fn head(&self, run: RunId) -> Result<Option<RunHead>, ReadError> {
        self.settled(|table| reader::head(table, run))
    }

    pub(crate) fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError> {
        self.settled(|table| reader::runs(table, filter, limit))
    }

    pub(crate) fn agenda(
        &self,
        after: Option<(Timestamp, RunId)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RunId)>, ReadError> {
        self.settled(|table| reader::agenda(table, after, until, limit))
    }

    pub(crate) fn inbox(&self, run: RunId) -> Result<Vec<(InboxId, InboxRow)>, ReadError> {
        self.settled(|table| reader::inbox(table, run))
    }

    pub(crate) fn inbox_runs(&self) -> Result<Vec<RunId>, ReadError> {
        self.settled(|table| reader::inbox_runs(table))
    }

    pub(crate) fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
        self.settled(|table| reader::events_by_key(table, key, after, limit))
    }

    pub(crate) fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError> {
        self.settled(|table| reader::waiting_for(table, key, after, limit))
    }

    pub(crate) fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError> {
        self.settled(|table| reader::waits(table, after, limit))
    }

    pub(crate) fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
        self.settled(|table| reader::deliveries(table, after, limit))
    }

    pub(crate) fn schedule(
        &self,
        workflow: &WorkflowName,
    ) -> Result<Option<ScheduleRow>, ReadError> {
        self.settled(|table| reader::schedule(table, workflow))
    }

    pub(crate) fn pressure(&self) -> Pressure {
        self.shared.pressure()
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.failure().map(str::to_owned)
    }

    /// Reads once everything that is durable at the time of the call is settled.
    pub(crate) fn settled<R>(
        &self,
        read: impl FnOnce(&T) -> Result<R, ReadError>,
    ) -> Result<R, ReadError> {
        self.shared.wait_settled()?;
        self.with_table(read)
    }

    fn with_table<R>(&self, read: impl FnOnce(&T) -> Result<R, ReadError>) -> Result<R, ReadError> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let table = gate.as_ref().ok_or_else(|| ReadError::Failed {
            why: "store is closed".to_owned(),
        })?;
        read(table)
    }
}
