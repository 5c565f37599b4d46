//! A store without threads: the log, the table, and the steps that move commits through them.
//!
//! [`SledStore`](crate::SledStore) runs each part on a thread of its own; the simulator calls the
//! steps in any order it likes, over a disk and a table that lose what was never synced.

use std::sync::{Arc, PoisonError, RwLock};

use stepwell_commit_log::{Disk, Log, RecordNumber, Scan};
use stepwell_core::{Entry, EventId, EventKey, EventOrder, Fence, RunId, WorkflowName};
use stepwell_store::{
    Commit, DeliveryRow, EventKeyRow, EventRow, ReadError, RunFilter, RunHead, ScheduleRow, Seen,
    Ticket,
};

use crate::applier::Applier;
use crate::checkpoint::{self, Checkpointer, State, StateError};
use crate::committer::Committer;
use crate::error::OpenError;
use crate::front::Front;
use crate::options::Options;
use crate::record::{self, RecordError};
use crate::settle::{DurableRecord, SettleError, Settler};
use crate::settled::Settled;
use crate::shared::Shared;
use crate::table::{Batch, Table};
use crate::verify::{Verification, verify};

/// The log's directory, under the data directory.
pub(crate) const LOG: &str = "log";

/// The directory of the one generation, under the data directory.
pub(crate) const GENERATION: &str = "gen-1";

/// A store whose steps somebody else takes.
pub struct Core<D: Disk, T> {
    pub(crate) front: Front<T>,
    pub(crate) committer: Committer<D>,
    pub(crate) applier: Applier<T>,
    pub(crate) checkpointer: Checkpointer<T>,
}

/// Writes the `settled` row of a new store into an empty table and makes it durable.
///
/// # Errors
/// When the table fails.
pub fn found<T: Table>(table: &T) -> Result<(), OpenError> {
    let row = Settled::new(checkpoint::GENERATION).seal();
    let row = row.map_err(|error| OpenError::corrupt(GENERATION, None, error.to_string()))?;
    let mut batch = Batch::default();
    batch.put(Settled::key(), row);
    table
        .apply(batch)
        .and_then(|()| table.barrier())
        .map_err(|error| OpenError::of_table(GENERATION, error))
}

/// Reads and checks the log; writes nothing.
///
/// # Errors
/// What the log says, its files named as they stand under the data directory.
pub fn scan<D: Disk>(disk: &mut D, options: &Options) -> Result<Scan, OpenError> {
    Log::scan(disk, &options.log).map_err(OpenError::of_log)
}

impl<D: Disk, T: Table> Core<D, T> {
    /// Opens a store whose log was scanned and whose table is `table`.
    ///
    /// Nothing read back is believed until it is durable again: the log is taken over, which
    /// rewrites and syncs its tail, before anything of it is settled or answered.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] when log and table disagree, and what the log or the table say.
    pub fn open(
        disk: D,
        scan: &Scan,
        table: T,
        options: Options,
        salt: u64,
    ) -> Result<Self, OpenError> {
        let settled =
            Settled::read(&table).map_err(|error| OpenError::of_settled(GENERATION, error))?;
        check_agreement(scan, &settled)?;
        let tail = decode_tail(scan, &settled)?;
        let log = Log::take_over(disk, options.log, scan, salt).map_err(OpenError::of_log)?;
        // Crash here: the new opening scans to the same tail, and nobody has seen it.
        let gate = Arc::new(RwLock::new(Some(table)));
        let settled = Settler::new(&gate, settled)
            .settle(&tail)
            .map_err(settle_failed)?;
        let fence = Fence(log.opening());
        let checkpointed = log.settled().0;
        let shared = Arc::new(Shared::new(fence, options, settled, checkpointed));
        shared.note_tail(
            scan.tail
                .iter()
                .map(|(_, record)| record.len() as u64)
                .sum(),
        );
        Ok(Self {
            front: Front {
                gate: Arc::clone(&gate),
                shared: Arc::clone(&shared),
            },
            committer: Committer::new(log, Arc::clone(&shared)),
            applier: Applier::new(Arc::clone(&gate), Arc::clone(&shared)),
            checkpointer: Checkpointer::new(gate, shared),
        })
    }

    /// Orders a commit; it is written by a later [`Core::step_commit`].
    pub fn commit(&self, commit: &Commit) -> Ticket {
        self.front.commit(commit)
    }

    /// Writes what is queued as one record; whether there was anything.
    pub fn step_commit(&mut self) -> bool {
        self.committer.step()
    }

    /// Settles the oldest durable record; whether there was one.
    pub fn step_apply(&mut self) -> bool {
        self.applier.step(1)
    }

    /// Makes the table durable and orders a checkpoint, which the next [`Core::step_commit`]
    /// writes; whether there was anything to do.
    pub fn step_checkpoint(&mut self) -> bool {
        self.checkpointer.step()
    }

    /// Writes and settles everything ordered.
    pub fn drain(&mut self) {
        while self.step_commit() || self.step_apply() {}
    }

    /// Drains, makes a checkpoint, and seals the log with `seal`, which sees the closed table's
    /// owner give it back first.
    ///
    /// # Errors
    /// The failure that stopped the store, or that stops it now.
    pub fn close(
        mut self,
        seal: impl FnOnce(T) -> Result<Option<Vec<u8>>, OpenError>,
    ) -> Result<(), OpenError> {
        self.front.shared.close();
        self.drain();
        self.step_checkpoint();
        self.drain();
        let table = self.take_table();
        let Self {
            front, committer, ..
        } = self;
        end(&front, committer, table, seal)
    }

    fn take_table(&self) -> Option<T> {
        let mut gate = self
            .front
            .gate
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        gate.take()
    }
}

/// Reads, as the contract has them; drain first, for nobody else will.
impl<D: Disk, T: Table> Core<D, T> {
    /// The fencing token of this opening.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.front.fence()
    }

    /// The failure that stopped the store, once there is one.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.front.failure()
    }

    /// A look at an event by its id.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::look_event`].
    pub fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError> {
        self.front.look_event(id)
    }

    /// The whole journal of a run.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::journal`].
    pub fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError> {
        self.front.journal(run)
    }

    /// Heads of runs, newest first.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::runs`].
    pub fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError> {
        self.front.runs(filter, limit)
    }

    /// Events of one name and key, in the order of the log.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::events_by_key`].
    pub fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
        self.front.events_by_key(key, after, limit)
    }

    /// Runs that wait for events of one name and key.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::waiting_for`].
    pub fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError> {
        self.front.waiting_for(key, after, limit)
    }

    /// All waits, by key and run.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::waits`].
    pub fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError> {
        self.front.waits(after, limit)
    }

    /// Events on their way, oldest first.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::deliveries`].
    pub fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
        self.front.deliveries(after, limit)
    }

    /// How far the schedule of a workflow was considered.
    ///
    /// # Errors
    /// See [`stepwell_store::Store::schedule`].
    pub fn schedule(&self, workflow: &WorkflowName) -> Result<Option<ScheduleRow>, ReadError> {
        self.front.schedule(workflow)
    }

    /// Walks every row; see [`crate::SledStore::verify`].
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn verify(&self) -> Result<Verification, ReadError> {
        self.front.settled(|table| verify(table))
    }
}

/// The last part of closing: the table is given back, the log sealed, unless the store failed.
pub(crate) fn end<D: Disk, T: Table>(
    front: &Front<T>,
    committer: Committer<D>,
    table: Option<T>,
    seal: impl FnOnce(T) -> Result<Option<Vec<u8>>, OpenError>,
) -> Result<(), OpenError> {
    if let Some(why) = front.shared.failure() {
        return Err(OpenError::Io {
            file: LOG.to_owned(),
            source: std::io::Error::other(why.to_owned()),
        });
    }
    let Some(table) = table else { return Ok(()) };
    let log = committer.into_log();
    let whole = front.shared.checkpointed() == log.last().0;
    // Crash here: everything is durable, the next opening finds no seal and settles nothing.
    match seal(table)? {
        Some(state) if whole => log.seal(&state).map_err(OpenError::of_append),
        Some(_) | None => Ok(()),
    }
}

/// The table must hold at least what the log may have forgotten, and nothing the log never had.
fn check_agreement(scan: &Scan, settled: &Settled) -> Result<(), OpenError> {
    let mut least = 0;
    if let Some(checkpoint) = &scan.checkpoint {
        least = checkpoint.settled.0;
        let state = State::decode(&checkpoint.state).map_err(|error| match error {
            StateError::NewerFormat(found) => OpenError::NewerFormat {
                file: LOG.to_owned(),
                found: u32::from(found),
                supported: u32::from(checkpoint::FORMAT),
            },
            StateError::Damaged => {
                OpenError::corrupt(LOG, None, "state of the checkpoint is not one of ours")
            }
        })?;
        if state.generation != settled.generation {
            return Err(OpenError::corrupt(
                GENERATION,
                None,
                format!(
                    "table is generation {}, the log speaks of generation {}",
                    settled.generation, state.generation
                ),
            ));
        }
    }
    if settled.record < least {
        return Err(OpenError::corrupt(
            GENERATION,
            None,
            format!(
                "table holds records up to {}, the log made a checkpoint at {least}: settled rows are lost",
                settled.record
            ),
        ));
    }
    let begun = settled.record + u64::from(settled.changes > 0);
    if begun > scan.last.0 {
        return Err(OpenError::corrupt(
            LOG,
            None,
            format!(
                "table holds records up to {begun}, the log ends at {}: durable records are lost",
                scan.last
            ),
        ));
    }
    Ok(())
}

/// The records of the log's tail that the table does not hold whole.
fn decode_tail(scan: &Scan, settled: &Settled) -> Result<Vec<DurableRecord>, OpenError> {
    let mut tail = Vec::new();
    for (RecordNumber(number), record) in &scan.tail {
        if *number <= settled.record {
            continue;
        }
        let commits = record::commits(record).map_err(|error| record_unusable(*number, &error))?;
        tail.push(DurableRecord {
            number: *number,
            commits,
            bytes: record.len() as u64,
        });
    }
    Ok(tail)
}

fn record_unusable(number: u64, error: &RecordError) -> OpenError {
    match error {
        RecordError::NewerFormat { found } => OpenError::NewerFormat {
            file: LOG.to_owned(),
            found: u32::from(*found),
            supported: u32::from(record::FORMAT),
        },
        RecordError::Length | RecordError::Change { .. } => {
            OpenError::corrupt(LOG, None, format!("record {number}: {error}"))
        }
    }
}

fn settle_failed(error: SettleError) -> OpenError {
    match error {
        SettleError::Table(error) => OpenError::of_table(GENERATION, error),
        SettleError::Record { number, source } => record_unusable(number, &source),
        error @ SettleError::TooLarge { .. } => OpenError::corrupt(LOG, None, error.to_string()),
    }
}
