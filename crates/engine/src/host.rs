//! The host of one driven run: turns questions of its code into commands, and commits the answers.
//!
//! Pure workflow code runs ahead of the disk: a result takes its place in the journal when the
//! commit is *ordered*. What leaves the engine waits: before a body runs, every earlier entry of
//! the run is durable. A commit that is refused or fails drops the future; what it rested on is
//! folded again from what is durable.

mod append;
mod bodies;
mod handle;
mod rest;
mod sends;
mod waits;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use stepwell::{RetryPolicy, StepAddress, Timestamp};
use stepwell_core::run::{Command, Delivery, Reply, RunState, RunStatus, decide};
use stepwell_core::{EventKey, EventOrder, Payload, RunId};
use stepwell_store::{CommitError, DeliveryRow, RunHead};
use tokio::sync::Notify;

pub(crate) use append::More;
pub(crate) use handle::HostHandle;
pub(crate) use rest::Rest;
pub(crate) use waits::{Request, read_requests};

use crate::event_table::SharedTicket;
use crate::gate::{Alone, InCompany};
use crate::in_flight::Slot;
use crate::shard::Wake;
use crate::shared::Shared;
use bodies::InFlight;

/// Why workflow code is polled no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The state says what comes next.
    Reconsider,
    /// A commit was refused: what is in memory is not what is stored.
    Refold,
    /// The engine lets go of the run: it is shutting down, or the store stopped.
    LetGo,
}

/// How long a run waits when the store could not be read for it.
pub(crate) const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What follows once everything ordered so far is durable.
pub(crate) enum After {
    /// Another run has something to do.
    Wake(RunId, Wake),
    /// Events are on their way.
    Deliver(Vec<(EventOrder, DeliveryRow)>),
    /// The run waits for this no more.
    Unwatch(EventKey),
    /// A suspect has made progress: it gives the engine back.
    Acquit(Alone),
    /// A mark whose body's result is recorded.
    Free(Slot),
}

/// One driven run.
pub(crate) struct RunHost {
    shared: Arc<Shared>,
    run: RunId,
    policy: Cell<RetryPolicy>,
    inner: RefCell<Inner>,
    /// Told when `stop` was set, the last body ended, or the state changed.
    stirred: Notify,
    slot: Option<Slot>,
}

struct Inner {
    /// Always present between calls; taken for the moment of an `apply`.
    state: Option<RunState>,
    /// The newest commit not known to be durable; it resolves only after all before it.
    newest: Option<SharedTicket>,
    /// The first commit that did not become durable: the state rests on what is not stored, and
    /// nothing may be told, answered or ordered on it any more.
    lost: Option<CommitError>,
    /// How many commits the run ordered in this drive, `newest` included.
    ordered: u64,
    /// What follows once so many of them are durable, in that order.
    after: VecDeque<(u64, SharedTicket, After)>,
    /// What the stored head says, as far as lists can tell.
    shown: (RunStatus, Option<Timestamp>),
    agenda: Option<Timestamp>,
    stop: Option<Stop>,
    /// A pause ended: code that was told to hold is begun anew, once its bodies have ended.
    resumed: bool,
    /// How far results were handed to the code of this replay.
    delivery: Delivery,
    /// Lines whose code is over in this replay.
    left: Vec<Arc<str>>,
    /// Code that waits for something to happen to a step; `None` once it did.
    asking: BTreeMap<StepAddress, Option<Waker>>,
    /// Whether the state changed since the drive last looked.
    changed: bool,
    /// Events that come behind one that is being judged or looked for, oldest first.
    put_off: Vec<Request>,
    /// Looks at the store under way for the code.
    busy: u32,
    /// Up to this instant, code was told what is due.
    woken: Timestamp,
    bodies: BTreeMap<StepAddress, InFlight>,
    alone: Option<Alone>,
    /// Held by a body that was alone and is no longer.
    company: Option<InCompany>,
    /// Whether shutting down dropped a body in flight.
    cut_short: bool,
    /// The run's input, once it was read; a workflow for failed runs is told it.
    input: Option<Payload>,
}

/// A run's state with what the store shows of it.
pub(crate) struct Loaded {
    pub(crate) state: RunState,
    /// The agenda row that is stored.
    pub(crate) agenda: Option<Timestamp>,
}

impl RunHost {
    pub(crate) fn new(shared: Arc<Shared>, loaded: Loaded) -> Rc<Self> {
        let Loaded { state, agenda } = loaded;
        let slot = shared.marks.as_ref().map(|marks| marks.slot());
        Rc::new(Self {
            run: state.run,
            policy: Cell::new(shared.options.retry),
            inner: RefCell::new(Inner {
                newest: None,
                lost: None,
                ordered: 0,
                after: VecDeque::new(),
                shown: shown(&state),
                agenda,
                stop: None,
                resumed: false,
                delivery: Delivery::default(),
                left: Vec::new(),
                asking: BTreeMap::new(),
                changed: false,
                put_off: Vec::new(),
                busy: 0,
                woken: Timestamp::ZERO,
                bodies: BTreeMap::new(),
                alone: None,
                company: None,
                cut_short: false,
                input: None,
                state: Some(state),
            }),
            stirred: Notify::new(),
            slot,
            shared,
        })
    }

    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    pub(crate) fn set_policy(&self, policy: RetryPolicy) {
        self.policy.set(policy);
    }

    pub(crate) fn set_input(&self, input: Payload) {
        self.inner.borrow_mut().input = Some(input);
    }

    /// Reads the state; `None` only when an entry of our own making could not be applied, in which
    /// case a refold is already asked for.
    pub(crate) fn with_state<T>(&self, read: impl FnOnce(&RunState) -> T) -> Option<T> {
        self.inner.borrow().state.as_ref().map(read)
    }

    /// Whether nothing new begins on `branch` for the time being.
    fn stands_still(&self, branch: &str) -> bool {
        self.with_state(|state| state.stands_still(branch)) == Some(true)
    }

    /// Begins another replay.
    pub(crate) fn restart(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.stop = None;
        inner.resumed = false;
        inner.delivery = Delivery::default();
        inner.left.clear();
        inner.asking.clear();
        inner.changed = false;
        inner.woken = Timestamp::ZERO;
    }

    /// Asks the core, commits its entries, and answers its reply; on any trouble the run is stopped
    /// accordingly and the reply is [`Reply::Stop`].
    pub(crate) fn ask(&self, command: Command) -> Reply {
        self.ask_with(command, More::default())
    }

    /// [`RunHost::ask`], with what belongs into the same commit. Nothing of it is committed when
    /// the decision has no entries.
    pub(crate) fn ask_with(&self, command: Command, more: More<'_>) -> Reply {
        if self.inner.borrow().stop.is_some() {
            return Reply::Stop;
        }
        let now = self.shared.clock.now();
        let decided = self.with_state(|state| decide(state, command, now));
        let decision = match decided {
            Some(Ok(decision)) => decision,
            Some(Err(refusal)) => {
                tracing::error!(run = %self.run, %refusal, "run is folded again");
                self.stop(Stop::Refold);
                return Reply::Stop;
            }
            None => return Reply::Stop,
        };
        if !decision.entries.is_empty() {
            self.append(decision.entries, more);
        }
        if decision.reply == Reply::Stop {
            self.stop(Stop::Reconsider);
        }
        decision.reply
    }

    /// Resolves once everything ordered before the call is durable, and sees to what follows.
    pub(crate) async fn durable(&self) -> Result<(), CommitError> {
        let (ticket, number) = {
            let inner = self.inner.borrow();
            if let Some(error) = &inner.lost {
                return Err(error.clone());
            }
            (inner.newest.clone(), inner.ordered)
        };
        let Some(ticket) = ticket else { return Ok(()) };
        let told = ticket.await;
        let due: Vec<_> = {
            let mut inner = self.inner.borrow_mut();
            if inner.ordered == number {
                inner.newest = None;
            }
            if let Err(error) = &told {
                inner.lost.get_or_insert_with(|| error.clone());
            }
            let due = inner.after.iter().take_while(|(of, ..)| *of <= number);
            let count = due.count();
            inner.after.drain(..count).collect()
        };
        for (_, ticket, after) in due {
            // Resolved already, or about to be: tickets resolve in order. What a lost commit would
            // have meant for others does not follow; what stands before a refused one does.
            if ticket.await.is_ok() {
                self.follow(after);
            }
        }
        told
    }

    /// Whether what is stored has to be read again: a commit of this drive was refused.
    pub(crate) fn is_behind(&self) -> bool {
        let inner = self.inner.borrow();
        inner.lost.as_ref().is_some_and(CommitError::retry)
    }

    /// Whether something ordered is not known to be durable, nor known to be lost.
    pub(crate) fn is_ahead(&self) -> bool {
        let inner = self.inner.borrow();
        inner.newest.is_some() && inner.lost.is_none()
    }

    fn follow(&self, after: After) {
        match after {
            After::Wake(run, wake) => self.shared.wake(run, wake),
            After::Deliver(deliveries) => self.shared.deliver(deliveries),
            After::Unwatch(key) => self.shared.events.unwatch(key),
            After::Acquit(alone) => drop(alone),
            After::Free(slot) => drop(slot),
        }
    }

    /// What a failed commit means for the run.
    pub(crate) fn commit_failed(&self, error: &CommitError) {
        if error.retry() {
            tracing::warn!(run = %self.run, %error, "run is folded again");
            self.stop(Stop::Refold);
        } else {
            self.shared.fail(error);
            self.stop(Stop::LetGo);
        }
    }

    pub(crate) fn stop(&self, stop: Stop) {
        self.inner.borrow_mut().stop.get_or_insert(stop);
        self.stirred.notify_waiters();
    }
}

/// What lists show of a state: queued and running differ only for an engine that drives it.
fn shown(state: &RunState) -> (RunStatus, Option<Timestamp>) {
    let head = RunHead::of(state);
    let status = match head.status {
        RunStatus::Queued | RunStatus::Running => RunStatus::Queued,
        other => other,
    };
    (status, head.wake_at)
}
