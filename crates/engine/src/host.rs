//! The host of one driven run: turns questions of its code into commands, and commits the answers.
//!
//! Pure workflow code runs ahead of the disk: a result takes its place in the journal when the
//! commit is *ordered*. What leaves the engine waits: before a body runs, every earlier entry of
//! the run is durable. A commit that is refused or fails drops the future; what it rested on is
//! folded again from what is durable.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use stepwell::host::{Admission, Host};
use stepwell::{RetryPolicy, StepAddress, Timestamp};
use stepwell_core::run::{
    Command, FinishStep, Mark, Reply, RunState, RunStatus, StartStep, apply, decide,
};
use stepwell_core::{Entry, QuarantineReason, RunId, StepKind};
use stepwell_store::{
    AgendaChange, Append, Change, Commit, CommitError, InboxId, InboxRow, RunHead, Seen, Ticket,
    agenda_of,
};
use tokio::sync::Notify;

use crate::gate::{Alone, InCompany};
use crate::in_flight::Slot;
use crate::shared::{Phase, Shared};

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

/// How long a body waits before it looks again whether the store has caught up.
const PAUSE_UNDER_STRAIN: Duration = Duration::from_millis(10);

/// One driven run.
pub(crate) struct RunHost {
    shared: Arc<Shared>,
    run: RunId,
    policy: Cell<RetryPolicy>,
    inner: RefCell<Inner>,
    /// Told when `stop` was set or the last body ended.
    stirred: Notify,
    slot: Option<Slot>,
}

struct Inner {
    /// Always present between calls; taken for the moment of an `apply`.
    state: Option<RunState>,
    /// The newest commit not known to be durable; it resolves only after all before it.
    newest: Option<Ticket>,
    /// What the stored head says, as far as lists can tell.
    shown: (RunStatus, Option<Timestamp>),
    agenda: Option<Timestamp>,
    stop: Option<Stop>,
    bodies: u32,
    /// The body marked last, while it runs.
    in_flight: Option<(StepAddress, StepKind, u32)>,
    alone: Option<Alone>,
    /// Held by a body that was alone and is no longer.
    company: Option<InCompany>,
    /// Whether shutting down dropped a body in flight.
    cut_short: bool,
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
                shown: shown(&state),
                agenda,
                stop: None,
                bodies: 0,
                in_flight: None,
                alone: None,
                company: None,
                cut_short: false,
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

    /// Reads the state; `None` only when an entry of our own making could not be applied, in which
    /// case a refold is already asked for.
    pub(crate) fn with_state<T>(&self, read: impl FnOnce(&RunState) -> T) -> Option<T> {
        self.inner.borrow().state.as_ref().map(read)
    }

    pub(crate) fn keep_alone(&self, alone: Alone) {
        self.inner.borrow_mut().alone = Some(alone);
    }

    /// Gives the engine back. A body in flight is marked as being in company from here on, and
    /// marked before others come in: their crash must not count against it.
    pub(crate) fn end_alone(&self) {
        let (alone, in_flight) = {
            let mut inner = self.inner.borrow_mut();
            (inner.alone.take(), inner.in_flight.clone())
        };
        let Some(alone) = alone else { return };
        if let Some((step, kind, attempt)) = in_flight {
            self.mark(Some((step, kind)), attempt);
            self.inner.borrow_mut().company = Some(alone.into_company());
        }
    }

    /// Takes the mark back: the drive ends in order, so the next opening has nothing to recover.
    /// A body that was dropped in flight keeps its mark, which counts as an attempt.
    pub(crate) fn unmark(&self) {
        if let (Some(slot), false) = (&self.slot, self.inner.borrow().cut_short) {
            slot.erase();
        }
    }

    /// Begins another replay.
    pub(crate) fn restart(&self) {
        self.inner.borrow_mut().stop = None;
    }

    /// Resolves when code is to be polled no further and no body is in flight. Bodies may end
    /// while draining; once the engine is letting go, they are dropped.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut phase = self.shared.phase.subscribe();
        loop {
            let stirred = self.stirred.notified();
            {
                let inner = self.inner.borrow();
                let draining = *phase.borrow_and_update();
                if draining == Phase::Letting {
                    let in_flight = inner.bodies > 0;
                    drop(inner);
                    self.let_go(in_flight);
                    return Stop::LetGo;
                }
                if inner.bodies == 0 {
                    if let Some(stop) = inner.stop {
                        return stop;
                    }
                    let cancelled = inner.state.as_ref().is_some_and(|s| s.cancel.is_some());
                    if cancelled {
                        return Stop::Reconsider;
                    }
                    if draining == Phase::Draining {
                        return Stop::LetGo;
                    }
                }
            }
            tokio::select! {
                () = stirred => {}
                changed = phase.changed() => if changed.is_err() { return Stop::LetGo },
            }
        }
    }

    /// Shutting down drops what is in flight: the attempt counts, and no crash is anybody's fault.
    fn let_go(&self, in_flight: bool) {
        if in_flight {
            self.end_alone();
            self.inner.borrow_mut().cut_short = true;
        }
    }

    /// Asks the core, commits its entries together with `changes`, and answers its reply; on any
    /// trouble the run is stopped accordingly and the reply is [`Reply::Stop`].
    pub(crate) fn ask(&self, command: Command, changes: Vec<Change>) -> Reply {
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
        if !decision.entries.is_empty() || !changes.is_empty() {
            self.append(decision.entries, changes);
        }
        if decision.reply == Reply::Stop {
            self.stop(Stop::Reconsider);
        }
        decision.reply
    }

    /// Answers a request left for the run. A request the core refuses is over, too: its row goes.
    pub(crate) fn take_request(&self, id: InboxId, row: InboxRow) {
        let command = match row {
            InboxRow::Cancel { reason } => Command::RequestCancel { reason },
            InboxRow::Resume => Command::Resume,
        };
        let now = self.shared.clock.now();
        let answered = vec![Change::DeleteInbox(self.run, id)];
        match self.with_state(|state| decide(state, command, now)) {
            Some(Ok(decision)) => {
                self.append(decision.entries, answered);
                if decision.reply == Reply::Stop {
                    self.stop(Stop::Reconsider);
                }
                self.stirred.notify_waiters();
            }
            Some(Err(refusal)) => {
                tracing::info!(run = %self.run, %refusal, "request came too late");
                self.append(Vec::new(), answered);
            }
            None => {}
        }
    }

    /// Resolves once everything ordered so far is durable.
    pub(crate) async fn durable(&self) -> Result<(), CommitError> {
        // Polled in place: a future dropped half-way leaves the ticket where it is.
        poll_fn(|cx| {
            let mut inner = self.inner.borrow_mut();
            let Some(ticket) = inner.newest.as_mut() else {
                return Poll::Ready(Ok(()));
            };
            Pin::new(ticket).poll(cx).map(|result| {
                inner.newest = None;
                result
            })
        })
        .await
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

    /// Marks workflow code as running, before any body.
    pub(crate) fn mark_code(&self) {
        self.mark(None, 1);
        self.shared.show(self.run, None);
    }

    fn stop(&self, stop: Stop) {
        self.inner.borrow_mut().stop.get_or_insert(stop);
        self.stirred.notify_waiters();
    }

    fn append(&self, entries: Vec<Entry>, changes: Vec<Change>) {
        let mut inner = self.inner.borrow_mut();
        let Some(state) = inner.state.take() else {
            return;
        };
        let expected = state.next_seq;
        let applied = entries.iter().try_fold(state, apply);
        let state = match applied {
            Ok(state) => state,
            Err(illegal) => {
                // A bug of ours: nothing was committed, so nothing is wrong with what is stored.
                tracing::error!(run = %self.run, %illegal, "entry cannot follow; run is folded again");
                drop(inner);
                self.stop(Stop::Refold);
                return;
            }
        };
        let mut appends = Vec::new();
        let empty = entries.is_empty();
        if !empty {
            let (now_shown, due) = (shown(&state), agenda_of(&state));
            let head = (now_shown != inner.shown).then(|| RunHead::of(&state));
            let agenda = AgendaChange {
                was: inner.agenda,
                now: due,
            };
            appends.push(Append {
                run: self.run,
                expected,
                entries,
                head,
                agenda,
            });
            inner.shown = now_shown;
            inner.agenda = due;
        }
        let fence = self.shared.store.fence();
        let commit = Commit {
            fence,
            seen: Seen::OWNER,
            appends,
            changes,
        };
        let ticket = self.shared.store.commit(commit);
        if !empty {
            // Without an entry a commit says nothing of those before it, and is waited for by none.
            inner.newest = Some(ticket);
        }
        if state.suspicion.is_none() {
            // Progress: whatever took the engine down, it was not this.
            inner.alone = None;
        }
        inner.state = Some(state);
    }

    fn mark(&self, step: Option<(StepAddress, StepKind)>, attempt: u32) {
        let Some(slot) = &self.slot else { return };
        let alone = self.inner.borrow().alone.is_some();
        if let Some(seq) = self.with_state(|state| state.next_seq) {
            slot.write(
                self.run,
                &Mark {
                    step,
                    attempt,
                    seq,
                    alone,
                },
            );
        }
    }

    async fn admitted(
        &self,
        step: &StepAddress,
        kind: StepKind,
        attempt: u32,
    ) -> Option<InCompany> {
        if let Err(error) = self.durable().await {
            self.commit_failed(&error);
            return pending().await;
        }
        while self.shared.strained() && self.shared.open() {
            // What is recorded must not outgrow what can be settled.
            tokio::time::sleep(PAUSE_UNDER_STRAIN).await;
        }
        let alone = self.inner.borrow().alone.is_some();
        let company = if alone {
            None
        } else {
            Some(self.shared.gate.enter().await)
        };
        if !self.shared.open() {
            self.stop(Stop::LetGo);
            return pending().await;
        }
        self.mark(Some((step.clone(), kind)), attempt);
        company
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

/// Held while a body is in flight.
struct Body {
    host: Rc<RunHost>,
    _company: Option<InCompany>,
}

impl Drop for Body {
    fn drop(&mut self) {
        {
            let mut inner = self.host.inner.borrow_mut();
            inner.bodies -= 1;
            inner.in_flight = None;
            inner.company = None;
        }
        self.host.shared.show(self.host.run, None);
        self.host.stirred.notify_waiters();
    }
}

/// The host as `Step` sees it: a handle that a body's admission can keep.
pub(crate) struct HostHandle(pub(crate) Rc<RunHost>);

impl Host for HostHandle {
    fn run(&self) -> RunId {
        self.0.run
    }

    fn retry_policy(&self) -> RetryPolicy {
        self.0.policy.get()
    }

    fn attempt_timeout(&self) -> Duration {
        self.0.shared.options.attempt_timeout
    }

    fn start_step(&self, ask: StartStep) -> Reply {
        self.0.ask(Command::StartStep(ask), Vec::new())
    }

    fn finish_step(&self, report: FinishStep) {
        self.0.shared.probe("body-end", Some(&report.step));
        self.0.ask(Command::FinishStep(report), Vec::new());
    }

    fn admit<'a>(
        &'a self,
        step: &'a StepAddress,
        kind: StepKind,
        attempt: u32,
    ) -> LocalBoxFuture<'a, Admission> {
        Box::pin(async move {
            match kind {
                // A drawn value leaves nothing outside the log: order is all it needs.
                StepKind::Now | StepKind::Random | StepKind::Ulid => return Admission::new(()),
                StepKind::Run | StepKind::Transaction => {}
            }
            let company = self.0.admitted(step, kind, attempt).await;
            {
                let mut inner = self.0.inner.borrow_mut();
                inner.bodies += 1;
                inner.in_flight = Some((step.clone(), kind, attempt));
            }
            self.0.shared.show(self.0.run, Some((step, attempt)));
            let body = Body {
                host: Rc::clone(&self.0),
                _company: company,
            };
            self.0.shared.probe("body-start", Some(step));
            Admission::new(body)
        })
    }

    fn wait_until(&self, until: Timestamp) -> LocalBoxFuture<'_, ()> {
        Box::pin(async move {
            let wait = self.0.shared.clock.until(until);
            if wait > self.0.shared.options.hot_wait {
                self.0.stop(Stop::Reconsider);
                return pending().await;
            }
            tokio::time::sleep(wait).await;
        })
    }

    fn mismatch(&self, recorded: String, attempted: String) {
        let reason = QuarantineReason::Mismatch {
            recorded,
            attempted,
        };
        self.0.ask(Command::Quarantine(reason), Vec::new());
    }

    fn now(&self) -> Timestamp {
        self.0.shared.clock.now()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn resource(&self, of: TypeId) -> Option<Box<dyn Any>> {
        self.0.shared.registry.resources().get(of)
    }
}
