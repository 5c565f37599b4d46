//! A store around another that fails at a chosen commit, or holds tickets back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use stepwell_core::{Entry, EventId, EventKey, EventOrder, Fence, RunId, Timestamp, WorkflowName};
use stepwell_store::{
    Commit, CommitError, DeliveryRow, EventKeyRow, EventRow, InboxId, InboxRow, Pressure,
    ReadError, RunFilter, RunHead, ScheduleRow, Seen, Store, Ticket, TicketSender,
};

use crate::wait::wait;

/// What strikes at a chosen commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitFault {
    /// That one commit is refused, with this error, and changes nothing.
    Refuse(CommitError),
    /// The disk fails: the commit is not kept although nobody can tell, and writing stops.
    Lose,
    /// The disk fails after the fact: the commit is kept although nobody can tell, and writing
    /// stops.
    KeepUntold,
}

/// A store around `S`.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    commits: u64,
    reads: u64,
    commit_fault: Option<(u64, CommitFault)>,
    struck: Option<Commit>,
    read_fault: Option<u64>,
    failure: Option<String>,
    hold: bool,
    held: Vec<(Ticket, TicketSender)>,
}

impl<S: Store> FaultyStore<S> {
    /// A store that behaves like `inner` until told otherwise.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The `nth` commit from the store's beginning, from 1, meets `fault`.
    pub fn fail_commit(&self, nth: u64, fault: CommitFault) {
        self.lock().commit_fault = Some((nth, fault));
    }

    /// The commit that met its fault, once one did.
    pub fn struck(&self) -> Option<Commit> {
        self.lock().struck.clone()
    }

    /// The `nth` read from the store's beginning, from 1, and all after it fail.
    pub fn fail_reads_from(&self, nth: u64) {
        self.lock().read_fault = Some(nth);
    }

    /// Commits and reads so far.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.commits, state.reads)
    }

    /// From now on tickets stay open until [`FaultyStore::release_tickets`].
    pub fn hold_tickets(&self) {
        self.lock().hold = true;
    }

    /// Tells every ticket held back what became of its commit, and holds back no more.
    pub fn release_tickets(&self) {
        let held = {
            let mut state = self.lock();
            state.hold = false;
            std::mem::take(&mut state.held)
        };
        for (ticket, sender) in held {
            sender.resolve(wait(ticket));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<&S, ReadError> {
        let mut state = self.lock();
        state.reads += 1;
        if state.read_fault.is_some_and(|from| state.reads >= from) {
            let why = "made to fail".to_owned();
            return Err(ReadError::Failed { why });
        }
        Ok(&self.inner)
    }

    fn strike(&self, commit: Commit, fault: CommitFault) -> Ticket {
        let why = "made to fail".to_owned();
        match fault {
            CommitFault::Refuse(error) => return Ticket::resolved(Err(error)),
            CommitFault::Lose => {}
            CommitFault::KeepUntold => {
                // A commit that is refused is not kept, which is one of the things nobody can tell.
                drop(wait(self.inner.commit(commit)));
            }
        }
        self.lock().failure = Some(why.clone());
        Ticket::resolved(Err(CommitError::Unknown { why }))
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn fence(&self) -> Fence {
        self.inner.fence()
    }

    fn commit(&self, commit: Commit) -> Ticket {
        let fault = {
            let mut state = self.lock();
            state.commits += 1;
            if let Some(why) = state.failure.clone() {
                return Ticket::resolved(Err(CommitError::Failed { why }));
            }
            let due = |(nth, _): &(u64, CommitFault)| *nth == state.commits;
            if state.commit_fault.as_ref().is_some_and(due) {
                state.commit_fault.take()
            } else {
                None
            }
        };
        if let Some((_, fault)) = fault {
            self.lock().struck = Some(commit.clone());
            return self.strike(commit, fault);
        }
        // Under the lock, so that tickets are held in the order of their commits.
        let mut state = self.lock();
        let ticket = self.inner.commit(commit);
        if !state.hold {
            return ticket;
        }
        let (sender, held) = Ticket::pair();
        state.held.push((ticket, sender));
        held
    }

    fn look_event(&self, id: &EventId) -> Result<(Option<EventRow>, Seen), ReadError> {
        self.read()?.look_event(id)
    }

    fn event(&self, id: &EventId) -> Result<Option<EventRow>, ReadError> {
        self.read()?.event(id)
    }

    fn journal(&self, run: RunId) -> Result<Vec<Entry>, ReadError> {
        self.read()?.journal(run)
    }

    fn head(&self, run: RunId) -> Result<Option<RunHead>, ReadError> {
        self.read()?.head(run)
    }

    fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<RunHead>, ReadError> {
        self.read()?.runs(filter, limit)
    }

    fn agenda(
        &self,
        after: Option<(Timestamp, RunId)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, RunId)>, ReadError> {
        self.read()?.agenda(after, until, limit)
    }

    fn inbox(&self, run: RunId) -> Result<Vec<(InboxId, InboxRow)>, ReadError> {
        self.read()?.inbox(run)
    }

    fn inbox_runs(&self) -> Result<Vec<RunId>, ReadError> {
        self.read()?.inbox_runs()
    }

    fn events_by_key(
        &self,
        key: EventKey,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, EventKeyRow)>, ReadError> {
        self.read()?.events_by_key(key, after, limit)
    }

    fn waiting_for(
        &self,
        key: EventKey,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunId>, ReadError> {
        self.read()?.waiting_for(key, after, limit)
    }

    fn waits(
        &self,
        after: Option<(EventKey, RunId)>,
        limit: usize,
    ) -> Result<Vec<(EventKey, RunId)>, ReadError> {
        self.read()?.waits(after, limit)
    }

    fn deliveries(
        &self,
        after: EventOrder,
        limit: usize,
    ) -> Result<Vec<(EventOrder, DeliveryRow)>, ReadError> {
        self.read()?.deliveries(after, limit)
    }

    fn schedule(&self, workflow: &WorkflowName) -> Result<Option<ScheduleRow>, ReadError> {
        self.read()?.schedule(workflow)
    }

    fn pressure(&self) -> Pressure {
        self.inner.pressure()
    }

    fn failure(&self) -> Option<String> {
        let made = self.lock().failure.clone();
        made.or_else(|| self.inner.failure())
    }

    fn close(&self) -> Result<(), CommitError> {
        self.release_tickets();
        if let Some(why) = self.failure() {
            return Err(CommitError::Failed { why });
        }
        self.inner.close()
    }
}
