//! A store in memory that keeps the contract and can lose what was never made durable.
//!
//! [`MemoryStore::new`] makes every commit durable at once. [`MemoryStore::held`] keeps commits
//! *ordered* until [`MemoryStore::sync`], so that a test decides what a crash loses.
//! [`MemoryStore::crash`] is that crash: the handle it returns is the next opening, with a higher
//! fence, over what was durable; the old handle is fenced out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepwell_core::{
    Entry, EventId, EventKey, EventOrder, Fence, RunId, Seq, Timestamp, WorkflowName,
};
use stepwell_store::{
    Append, Change, Commit, CommitError, DeliveryRow, EventKeyRow, EventRow, InboxId, InboxRow,
    Pressure, ReadError, RunFilter, RunHead, ScheduleRow, Seen, Store, Ticket, TicketSender,
};

/// Largest commit taken, in bytes; the same as the embedded store's.
const COMMIT_BYTES_MAX: u64 = 8 << 20;

/// One opening of a store in memory; clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    fence: Fence,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// The opening that may write.
    current: Fence,
    /// What reads see and a crash leaves.
    durable: State,
    /// What preconditions are checked against; `durable` with every pending commit on top.
    ordered: State,
    pending: Vec<Pending>,
    /// Whether commits wait for a sync.
    hold: bool,
    damaged: BTreeMap<RunId, (Seq, String)>,
    closed: bool,
    failure: Option<String>,
    syncs: u64,
    commits: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Pending {
    commit: Commit,
    bytes: u64,
    told: Result<(), CommitError>,
    ticket: TicketSender,
}

#[derive(Debug, Clone, Default)]
struct State {
    journals: BTreeMap<RunId, Vec<Entry>>,
    heads: BTreeMap<RunId, RunHead>,
    events: BTreeMap<EventId, EventRow>,
    agenda: BTreeSet<(Timestamp, RunId)>,
    inbox: BTreeMap<(RunId, InboxId), InboxRow>,
    waits: BTreeSet<(EventKey, RunId)>,
    event_keys: BTreeMap<(EventKey, EventOrder), EventKeyRow>,
    deliveries: BTreeMap<EventOrder, DeliveryRow>,
    schedules: BTreeMap<WorkflowName, ScheduleRow>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store whose commits are durable at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with_hold(false)
    }

    /// An empty store whose commits are ordered until [`MemoryStore::sync`].
    #[must_use]
    pub fn held() -> Self {
        Self::with_hold(true)
    }

    /// Makes every ordered commit durable and resolves its ticket.
    pub fn sync(&self) {
        self.lock().sync();
    }

    /// The power goes: the next opening over what was durable. Tickets not resolved resolve as
    /// unknown; this handle and its clones are fenced out.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut inner = self.lock();
        inner.pending.clear();
        inner.ordered = inner.durable.clone();
        inner.next_opening(&self.inner)
    }

    /// A second opening beside this one, over everything ordered; this one is fenced out.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut inner = self.lock();
        inner.sync();
        inner.next_opening(&self.inner)
    }

    /// From now on the journal of `run` is damaged from entry `seq` on.
    pub fn damage(&self, run: RunId, seq: Seq, what: &str) {
        self.lock().damaged.insert(run, (seq, what.to_owned()));
    }

    /// Writing stops as if the disk had failed: pending tickets become unknown.
    pub fn fail(&self, why: &str) {
        let mut inner = self.lock();
        inner.failure.get_or_insert_with(|| why.to_owned());
        // What was ordered and not durable is in no later opening.
        inner.ordered = inner.durable.clone();
        for pending in std::mem::take(&mut inner.pending) {
            let why = why.to_owned();
            pending.ticket.resolve(Err(CommitError::Unknown { why }));
        }
    }

    /// The journal of a run with everything ordered, durable or not.
    #[must_use]
    pub fn ordered_journal(&self, run: RunId) -> Vec<Entry> {
        let inner = self.lock();
        let journal = inner.ordered.journals.get(&run);
        journal.cloned().unwrap_or_default()
    }

    /// Commits that wait for a sync.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    fn with_hold(hold: bool) -> Self {
        let fence = Fence(1);
        let inner = Inner {
            current: fence,
            durable: State::default(),
            ordered: State::default(),
            pending: Vec::new(),
            hold,
            damaged: BTreeMap::new(),
            closed: false,
            failure: None,
            syncs: 0,
            commits: 0,
            bytes: 0,
        };
        Self {
            fence,
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_opening(&mut self, shared: &Arc<Mutex<Self>>) -> MemoryStore {
        self.current = Fence(self.current.0 + 1);
        self.closed = false;
        self.failure = None;
        MemoryStore {
            fence: self.current,
            inner: Arc::clone(shared),
        }
    }

    /// What may be checked at once: whether this opening may write at all.
    fn admit(&self, opening: Fence) -> Result<(), CommitError> {
        if opening != self.current {
            return Err(CommitError::Fenced {
                current: self.current,
                found: opening,
            });
        }
        if let Some(why) = &self.failure {
            return Err(CommitError::Failed { why: why.clone() });
        }
        if self.closed {
            return Err(CommitError::Closed);
        }
        Ok(())
    }

    fn check(&self, commit: &Commit) -> Result<(), CommitError> {
        if commit.fence != self.current {
            return Err(CommitError::Fenced {
                current: self.current,
                found: commit.fence,
            });
        }
        let mut new = BTreeSet::new();
        for id in commit.new_events() {
            if self.ordered.events.contains_key(id) || !new.insert(id) {
                return Err(CommitError::EventExists { id: id.clone() });
            }
        }
        for append in &commit.appends {
            let journal = self.ordered.journals.get(&append.run);
            if Seq(journal.map_or(0, Vec::len) as u64) != append.expected {
                return Err(CommitError::OutOfSequence {
                    run: append.run,
                    expected: append.expected,
                });
            }
        }
        Ok(())
    }

    fn order(&mut self, commit: Commit, bytes: u64) -> Ticket {
        let told = self.check(&commit);
        if told.is_ok() {
            self.ordered.apply(&commit);
        }
        let (ticket, answer) = Ticket::pair();
        self.pending.push(Pending {
            commit,
            bytes,
            told,
            ticket,
        });
        if !self.hold {
            self.sync();
        }
        answer
    }

    fn sync(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending.iter().any(|pending| pending.told.is_ok()) {
            self.syncs += 1;
        }
        for pending in pending {
            if pending.told.is_ok() {
                self.durable.apply(&pending.commit);
                self.commits += 1;
                self.bytes += pending.bytes;
            }
            pending.ticket.resolve(pending.told);
        }
    }
}

impl State {
    /// In the order in which a commit's rows are written.
    fn apply(&mut self, commit: &Commit) {
        for change in &commit.changes {
            self.change(change);
        }
        for append in &commit.appends {
            self.append(append);
        }
    }

    fn append(&mut self, append: &Append) {
        let run = append.run;
        let journal = self.journals.entry(run).or_default();
        journal.extend(append.entries.iter().cloned());
        if let Some(head) = &append.head {
            self.heads.insert(run, head.clone());
        }
        if append.agenda.was != append.agenda.now {
            self.agenda.extend(append.agenda.now.map(|now| (now, run)));
            if let Some(was) = append.agenda.was {
                self.agenda.remove(&(was, run));
            }
        }
        for key in &append.waits.over {
            self.waits.remove(&(*key, run));
        }
        for key in &append.waits.begun {
            self.waits.insert((*key, run));
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::NewEvent(row) => {
                self.events.insert(row.id.clone(), row.clone());
            }
            Change::IndexEvent(key, order, row) => {
                self.event_keys.insert((*key, *order), row.clone());
            }
            Change::PutDelivery(order, row) => {
                self.deliveries.insert(*order, row.clone());
            }
            Change::DeleteDelivery(order) => {
                self.deliveries.remove(order);
            }
            Change::PutSchedule(workflow, row) => {
                self.schedules.insert(workflow.clone(), row.clone());
            }
            Change::PutInbox(run, id, row) => {
                self.inbox.insert((*run, *id), row.clone());
            }
            Change::DeleteInbox(run, id) => {
                self.inbox.remove(&(*run, *id));
            }
            Change::SetAside { head, was } => {
                self.heads.insert(head.run, head.clone());
                self.agenda.remove(&(*was, head.run));
            }
        }
    }
}

/// Everything strictly behind `after`, or everything.
fn behind<K>(after: Option<K>) -> (Bound<K>, Bound<K>) {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    (from, Bound::Unbounded)
}

impl Store for MemoryStore {
    fn fence(&self) -> Fence {
        self.fence
    }

    fn commit(&self, commit: Commit) -> Ticket {
        let limit = COMMIT_BYTES_MAX;
        let bytes = match commit.row_ops() {
            Ok(rows) => rows
                .iter()
                .map(|row| (row.key.len() + row.value.as_ref().map_or(0, Vec::len)) as u64)
                .sum(),
            Err(_) => u64::MAX,
        };
        if bytes > limit {
            return Ticket::resolved(Err(CommitError::TooLarge { bytes, limit }));
        }
        let mut inner = self.lock();
        match inner.admit(self.fence) {
            Ok(()) => inner.order(commit, bytes),
            Err(refusal) => Ticket::resolved(Err(refusal)),
        }
    }

    fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError> {
        Ok((self.event(id)?, Seen::default()))
    }

    fn event(&self, id: &EventId) -> Result<Option<EventRow>, ReadError> {
        Ok(self.lock().durable.events.get(id).cloned())
    }

    fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError> {
        let inner = self.lock();
        if let Some((seq, what)) = inner.damaged.get(&run) {
            return Err(ReadError::Damaged {
                run,
                seq: *seq,
                what: what.clone(),
            });
        }
        Ok(inner
            .durable
            .journals
            .get(&run)
            .cloned()
            .unwrap_or_default())
    }

    fn head(&self, run: RunId) -> Result<Option<RunHead>, ReadError> {
        Ok(self.lock().durable.heads.get(&run).cloned())
    }

    fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError> {
        let inner = self.lock();
        let heads = inner.durable.heads.values().rev();
        let wanted = heads.filter(|head| {
            filter.before.is_none_or(|before| head.run < before)
                && filter.status.is_none_or(|status| head.status == status)
                && filter
                    .workflow
                    .as_ref()
                    .is_none_or(|workflow| head.workflow == *workflow)
        });
        Ok(wanted.take(limit).cloned().collect())
    }

    fn agenda(
        &self,
        after: Option<(Timestamp, RunId)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RunId)>, ReadError> {
        let inner = self.lock();
        let due = inner.durable.agenda.iter().copied();
        let wanted = due
            .filter(|place| after.is_none_or(|after| *place > after))
            .take_while(|(at, _)| *at <= until);
        Ok(wanted.take(limit).collect())
    }

    fn inbox(&self, run: RunId) -> Result<Vec<(InboxId, InboxRow)>, ReadError> {
        let inner = self.lock();
        let all = (run, InboxId(0))..=(run, InboxId(u128::MAX));
        let waiting = inner.durable.inbox.range(all);
        Ok(waiting.map(|((_, id), row)| (*id, row.clone())).collect())
    }

    fn inbox_runs(&self) -> Result<Vec<RunId>, ReadError> {
        let mut runs: Vec<RunId> = Vec::new();
        runs.extend(self.lock().durable.inbox.keys().map(|(run, _)| *run));
        runs.dedup();
        Ok(runs)
    }

    fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
        let inner = self.lock();
        let later = inner.durable.event_keys.range(behind(Some((key, after))));
        let of_key = later.take_while(|((of, _), _)| *of == key);
        let rows = of_key.map(|((_, order), row)| (*order, row.clone()));
        Ok(rows.take(limit).collect())
    }

    fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError> {
        let inner = self.lock();
        // No run has the id of zeros, which stands for no run.
        let after = after.unwrap_or(RunId::from_bytes([0; 16]));
        let later = inner.durable.waits.range(behind(Some((key, after))));
        let of_key = later.take_while(|(of, _)| *of == key);
        Ok(of_key.map(|(_, run)| *run).take(limit).collect())
    }

    fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError> {
        let inner = self.lock();
        let later = inner.durable.waits.range(behind(after));
        Ok(later.take(limit).copied().collect())
    }

    fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
        let inner = self.lock();
        let later = inner.durable.deliveries.range(behind(Some(after)));
        let rows = later.map(|(order, row)| (*order, row.clone()));
        Ok(rows.take(limit).collect())
    }

    fn schedule(&self, workflow: &WorkflowName) -> Result<Option<ScheduleRow>, ReadError> {
        Ok(self.lock().durable.schedules.get(workflow).cloned())
    }

    fn pressure(&self) -> Pressure {
        let inner = self.lock();
        Pressure {
            queued_bytes: inner.pending.iter().map(|pending| pending.bytes).sum(),
            unsettled_bytes: 0,
            syncs: inner.syncs,
            commits: inner.commits,
            log_bytes: inner.bytes,
        }
    }

    fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    fn close(&self) -> Result<(), CommitError> {
        let mut inner = self.lock();
        inner.admit(self.fence).or_else(|refusal| match refusal {
            CommitError::Closed => Ok(()),
            refusal => Err(refusal),
        })?;
        inner.sync();
        inner.closed = true;
        Ok(())
    }
}
