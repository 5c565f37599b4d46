//! A store on virtual time whose disk is slow and fails, and whose process dies, as its fate says.
//!
//! Commits take their place at once and become durable a drawn while later, several together, as
//! behind a log that syncs. One fate spans all openings of one store: it counts commits
//! and reads from the first of them on.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepwell_core::{Entry, EventId, EventKey, EventOrder, Fence, RunId, Timestamp, WorkflowName};
use stepwell_store::{
    AgendaChange, Change, Commit, CommitError, DeliveryRow, EventKeyRow, EventRow, InboxId,
    InboxRow, Pressure, ReadError, RunFilter, RunHead, ScheduleRow, Seen, Store, Ticket,
    TicketSender,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::faulty::CommitFault;
use crate::memory::MemoryStore;
use crate::turns::Turns;

/// What strikes at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strike {
    /// See [`CommitFault`]; the process goes on.
    Disk(CommitFault),
    /// The process dies before the commit has its place.
    CrashBefore,
    /// The process dies once the commit is durable, before anybody hears of it.
    CrashAfter,
}

/// A promise that a store breaks, for tests of those who are to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vice {
    /// It acknowledges commits before they are durable.
    AnswersEarly,
    /// It keeps no agenda.
    ForgetsAgenda,
    /// It keeps no requests to runs.
    ForgetsRequests,
    /// It keeps events without the runs they started.
    ForgetsRunsOfEvents,
}

/// What the disk does and when, and what it did so far.
#[derive(Debug)]
pub struct Fate {
    state: Mutex<State>,
    /// Set when the process is dead: nothing more becomes durable.
    dead: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    commits: u64,
    reads: u64,
    commits_max: u64,
    strikes: BTreeMap<u64, Strike>,
    failing_reads: Vec<Range<u64>>,
    /// How long the next commits take to become durable, in milliseconds; used in turn.
    delays: VecDeque<u64>,
    /// How long a ticket keeps to itself what it knows, in milliseconds.
    told_after_ms: u64,
    vice: Option<Vice>,
    /// Tickets nobody will ever resolve: their process died.
    never: Vec<TicketSender>,
    struck: Vec<(u64, Strike)>,
    failed_reads: u64,
    /// When something last failed.
    failed_at: Option<Instant>,
    exhausted: bool,
}

impl Fate {
    /// A disk that does what it should and is quick.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let state = State {
            commits_max: u64::MAX,
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            dead: watch::Sender::new(false),
        })
    }

    /// The `nth` commit, from 1, meets `strike`.
    pub fn strike(&self, nth: u64, strike: Strike) {
        self.lock().strikes.insert(nth, strike);
    }

    /// Reads with these numbers, from 1, fail.
    pub fn fail_reads(&self, reads: Range<u64>) {
        self.lock().failing_reads.push(reads);
    }

    /// Commits take these many milliseconds in turn, over and over; none means none.
    pub fn delay(&self, delays_ms: impl IntoIterator<Item = u64>) {
        self.lock().delays = delays_ms.into_iter().collect();
    }

    /// Tickets say what became of their commits so many milliseconds later.
    pub fn tell_after(&self, ms: u64) {
        self.lock().told_after_ms = ms;
    }

    /// From here on the store has this vice.
    pub fn corrupt(&self, vice: Vice) {
        self.lock().vice = Some(vice);
    }

    /// Past so many commits the process is taken for dead.
    pub fn limit(&self, commits: u64) {
        self.lock().commits_max = commits;
    }

    /// From here on nothing fails.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.strikes.clear();
        state.failing_reads.clear();
    }

    /// Commits and reads so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.commits, state.reads)
    }

    /// What struck so far, and at which commit.
    #[must_use]
    pub fn struck(&self) -> Vec<(u64, Strike)> {
        self.lock().struck.clone()
    }

    /// How many reads failed so far.
    #[must_use]
    pub fn failed_reads(&self) -> u64 {
        self.lock().failed_reads
    }

    /// Whether something failed within the last `span` of this process.
    #[must_use]
    pub fn failed_within(&self, span: Duration) -> bool {
        let failed_at = self.lock().failed_at;
        failed_at.is_some_and(|at| at.elapsed() < span)
    }

    /// The process goes on without end: it is taken for dead, and nothing more is tried.
    pub fn exhaust(&self) {
        self.lock().exhausted = true;
        self.die();
    }

    /// Whether the limit of commits was reached, or another one.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.lock().exhausted
    }

    /// Whether the process is dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// The process dies here and now.
    pub fn die(&self) {
        self.dead.send_replace(true);
    }

    /// Another process begins.
    pub fn revive(&self) {
        {
            let mut state = self.lock();
            state.never.clear();
            state.failed_at = None;
        }
        self.dead.send_replace(false);
    }

    /// Resolves when the process is dead.
    pub async fn died(&self) {
        let mut dead = self.dead.subscribe();
        // The sender lives as long as this fate.
        drop(dead.wait_for(|dead| *dead).await);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<(), ReadError> {
        let failed = || {
            let why = "made to fail".to_owned();
            Err(ReadError::Failed { why })
        };
        if self.is_dead() {
            // Not counted: whether a dead process comes to its last reads is anybody's guess.
            return failed();
        }
        let mut state = self.lock();
        state.reads += 1;
        let at = state.reads;
        if !state.failing_reads.iter().any(|reads| reads.contains(&at)) {
            return Ok(());
        }
        state.failed_reads += 1;
        state.failed_at = Some(Instant::now());
        failed()
    }

    /// What the next commit meets, and how long it takes.
    fn next_commit(&self) -> (Option<Strike>, u64) {
        let mut state = self.lock();
        state.commits += 1;
        let at = state.commits;
        if at > state.commits_max {
            state.exhausted = true;
            return (Some(Strike::CrashBefore), 0);
        }
        let strike = state.strikes.remove(&at);
        if let Some(strike) = &strike {
            state.struck.push((at, strike.clone()));
            state.failed_at = Some(Instant::now());
        }
        let delay = state.delays.pop_front().unwrap_or_default();
        state.delays.push_back(delay);
        (strike, delay)
    }

    /// A ticket of a process that died.
    fn never(&self) -> Ticket {
        let (sender, ticket) = Ticket::pair();
        self.lock().never.push(sender);
        ticket
    }
}

impl Vice {
    fn spoil(self, commit: &mut Commit) {
        match self {
            Self::AnswersEarly => {}
            Self::ForgetsAgenda => {
                for append in &mut commit.appends {
                    append.agenda = AgendaChange::default();
                }
            }
            Self::ForgetsRequests => {
                let kept = |change: &Change| !matches!(change, Change::PutInbox(..));
                commit.changes.retain(kept);
            }
            Self::ForgetsRunsOfEvents => {
                for change in &mut commit.changes {
                    if let Change::NewEvent(row) = change {
                        row.runs.clear();
                    }
                }
            }
        }
    }
}

/// One opening of a store in memory, under a [`Fate`].
#[derive(Debug, Clone)]
pub struct SimStore {
    memory: MemoryStore,
    fate: Arc<Fate>,
    turns: Arc<Turns>,
}

impl SimStore {
    /// `memory`, which holds its commits until they are synced, under `fate`.
    #[must_use]
    pub fn new(memory: MemoryStore, fate: Arc<Fate>, turns: Arc<Turns>) -> Self {
        Self {
            memory,
            fate,
            turns,
        }
    }

    /// The store inside.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&MemoryStore) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.turns.take(|| {
            self.fate.read()?;
            read(&self.memory)
        })
    }

    /// A ticket that tells as late as the fate says, behind all those before it.
    fn late(&self, ticket: Ticket) -> Ticket {
        let told_after = self.fate.lock().told_after_ms;
        if told_after == 0 {
            return ticket;
        }
        let (sender, late) = Ticket::pair();
        tokio::spawn(async move {
            let told = ticket.await;
            tokio::time::sleep(Duration::from_millis(told_after)).await;
            sender.resolve(told);
        });
        late
    }

    fn strike(&self, commit: Commit, strike: Strike) -> Ticket {
        let why = "made to fail".to_owned();
        let unknown = || Ticket::resolved(Err(CommitError::Unknown { why: why.clone() }));
        match strike {
            Strike::Disk(CommitFault::Refuse(error)) => {
                // A refusal waits for what stands before it.
                self.memory.sync();
                Ticket::resolved(Err(error))
            }
            Strike::Disk(CommitFault::Lose) => {
                self.memory.fail(&why);
                unknown()
            }
            Strike::Disk(CommitFault::KeepUntold) => {
                // A commit that is refused is not kept, which is one of the things nobody can tell.
                drop(self.memory.commit(commit));
                self.memory.sync();
                self.memory.fail(&why);
                unknown()
            }
            Strike::CrashBefore => {
                self.fate.die();
                self.fate.never()
            }
            Strike::CrashAfter => {
                drop(self.memory.commit(commit));
                self.memory.sync();
                self.fate.die();
                self.fate.never()
            }
        }
    }
}

impl Store for SimStore {
    fn fence(&self) -> Fence {
        self.memory.fence()
    }

    fn commit(&self, mut commit: Commit) -> Ticket {
        let vice = self.fate.lock().vice;
        if let Some(vice) = vice {
            vice.spoil(&mut commit);
        }
        if self.fate.is_dead() {
            return self.fate.never();
        }
        let (strike, delay) = self.fate.next_commit();
        if let Some(strike) = strike {
            return self.late(self.strike(commit, strike));
        }
        let ticket = self.memory.commit(commit);
        if delay == 0 {
            self.memory.sync();
            return self.late(ticket);
        }
        let (memory, fate) = (self.memory.clone(), Arc::clone(&self.fate));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            if !fate.is_dead() {
                memory.sync();
            }
        });
        if vice == Some(Vice::AnswersEarly) {
            return Ticket::resolved(Ok(()));
        }
        self.late(ticket)
    }

    fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError> {
        self.read(|memory| memory.look_event(id))
    }

    fn event(&self, id: &EventId) -> Result<Option<EventRow>, ReadError> {
        self.read(|memory| memory.event(id))
    }

    fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError> {
        self.read(|memory| memory.journal(run))
    }

    fn head(&self, run: RunId) -> Result<Option<RunHead>, ReadError> {
        self.read(|memory| memory.head(run))
    }

    fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError> {
        self.read(|memory| memory.runs(filter, limit))
    }

    fn agenda(
        &self,
        after: Option<(Timestamp, RunId)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RunId)>, ReadError> {
        self.read(|memory| memory.agenda(after, until, limit))
    }

    fn inbox(&self, run: RunId) -> Result<Vec<(InboxId, InboxRow)>, ReadError> {
        self.read(|memory| memory.inbox(run))
    }

    fn inbox_runs(&self) -> Result<Vec<RunId>, ReadError> {
        self.read(MemoryStore::inbox_runs)
    }

    fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
        self.read(|memory| memory.events_by_key(key, after, limit))
    }

    fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError> {
        self.read(|memory| memory.waiting_for(key, after, limit))
    }

    fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError> {
        self.read(|memory| memory.waits(after, limit))
    }

    fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
        self.read(|memory| memory.deliveries(after, limit))
    }

    fn schedule(&self, workflow: &WorkflowName) -> Result<Option<ScheduleRow>, ReadError> {
        self.read(|memory| memory.schedule(workflow))
    }

    fn pressure(&self) -> Pressure {
        self.memory.pressure()
    }

    fn failure(&self) -> Option<String> {
        self.memory.failure()
    }

    fn close(&self) -> Result<(), CommitError> {
        self.memory.close()
    }
}
