//! The embedded store: a thread for each part of [`Core`], and the directory they live in.
//!
//! | thread | waits for | does |
//! |---|---|---|
//! | `committer` | commits | checks, one write and one sync for all that wait, tells the tickets |
//! | `applier` | durable records | settles them into sled |
//! | `checkpointer` | settled bytes or time | makes sled durable, orders a checkpoint |
//!
//! None holds a lock across the disk. A failure of any stops all writing; the process is then
//! expected to end, and the next opening decides from what is durable.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use stepwell_commit_log::{Log, RealDisk, Scan, SegmentReport};
use stepwell_core::{Entry, EventId, EventKey, EventOrder, Fence, RunId, Timestamp, WorkflowName};
use stepwell_store::{
    Commit, CommitError, DeliveryRow, EventKeyRow, EventRow, InboxId, InboxRow, Pressure,
    ReadError, RunFilter, RunHead, ScheduleRow, Seen, Store, Ticket,
};

use crate::checkpoint;
use crate::committer::{Committer, in_full};
use crate::core::{self, Core};
use crate::directory::{Directory, random_salt};
use crate::error::OpenError;
use crate::front::Front;
use crate::options::Options;
use crate::seal::Seal;
use crate::shared::Shared;
use crate::sled_table::SledTable;
use crate::verify::{self, Verification};

/// A store in a directory of its own.
pub struct SledStore {
    front: Front<SledTable>,
    directory: PathBuf,
    opened: Opened,
    threads: Mutex<Option<Threads>>,
}

/// What the opening found, kept for [`SledStore::info`].
#[derive(Debug, Clone)]
struct Opened {
    store: String,
    sealed: bool,
    tail_records: u64,
}

struct Threads {
    committer: JoinHandle<Committer<RealDisk>>,
    applier: JoinHandle<()>,
    checkpointer: JoinHandle<()>,
    /// Held to the end, so that nobody else opens the store meanwhile.
    directory: Directory,
}

/// Held by each thread: a panic in one must not leave callers waiting for ever.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = std::thread::current()
                .name()
                .unwrap_or("a thread")
                .to_owned();
            self.0.fail(format!("{name} panicked"));
            self.0.refuse_queued();
        }
    }
}

/// What a store is, for people and monitoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// The data directory.
    pub directory: PathBuf,
    /// The store's id, given once at its making.
    pub store: String,
    /// Format versions written: log record, settled row, seal.
    pub formats: [u8; 3],
    /// The generation settled into.
    pub generation: u32,
    /// The number of this opening, which is the fencing token.
    pub opening: u64,
    /// Whether the last close was clean.
    pub sealed: bool,
    /// Records of the log this opening found behind the last checkpoint.
    pub tail_records: u64,
    /// The highest record settled.
    pub settled: u64,
    /// The record of the last checkpoint.
    pub checkpointed: u64,
    /// Runs the store holds by its own count.
    pub runs: u64,
    /// Bytes of the log's files.
    pub log_bytes: u64,
    /// Bytes of sled's files.
    pub table_bytes: u64,
}

/// What a look at a store's files found without opening it; see [`scrub`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubReport {
    /// The store's id.
    pub store: String,
    /// The number of the last opening.
    pub opening: u64,
    /// Whether the last close was clean, in which case every byte of sled's files was compared.
    pub sealed: bool,
    /// The last record of the log.
    pub last: u64,
    /// The log's segments.
    pub segments: Vec<SegmentReport>,
}

impl SledStore {
    /// Opens the store in `directory`; one is made if the directory is absent or empty.
    ///
    /// Nothing read back is acted upon before it is durable again. Blocks on the disk.
    ///
    /// # Errors
    /// See [`OpenError`]; none loses anything that was durable.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_locked(Directory::lock(directory.as_ref())?, options, true)
    }

    /// As [`SledStore::open`], but makes no store: for looking at one while no engine runs.
    ///
    /// # Errors
    /// [`OpenError::Missing`] when there is no store, otherwise as [`SledStore::open`].
    pub fn open_existing(directory: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let directory = Directory::lock_existing(directory.as_ref())?;
        Self::open_locked(directory, options, false)
    }

    fn open_locked(directory: Directory, options: Options, make: bool) -> Result<Self, OpenError> {
        directory.prepare(&options.log, make)?;
        let (disk, scan) = examine(&directory, &options)?;
        directory.guard()?;
        let opened = Opened {
            store: scan.store.to_string(),
            sealed: scan.seal.is_some(),
            tail_records: scan.tail.len() as u64,
        };
        let (disk, scan) = if opened.sealed {
            break_seal(&directory, disk, &scan, &options)?
        } else {
            (disk, scan)
        };
        let table = SledTable::open(&directory.generation())?;
        if !opened.sealed
            && let Err(error) = recount(&table, options.recount_bytes_max)
        {
            // Nothing was written: sled closes as it was opened.
            drop(table.close());
            return Err(error);
        }
        let core = Core::open(disk, &scan, table, options, random_salt())?;
        // The tail is settled; its copy in memory is not needed any more.
        drop(scan);
        Self::start(core, directory, opened)
    }

    fn start(
        core: Core<RealDisk, SledTable>,
        directory: Directory,
        opened: Opened,
    ) -> Result<Self, OpenError> {
        let Core {
            front,
            mut committer,
            applier,
            checkpointer,
        } = core;
        let path = directory.path().to_owned();
        let spawned = |error| OpenError::io(&path, error);
        let watch = Watch(Arc::clone(&front.shared));
        let committer = thread("committer")
            .spawn(move || {
                committer.work();
                watch.0.end_flow();
                committer
            })
            .map_err(spawned)?;
        let watch = Watch(Arc::clone(&front.shared));
        let applier = thread("applier")
            .spawn(move || {
                applier.work();
                drop(watch);
            })
            .map_err(spawned)?;
        let watch = Watch(Arc::clone(&front.shared));
        let checkpointer = thread("checkpointer")
            .spawn(move || {
                checkpointer.work();
                drop(watch);
            })
            .map_err(spawned)?;
        Ok(Self {
            front,
            directory: path,
            opened,
            threads: Mutex::new(Some(Threads {
                committer,
                applier,
                checkpointer,
                directory,
            })),
        })
    }

    /// The data directory. Files beside the store's own may be kept in it once the store exists.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.directory
    }

    /// Whether more is durable and not settled than the options allow: intake should refuse and
    /// new bodies should wait until it is not.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        let limit = self.front.shared.options().unsettled_bytes_max;
        self.front.pressure().unsettled_bytes > limit
    }

    /// What the store is.
    ///
    /// # Errors
    /// When its files cannot be measured.
    pub fn info(&self) -> Result<StoreFacts, ReadError> {
        let settled = self.front.shared.settled();
        let table_bytes = self
            .front
            .settled(|table| table.bytes_on_disk().map_err(crate::reader::failed))?;
        let log = self.directory.join(core::LOG);
        let log_bytes = bytes_in(&log).map_err(|error| ReadError::Failed {
            why: format!("measure {}: {error}", log.display()),
        })?;
        Ok(StoreFacts {
            directory: self.directory.clone(),
            store: self.opened.store.clone(),
            formats: [
                crate::record::FORMAT,
                crate::settled::FORMAT,
                crate::seal::FORMAT,
            ],
            generation: settled.generation,
            opening: self.front.fence().0,
            sealed: self.opened.sealed,
            tail_records: self.opened.tail_records,
            settled: settled.record,
            checkpointed: self.front.shared.checkpointed(),
            runs: settled.runs,
            log_bytes,
            table_bytes,
        })
    }

    /// Counts runs, journal blocks and events and compares with the store's own count: reads keys
    /// alone, and finds what vanished.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn check(&self) -> Result<Verification, ReadError> {
        self.front.settled(verify::recount)
    }

    /// Reads every row, folds every journal, counts every run. Commits go on meanwhile and may
    /// add runs the walk does not see: meant for a store nobody drives.
    ///
    /// # Errors
    /// When the disk cannot be read; damage is in the answer.
    pub fn verify(&self) -> Result<Verification, ReadError> {
        self.front.settled(verify::verify)
    }

    /// Ends the threads, each after the one that feeds it, and returns what they held.
    fn stop(&self) -> Option<(Committer<RealDisk>, Directory)> {
        self.front.shared.close();
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        let committer = threads.committer.join();
        // A committer that panicked did not say that nothing more will come.
        self.front.shared.end_flow();
        let others = [threads.applier.join(), threads.checkpointer.join()];
        match committer {
            Ok(committer) if others.iter().all(Result::is_ok) => {
                Some((committer, threads.directory))
            }
            Ok(_) | Err(_) => {
                self.front
                    .shared
                    .fail("a thread of the store panicked".to_owned());
                None
            }
        }
    }

    fn finish(
        &self,
        mut committer: Committer<RealDisk>,
        directory: &Directory,
    ) -> Result<(), OpenError> {
        let shared = &self.front.shared;
        let gate = Arc::clone(&self.front.gate);
        let last = checkpoint::Checkpointer::new(gate, Arc::clone(shared));
        last.step();
        committer.step();
        let table = self
            .front
            .gate
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let generation = directory.generation();
        core::end(&self.front, committer, table, |table| {
            let closed = table.close();
            let closed = closed.map_err(|error| OpenError::of_table(core::GENERATION, error))?;
            if !closed {
                tracing::warn!("sled still holds its files: closing without a seal");
                return Ok(None);
            }
            let seal = Seal::of(&generation, shared.settled().generation)?;
            Ok(Some(seal.encode()))
        })
    }
}

impl Store for SledStore {
    fn fence(&self) -> Fence {
        self.front.fence()
    }

    fn commit(&self, commit: Commit) -> Ticket {
        self.front.commit(&commit)
    }

    fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError> {
        self.front.look_event(id)
    }

    fn event(&self, id: &EventId) -> Result<Option<EventRow>, ReadError> {
        self.front.event(id)
    }

    fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError> {
        self.front.journal(run)
    }

    fn head(&self, run: RunId) -> Result<Option<RunHead>, ReadError> {
        self.front.head(run)
    }

    fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError> {
        self.front.runs(filter, limit)
    }

    fn agenda(
        &self,
        after: Option<(Timestamp, RunId)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RunId)>, ReadError> {
        self.front.agenda(after, until, limit)
    }

    fn inbox(&self, run: RunId) -> Result<Vec<(InboxId, InboxRow)>, ReadError> {
        self.front.inbox(run)
    }

    fn inbox_runs(&self) -> Result<Vec<RunId>, ReadError> {
        self.front.inbox_runs()
    }

    fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
        self.front.events_by_key(key, after, limit)
    }

    fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError> {
        self.front.waiting_for(key, after, limit)
    }

    fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError> {
        self.front.waits(after, limit)
    }

    fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
        self.front.deliveries(after, limit)
    }

    fn schedule(&self, workflow: &WorkflowName) -> Result<Option<ScheduleRow>, ReadError> {
        self.front.schedule(workflow)
    }

    fn pressure(&self) -> Pressure {
        self.front.pressure()
    }

    fn failure(&self) -> Option<String> {
        self.front.failure()
    }

    fn close(&self) -> Result<(), CommitError> {
        let finished = match self.stop() {
            Some((committer, directory)) => self.finish(committer, &directory),
            None => Ok(()),
        };
        match (finished, self.failure()) {
            (Ok(()), None) => Ok(()),
            (_, Some(why)) => {
                let failed = CommitError::Failed { why };
                Err(self.front.shared.refusal().unwrap_or(failed))
            }
            (Err(error), None) => Err(CommitError::Failed {
                why: in_full(&error),
            }),
        }
    }
}

impl Drop for SledStore {
    /// Stops as a kill would, for the store's files: no seal. What was ordered is still written.
    fn drop(&mut self) {
        let stopped = self.stop();
        let table = self
            .front
            .gate
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // After a failure sled is leaked with the process: its `Drop` panics on an I/O error.
        if let (Some(table), None, Some(_)) = (table, self.failure(), &stopped)
            && let Err(error) = table.close()
        {
            tracing::warn!(why = %error, "sled did not close");
        }
    }
}

/// Verifies the files of the store in `directory` without opening it: the whole log, and after a
/// clean close every byte of sled's files. Reads only, but takes the lock.
///
/// # Errors
/// The first damage found, as [`SledStore::open`] would report it; or the store is in use.
pub fn scrub(directory: impl AsRef<Path>, options: &Options) -> Result<ScrubReport, OpenError> {
    let directory = Directory::lock_existing(directory.as_ref())?;
    directory.prepare(&options.log, false)?;
    let (_, scan) = examine(&directory, options)?;
    Ok(ScrubReport {
        store: scan.store.to_string(),
        opening: scan.opening,
        sealed: scan.seal.is_some(),
        last: scan.last.0,
        segments: scan.segments,
    })
}

/// Everything that can be said about the files before anybody writes to them.
fn examine(directory: &Directory, options: &Options) -> Result<(RealDisk, Scan), OpenError> {
    let log = directory.log();
    let mut disk = RealDisk::new(&log).map_err(|error| OpenError::io(&log, error))?;
    let scan = core::scan(&mut disk, options)?;
    if let Some(state) = &scan.seal {
        Seal::decode(state)?.check(&directory.generation())?;
    }
    Ok((disk, scan))
}

/// Takes the log over once before sled is opened, so that it ends without a seal: sled writes to
/// its files as it opens, and a seal that still stood would call them damaged.
fn break_seal(
    directory: &Directory,
    disk: RealDisk,
    scan: &Scan,
    options: &Options,
) -> Result<(RealDisk, Scan), OpenError> {
    let log = Log::take_over(disk, options.log, scan, random_salt());
    drop(log.map_err(OpenError::of_log)?);
    // Crash here: the store is one that was not closed, and nothing is missing from it.
    let log = directory.log();
    let mut disk = RealDisk::new(&log).map_err(|error| OpenError::io(&log, error))?;
    let scan = core::scan(&mut disk, options)?;
    Ok((disk, scan))
}

/// After an end that was not clean, flipped bits and lost pages can take rows away without a trace
/// that sled would find; the count finds them.
fn recount(table: &SledTable, bytes_max: u64) -> Result<(), OpenError> {
    let file = format!("{}/db", core::GENERATION);
    let failed = |why: String| OpenError::corrupt(file.clone(), None, why);
    let bytes = table.bytes_on_disk();
    if bytes.map_err(|error| OpenError::of_table(core::GENERATION, error))? > bytes_max {
        return Ok(());
    }
    let found = verify::recount(table).map_err(|error| failed(error.to_string()))?;
    match found.damage.first() {
        Some(damage) => Err(failed(damage.to_string())),
        None => Ok(()),
    }
}

fn thread(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(format!("store-{name}"))
}

fn bytes_in(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
