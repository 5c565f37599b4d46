//! The host of a replay that does nothing: it answers from the journal and holds at its edge.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, pending};
use stepwell::host::{Admission, ChildAsk, Host, WaitAsk};
use stepwell::{OutgoingEvent, Registry, RetryPolicy, RunRef, StepAddress, Timestamp};
use stepwell_core::ids::is_within;
use stepwell_core::run::{
    Command, Delivery, Ended, Reply, RunState, StepOutcome, StepProgress, Turn, decide,
};
use stepwell_core::{EntryBody, Failure, Payload, QuarantineReason, RunId, StepKind};

/// See the module.
pub(super) struct CheckHost {
    state: RunState,
    registry: Registry,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    delivery: Delivery,
    /// Lines whose code is over.
    left: Vec<Arc<str>>,
    /// Code that waits for its turn.
    waiting: BTreeMap<StepAddress, Waker>,
    /// Code that waits for its scope to be cancelled.
    scopes: Vec<Waker>,
    broke: Option<(String, String)>,
    /// The last thing code asked for that the journal does not hold.
    edge: Option<String>,
    /// The step whose result code was handed last.
    last: Option<StepAddress>,
    /// Whether code asked for a dependency that is not there.
    lacked: bool,
}

impl CheckHost {
    pub(super) fn new(state: RunState, registry: &Registry) -> Self {
        Self {
            state,
            registry: registry.clone(),
            inner: RefCell::default(),
        }
    }

    /// Where journal and code disagree: recorded, attempted.
    pub(super) fn broke(&self) -> Option<(String, String)> {
        self.inner.borrow().broke.clone()
    }

    /// Whether code asked for a dependency that is not there, and so went no further.
    pub(super) fn lacked(&self) -> bool {
        self.inner.borrow().lacked
    }

    /// The step whose result the code was handed last.
    pub(super) fn last(&self) -> Option<StepAddress> {
        self.inner.borrow().last.clone()
    }

    /// What the code asked for last that the journal does not hold.
    pub(super) fn edge(&self) -> String {
        let edge = self.inner.borrow().edge.clone();
        edge.unwrap_or_else(|| "waiting for something that is in no journal".to_owned())
    }

    /// A recorded result that code could be handed and did not ask for.
    pub(super) fn unasked(&self) -> Option<String> {
        let mut inner = self.inner.borrow_mut();
        let front = inner.delivery.front(&self.state)?;
        let kind = self.state.steps.get(front).map(|step| step.kind.word())?;
        Some(format!("{kind} {front}"))
    }

    /// What the journal holds instead of the end of the code.
    pub(super) fn left_over(&self, ended: Ended, passed: usize) -> Option<String> {
        // A failure of code is the end, whatever the policy would make of it: what is recorded
        // behind it would never be reached.
        let policy = RetryPolicy::default().with_retries(0);
        let command = Command::FinishRun {
            ended,
            passed,
            policy,
        };
        let decision = decide(&self.state, command, self.state.changed_at).ok()?;
        let entry = decision.entries.into_iter().next()?;
        recorded_of(entry.body).map(|(recorded, _)| recorded)
    }

    /// The answer of the core, as far as it needs no entry.
    fn answer(&self, command: Command) -> Reply {
        if self.inner.borrow().broke.is_some() {
            return Reply::Stop;
        }
        let asked = words(&command);
        let Ok(decision) = decide(&self.state, command, self.state.changed_at) else {
            return Reply::Hold;
        };
        let Some(first) = decision.entries.into_iter().next() else {
            return match decision.reply {
                // What is due now is done live, and not here.
                Reply::Execute { .. }
                | Reply::Park { .. }
                | Reply::Wait { .. }
                | Reply::Judge { .. } => self.at_the_edge(asked),
                reply => reply,
            };
        };
        if let Some(broke) = recorded_of(first.body.clone()) {
            self.inner.borrow_mut().broke = Some(broke);
            return Reply::Stop;
        }
        match first.body {
            // Nothing is recorded, and code that took the change goes on.
            EntryBody::Patched(_) => decision.reply,
            _ => self.at_the_edge(asked),
        }
    }

    fn at_the_edge(&self, asked: Option<String>) -> Reply {
        self.inner.borrow_mut().edge = asked;
        Reply::Hold
    }

    fn in_turn(&self, step: &StepAddress, outcome: StepOutcome) -> Reply {
        let mut inner = self.inner.borrow_mut();
        match inner.delivery.turn(&self.state, step) {
            Turn::Now => {
                inner.delivery.delivered();
                inner.last = Some(step.clone());
                inner.wake_all();
                Reply::Recorded(outcome)
            }
            Turn::Later => Reply::Wait { until: None },
            Turn::Never => Reply::Hold,
        }
    }
}

impl Inner {
    fn wake_all(&mut self) {
        let waiting = std::mem::take(&mut self.waiting).into_values();
        waiting.chain(self.scopes.drain(..)).for_each(Waker::wake);
    }

    /// Whether the body of `scope` was given up: see the host of a run that is driven.
    fn gives_up(&mut self, state: &RunState, scope: &StepAddress) -> bool {
        let lost = self.left.iter().any(|left| is_within(&scope.branch, left));
        let asked = lost || self.delivery.caught_up_with_cancel(state);
        let line = scope.branch_path(0);
        asked && state.scopes_within(&line).next().is_none()
    }
}

/// The two sides, when an entry says that journal and code disagree.
fn recorded_of(body: EntryBody) -> Option<(String, String)> {
    if let EntryBody::Quarantined(held) = body
        && let QuarantineReason::Mismatch {
            recorded,
            attempted,
        } = held.reason
    {
        return Some((recorded, attempted));
    }
    None
}

fn words(command: &Command) -> Option<String> {
    if let Command::StartStep(ask) = command {
        return Some(format!("{} {}", ask.kind.word(), ask.step));
    }
    if let Command::StartFork(ask) = command {
        return Some(format!("{} {}", ask.kind.word(), ask.step));
    }
    if let Command::Continue { .. } = command {
        return Some("going on as another run".to_owned());
    }
    None
}

impl Host for CheckHost {
    fn run(&self) -> RunId {
        self.state.run
    }

    fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    fn attempt_timeout(&self) -> Duration {
        Duration::MAX
    }

    fn ask(&self, command: Command) -> Reply {
        let step = match &command {
            Command::StartStep(ask) => Some(ask.step.clone()),
            _ => None,
        };
        match (self.answer(command), step) {
            (Reply::Recorded(outcome), Some(step)) => self.in_turn(&step, outcome),
            (reply, _) => reply,
        }
    }

    fn stirred<'a>(&'a self, step: &'a StepAddress) -> LocalBoxFuture<'a, ()> {
        let mut asked = false;
        Box::pin(std::future::poll_fn(move |cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            let mut inner = self.inner.borrow_mut();
            inner.waiting.insert(step.clone(), cx.waker().clone());
            Poll::Pending
        }))
    }

    fn admit<'a>(
        &'a self,
        _step: &'a StepAddress,
        _kind: StepKind,
        _attempt: u32,
    ) -> LocalBoxFuture<'a, Admission> {
        // Nothing is ever executed, so nothing is admitted.
        Box::pin(pending())
    }

    fn begin_wait(&self, _ask: WaitAsk) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(pending())
    }

    fn send(
        &self,
        _step: StepAddress,
        _events: Vec<OutgoingEvent>,
    ) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(pending())
    }

    fn signal(
        &self,
        _step: StepAddress,
        _run: RunRef,
        _name: String,
        _data: Payload,
    ) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(pending())
    }

    fn start_child(&self, _ask: ChildAsk) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(pending())
    }

    fn go_on(&self, _input: Payload, passed: usize) -> LocalBoxFuture<'_, Result<(), Failure>> {
        // Any run will do: it is begun by nobody.
        let next = self.state.run;
        self.answer(Command::Continue { next, passed });
        Box::pin(pending())
    }

    fn leave(&self, line: Arc<str>) {
        let mut inner = self.inner.borrow_mut();
        inner.delivery.leave(line.clone());
        inner.left.push(line);
        inner.wake_all();
    }

    fn cancelled<'a>(&'a self, scope: &'a StepAddress) -> LocalBoxFuture<'a, ()> {
        Box::pin(std::future::poll_fn(move |cx| {
            let mut inner = self.inner.borrow_mut();
            if inner.gives_up(&self.state, scope) {
                return Poll::Ready(());
            }
            inner.scopes.push(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn has_open_scope(&self, line: &str) -> bool {
        self.state.scopes_within(line).next().is_some()
    }

    fn output_of(&self, step: &StepAddress) -> Option<Payload> {
        match &self.state.steps.get(step)?.progress {
            StepProgress::Done(StepOutcome::Succeeded(output)) => Some(output.clone()),
            StepProgress::Done(StepOutcome::Failed { .. } | StepOutcome::TimedOut)
            | StepProgress::Open { .. }
            | StepProgress::Waiting(_)
            | StepProgress::Forked(_) => None,
        }
    }

    fn mismatch(&self, recorded: String, attempted: String) {
        let mut inner = self.inner.borrow_mut();
        inner.broke.get_or_insert((recorded, attempted));
    }

    fn now(&self) -> Timestamp {
        self.state.changed_at
    }

    fn random(&self) -> u64 {
        0
    }

    fn resource(&self, of: TypeId) -> Option<Box<dyn Any>> {
        let found = self.registry.resources().get(of);
        self.inner.borrow_mut().lacked |= found.is_none();
        found
    }
}
