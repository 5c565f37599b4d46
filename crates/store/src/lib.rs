//! The contract of durability: the [`Store`] trait, its errors, its promises in prose, the key layout.
//!
//! # What every store promises
//!
//! 1. **One door.** [`Store::commit`] takes everything one transition changes: entries of runs with
//!    the sequence each is expected at, heads, agenda rows, events, inbox rows. All of it happens
//!    or none of it.
//! 2. **Ordered, then durable.** When `commit` returns, the commit has its place behind every
//!    commit made before it. When its [`Ticket`] resolves with `Ok`, it survives the death of the
//!    process and of the power, and so does everything ordered before it that was not refused.
//! 3. **Preconditions are checked in order.** The fence must be the store's, every append must
//!    stand at the expected sequence, every event id must be new. A refused commit changes
//!    nothing; a later commit that rests on it is refused as well, because each carries at least
//!    one entry of the same run.
//! 4. **A refusal waits for what it rests on.** A ticket resolves with a refusal only once the
//!    state that caused it is durable.
//! 5. **Failure stops writing.** After a write or sync fails, that ticket and every one queued
//!    behind it resolves with a failure that says whether it became durable (no, or unknown), and
//!    the store refuses further commits until it is opened again.
//! 6. **Reads see what is durable.** A read made after a ticket resolved sees that commit. Reads
//!    may block on the disk: call them where blocking is allowed.
//! 7. **Damage is reported, never repaired by forgetting.** A value that is not what was written
//!    is an error that names it; nothing is rewritten.

mod commit;
mod errors;
pub mod keys;
mod rows;

pub use commit::{AgendaChange, Append, Change, Commit, RowOp, Ticket, TicketSender, WaitChange};
pub use errors::{CommitError, Durability, Fault, ReadError};
pub use rows::{DeliveryRow, EventKeyRow, EventRow, InboxId, InboxRow, RunHead, ScheduleRow};

use stepwell_core::run::RunStatus;
use stepwell_core::{Entry, EventId, EventKey, EventOrder, Fence, RunId, Timestamp, WorkflowName};

/// How far the store had settled when a look was taken; handed back with the commit that rests on
/// the look, so that the store can tell whether the look may have gone stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seen(pub u64);

impl Seen {
    /// The caller is the only writer of everything the commit expects, so nothing can have changed
    /// behind its look: a run's own shard, or rows under ids drawn just now.
    pub const OWNER: Self = Self(u64::MAX);
}

/// Which runs a list wants.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only runs whose stored status is this.
    pub status: Option<RunStatus>,
    /// Only runs of this workflow.
    pub workflow: Option<WorkflowName>,
    /// Only runs with ids below this one: the page after it.
    pub before: Option<RunId>,
}

/// How much a store holds back, for intake to refuse in time and for people to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressure {
    /// Bytes of commits ordered and not yet durable.
    pub queued_bytes: u64,
    /// Bytes durable in the log and not yet settled behind it.
    pub unsettled_bytes: u64,
    /// Syncs made since the store was opened; each covers every commit that waited.
    pub syncs: u64,
    /// Commits made durable since the store was opened.
    pub commits: u64,
    /// Bytes written to the log since the store was opened.
    pub log_bytes: u64,
}

/// The contract; see the crate's page for its promises.
pub trait Store: Send + Sync + 'static {
    /// The fencing token of this opening.
    fn fence(&self) -> Fence;

    /// Orders `commit` behind every commit before it, and returns without waiting for the disk.
    fn commit(&self, commit: Commit) -> Ticket;

    /// A look at an event by its id, and how far the store had settled at that look.
    ///
    /// Unlike other reads this one does not wait for what is durable but not settled: a commit
    /// that rests on the look is checked against that.
    ///
    /// # Errors
    /// When the value is damaged or the disk cannot be read.
    fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError>;

    /// An event by its id.
    ///
    /// # Errors
    /// When the value is damaged or the disk cannot be read.
    fn event(&self, id: &EventId) -> Result<Option<EventRow>, ReadError>;

    /// The whole journal of a run in order; empty when there is no such run.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] naming the first entry that cannot be trusted, a gap in the
    /// numbering included; or the disk cannot be read.
    fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError>;

    /// The head of a run.
    ///
    /// # Errors
    /// When the value is damaged or the disk cannot be read.
    fn head(&self, run: RunId) -> Result<Option<RunHead>, ReadError>;

    /// Up to `limit` heads, newest first. A damaged head is left out here and named by `verify`.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError>;

    /// Up to `limit` runs due at or before `until`, earliest first, beginning behind `after`.
    ///
    /// A run that has work at once stands at [`Timestamp::ZERO`].
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn agenda(
        &self,
        after: Option<(Timestamp, RunId)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RunId)>, ReadError>;

    /// The requests waiting for a run, oldest first.
    ///
    /// # Errors
    /// When a value is damaged or the disk cannot be read.
    fn inbox(&self, run: RunId) -> Result<Vec<(InboxId, InboxRow)>, ReadError>;

    /// Every run with a request waiting, each once.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn inbox_runs(&self) -> Result<Vec<RunId>, ReadError>;

    /// Up to `limit` events of one name and key in the order of the log, beginning behind `after`.
    ///
    /// # Errors
    /// When a value is damaged or the disk cannot be read.
    fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError>;

    /// Up to `limit` runs that wait for events of one name and key, by id, beginning behind
    /// `after`.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError>;

    /// Up to `limit` of all waits, by key and run, beginning behind `after`.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError>;

    /// Up to `limit` events on their way, oldest first, beginning behind `after`.
    ///
    /// # Errors
    /// When a value is damaged or the disk cannot be read.
    fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError>;

    /// How far the schedule of a workflow was considered, if it ever was.
    ///
    /// # Errors
    /// When the value is damaged or the disk cannot be read.
    fn schedule(&self, workflow: &WorkflowName) -> Result<Option<ScheduleRow>, ReadError>;

    /// What the store holds back at the moment.
    fn pressure(&self) -> Pressure;

    /// The failure that stopped the store, once there is one.
    fn failure(&self) -> Option<String>;

    /// Makes everything ordered durable, settles it and marks the store as cleanly closed.
    /// Later commits are refused. Blocks until done.
    ///
    /// # Errors
    /// When the disk fails; what tickets said stays true.
    fn close(&self) -> Result<(), CommitError>;
}
