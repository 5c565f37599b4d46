//! Workflow code in miniature, with branches: as the sdk asks, in whatever order branches are polled.
//!
//! A program is a tree. Its code runs as futures over a small host that keeps the rules a host
//! keeps: results in their turn, lines left when their code is over, scopes undone innermost first
//! and only once nothing of them is in flight. Whenever nothing moves, a second replay of the same
//! journal, its branches polled in another order, must come to the very same place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::laws::{begun, boom, obey, policy};
use super::naive;
use crate::entry::{
    Awaited, ChildStarted, Entry, Failure, FailureClass, ParentClose, StepKind, WaitOn,
};
use crate::ids::{
    EventId, EventKey, EventOrder, RunId, StepAddress, WorkflowName, is_undo_line, is_within,
};
use crate::payload::Payload;
use crate::run::command::{
    Arrival, ChildOutcome, Command, EndBranch, Ended, FinishStep, Reply, StartFork, StartStep,
    StartWait,
};
use crate::run::state::{Awaiting, Outcome, RunState, StepOutcome, StepProgress};
use crate::run::{Delivery, Next, Turn, next};
use crate::time::Timestamp;

/// What an author wrote.
#[derive(Debug, Clone)]
enum Node {
    Run {
        fails: bool,
    },
    Nap,
    Event,
    /// Waits for the events all such nodes wait for, and takes each third, its own.
    Judged {
        own: u8,
    },
    Child,
    Join(Vec<Vec<Node>>),
    Map(Vec<Vec<Node>>),
    Race(Vec<Vec<Node>>),
    Scope(Vec<Node>),
}

/// Where code is on one line.
struct At {
    path: Arc<str>,
    passed: Cell<usize>,
}

impl At {
    fn new(path: Arc<str>) -> Self {
        let passed = Cell::new(0);
        Self { path, passed }
    }

    fn pass(&self) {
        self.passed.set(self.passed.get() + 1);
    }

    /// The step of this line that `node` is.
    fn address(&self, node: usize) -> StepAddress {
        StepAddress {
            branch: self.path.clone(),
            ..StepAddress::root(&format!("n{node}"), 1).unwrap()
        }
    }
}

/// A source of numbers: which branch comes next, which body ends.
struct Dice(Cell<u64>);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut x = self.0.get() | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 11) as usize % bound.max(1)
    }

    fn shuffle<T>(&self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// One replay of the code.
struct Host {
    journal: RefCell<Vec<Entry>>,
    /// Always there but for the moment of a command.
    state: RefCell<Option<RunState>>,
    delivery: RefCell<Delivery>,
    /// Lines whose code is over in this replay.
    left: RefCell<Vec<Arc<str>>>,
    /// What code was handed, in order.
    handed: RefCell<Vec<StepAddress>>,
    in_flight: RefCell<BTreeSet<(StepAddress, StepKind, u32)>>,
    now: Cell<Timestamp>,
    dice: Dice,
    /// How many events that all judging waits wait for are stored.
    stored: Cell<u64>,
}

type Coded<'h, T> = Pin<Box<dyn Future<Output = T> + 'h>>;

impl Host {
    fn new(journal: Vec<Entry>, state: RunState, now: Timestamp, seed: u64) -> Self {
        Self {
            journal: RefCell::new(journal),
            state: RefCell::new(Some(state)),
            delivery: RefCell::default(),
            left: RefCell::default(),
            handed: RefCell::default(),
            in_flight: RefCell::default(),
            now: Cell::new(now),
            dice: Dice(Cell::new(seed)),
            stored: Cell::new(0),
        }
    }

    fn events(&self) -> Vec<Arrival> {
        (1..=self.stored.get()).map(shared_event).collect()
    }

    /// No event is lost between waits: what an open one could still have is on its way to it.
    fn every_event_found_its_wait(&self) {
        self.with(|state| {
            let judged = naive::offered(state);
            for step in &state.waiting {
                let StepProgress::Waiting(wait) = &state.steps[step].progress else {
                    panic!("{step} does not wait");
                };
                let shares = matches!(
                    &wait.on,
                    Awaiting::On(WaitOn::Event { awaited, .. }) if *awaited == shared()
                );
                if !shares || wait.offered.is_some() || state.held(&step.branch) {
                    continue;
                }
                let lost = self.events().into_iter().find(|arrival| {
                    let event = &arrival.event;
                    let elsewhere = state.received.contains(event) || judged.contains(event);
                    !elsewhere && !wait.rejected.contains(event)
                });
                assert_eq!(lost, None, "{step} never gets it");
            }
        });
    }

    fn with<T>(&self, read: impl FnOnce(&RunState) -> T) -> T {
        read(self.state.borrow().as_ref().unwrap())
    }

    fn send(&self, command: Command) -> Reply {
        let mut state = self.state.borrow_mut();
        let state = state.as_mut().unwrap();
        let mut journal = self.journal.borrow_mut();
        let decision = obey(&mut journal, state, command, self.now.get()).unwrap();
        assert!(state.quarantined.is_none(), "{:?}", state.quarantined);
        decision.reply
    }

    /// A question of code; a result whose turn has not come is waited for.
    fn ask(&self, step: &StepAddress, kind: StepKind, position: usize) -> Reply {
        let reply = self.send(Command::StartStep(StartStep {
            step: step.clone(),
            kind,
            position,
            subject: None,
        }));
        if let Reply::Recorded(_) = reply {
            let turn = self.with(|state| self.delivery.borrow_mut().turn(state, step));
            if turn != Turn::Now {
                return Reply::Wait { until: None };
            }
            self.delivery.borrow_mut().delivered();
            self.handed.borrow_mut().push(step.clone());
        }
        reply
    }

    fn leave(&self, line: Arc<str>) {
        self.in_flight
            .borrow_mut()
            .retain(|(step, ..)| !is_within(&step.branch, &line));
        self.left.borrow_mut().push(line.clone());
        self.delivery.borrow_mut().leave(line);
    }

    /// Whether the body of `scope` is to be dropped so that it can undo.
    fn is_cancelled(&self, scope: &StepAddress) -> bool {
        let body = scope.branch_path(0);
        let idle = {
            let in_flight = self.in_flight.borrow();
            let mut within = in_flight
                .iter()
                .filter(|(step, ..)| is_within(&step.branch, &body));
            within.next().is_none()
        };
        self.with(|state| {
            // In this replay: the journal may know the end of a race that code has not come to.
            let left = self.left.borrow();
            let lost = left.iter().any(|line| is_within(&scope.branch, line));
            let caught_up = || self.delivery.borrow_mut().caught_up_with_cancel(state);
            let open = state.scopes_within(&body).next().is_some();
            state.open_scopes.contains(scope) && idle && !open && (lost || caught_up())
        })
    }

    fn has_open_scope(&self, line: &str) -> bool {
        self.with(|state| state.scopes_within(line).next().is_some())
    }

    fn output_of(&self, step: &StepAddress) -> Option<Payload> {
        self.with(|state| match &state.steps.get(step)?.progress {
            StepProgress::Done(StepOutcome::Succeeded(output)) => Some(output.clone()),
            StepProgress::Done(_)
            | StepProgress::Open { .. }
            | StepProgress::Waiting(_)
            | StepProgress::Forked(_) => None,
        })
    }
}

/// Comes back at the next poll.
async fn next_poll() {
    let mut polled = false;
    poll_fn(|_| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// One line from its beginning to its end.
fn line<'h>(
    host: &'h Host,
    at: &'h At,
    nodes: &'h [Node],
    undos: Option<&'h RefCell<Vec<StepAddress>>>,
) -> Coded<'h, Result<(), Failure>> {
    Box::pin(async move {
        for (place, node) in nodes.iter().enumerate() {
            let address = at.address(place);
            match node {
                Node::Run { .. } => {
                    if let Some(undos) = undos {
                        undos.borrow_mut().push(address.clone());
                    }
                    step(host, at, address, StepKind::Run, None).await?;
                }
                Node::Nap => {
                    let until = host.now.get().after(std::time::Duration::from_millis(700));
                    let nap = wait_on(&address, WaitOn::Until, Some(until));
                    step(host, at, address, StepKind::Sleep, Some(nap)).await?;
                }
                Node::Event => {
                    let awaited = awaited(&address);
                    let on = WaitOn::Event {
                        awaited,
                        judged: false,
                    };
                    let wait = wait_on(&address, on, None);
                    step(host, at, address, StepKind::WaitFor, Some(wait)).await?;
                }
                Node::Judged { own } => {
                    let on = WaitOn::Event {
                        awaited: shared(),
                        judged: *own < 3,
                    };
                    judging(host, at, address, on, *own).await;
                }
                Node::Child => {
                    let start = Command::StartChild(ChildStarted {
                        step: address.clone(),
                        run: child_of(&address),
                        workflow: WorkflowName::new("pack"),
                        detached: false,
                        close: ParentClose::Cancel,
                    });
                    step(host, at, address, StepKind::Invoke, Some(start)).await?;
                }
                Node::Join(branches) => {
                    let limit = branches.len();
                    all(host, at, address, StepKind::Join, branches, limit).await;
                }
                Node::Map(branches) => all(host, at, address, StepKind::Map, branches, 2).await,
                Node::Race(branches) => race(host, at, address, branches).await?,
                Node::Scope(body) => scope(host, at, address, body).await?,
            }
        }
        Ok(())
    })
}

fn wait_on(step: &StepAddress, on: WaitOn, until: Option<Timestamp>) -> Command {
    Command::StartWait(StartWait {
        step: step.clone(),
        on,
        until,
        found: Vec::new(),
    })
}

fn awaited(step: &StepAddress) -> Awaited {
    Awaited {
        name: "told".to_owned(),
        key: step.to_string(),
    }
}

fn shared() -> Awaited {
    Awaited {
        name: "shared".to_owned(),
        key: String::new(),
    }
}

/// The `number`th event that all judging waits wait for.
fn shared_event(number: u64) -> Arrival {
    Arrival {
        event: EventId::new(format!("shared/{number}")),
        order: EventOrder { opening: 2, number },
        awaited: shared(),
        data: Payload::from_json(number.to_string()),
    }
}

/// Takes a wait whose code judges to its result. It looks at what is stored when it is told to.
async fn judging(host: &Host, at: &At, address: StepAddress, on: WaitOn, own: u8) {
    loop {
        match host.ask(&address, StepKind::WaitFor, at.passed.get()) {
            Reply::Recorded(_) => {
                at.pass();
                return;
            }
            Reply::Execute { .. } => {
                host.send(Command::StartWait(StartWait {
                    step: address.clone(),
                    on: on.clone(),
                    until: None,
                    found: host.events(),
                }));
            }
            Reply::Judge { data } => {
                let number: u64 = data.as_json().parse().unwrap();
                host.send(Command::Judge {
                    step: address.clone(),
                    accepted: number % 3 == u64::from(own),
                });
            }
            Reply::Park { .. }
            | Reply::Wait { .. }
            | Reply::Fork { .. }
            | Reply::Patched(_)
            | Reply::Hold
            | Reply::Stop
            | Reply::Accepted => next_poll().await,
        }
    }
}

/// A run for each address.
fn child_of(step: &StepAddress) -> RunId {
    RunId::from_bytes(EventKey::of("child", &step.to_string()).0)
}

/// Takes a step to its recorded result; `begin` is how it begins, where it has no body.
async fn step(
    host: &Host,
    at: &At,
    address: StepAddress,
    kind: StepKind,
    begin: Option<Command>,
) -> Result<(), Failure> {
    loop {
        match host.ask(&address, kind, at.passed.get()) {
            Reply::Recorded(outcome) => {
                at.pass();
                return match outcome {
                    StepOutcome::Failed { mut failure, .. } => {
                        failure.step = Some(address);
                        Err(failure)
                    }
                    StepOutcome::Succeeded(_) | StepOutcome::TimedOut => Ok(()),
                };
            }
            Reply::Execute { attempt } => match &begin {
                Some(begin) => drop(host.send(begin.clone())),
                None => {
                    let body = (address.clone(), kind, attempt);
                    host.in_flight.borrow_mut().insert(body);
                    next_poll().await;
                }
            },
            Reply::Park { .. }
            | Reply::Wait { .. }
            | Reply::Judge { .. }
            | Reply::Fork { .. }
            | Reply::Patched(_)
            | Reply::Hold
            | Reply::Stop
            | Reply::Accepted => next_poll().await,
        }
    }
}

/// Comes to a fork: how many branches may be under way, and what a scope failed with before.
async fn fork(
    host: &Host,
    at: &At,
    address: &StepAddress,
    kind: StepKind,
    branches: usize,
    limit: usize,
) -> (u32, Option<Failure>) {
    let reply = host.send(Command::StartFork(StartFork {
        step: address.clone(),
        kind,
        position: at.passed.get(),
        branches: branches as u32,
        limit: limit as u32,
    }));
    let Reply::Fork { limit, failed } = reply else {
        return pending().await;
    };
    (limit, failed)
}

async fn ended(
    host: &Host,
    fork: &StepAddress,
    branch: usize,
    passed: usize,
    value: Option<Result<Payload, Failure>>,
) -> Option<StepOutcome> {
    let reply = host.send(Command::EndBranch(EndBranch {
        fork: fork.clone(),
        branch: branch as u32,
        passed,
        value,
    }));
    if let Reply::Recorded(outcome) = reply {
        return Some(outcome);
    }
    if reply != Reply::Accepted {
        pending::<()>().await;
    }
    None
}

/// A join or a map.
async fn all(
    host: &Host,
    at: &At,
    address: StepAddress,
    kind: StepKind,
    branches: &[Vec<Node>],
    limit: usize,
) {
    let (limit, _) = fork(host, at, &address, kind, branches.len(), limit).await;
    let begin = |branch: usize| -> Coded<'_, ()> {
        let address = &address;
        Box::pin(async move {
            let at = At::new(address.branch_path(branch as u32));
            drop(line(host, &at, &branches[branch], None).await);
            ended(host, address, branch, at.passed.get(), None).await;
        })
    };
    let mut next = branches.len().min(limit as usize);
    let mut under_way: Vec<_> = (0..next).map(begin).collect();
    poll_fn(|cx| {
        loop {
            host.dice.shuffle(&mut under_way);
            let done = under_way
                .iter_mut()
                .position(|branch| branch.as_mut().poll(cx).is_ready());
            let Some(done) = done else { break };
            drop(under_way.swap_remove(done));
            if next < branches.len() {
                under_way.push(begin(next));
                next += 1;
            }
        }
        if under_way.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    at.pass();
}

async fn race(
    host: &Host,
    at: &At,
    address: StepAddress,
    branches: &[Vec<Node>],
) -> Result<(), Failure> {
    let count = branches.len();
    fork(host, at, &address, StepKind::Race, count, count).await;
    let lines: Vec<At> = (0..count)
        .map(|branch| At::new(address.branch_path(branch as u32)))
        .collect();
    let mut runners: Vec<_> = (0..count)
        .map(|branch| (branch, line(host, &lines[branch], &branches[branch], None)))
        .collect();
    // Of two that could end in the same moment the first wins, always.
    let (winner, value) = poll_fn(|cx| {
        for (branch, code) in &mut runners {
            if let Poll::Ready(returned) = code.as_mut().poll(cx) {
                return Poll::Ready((*branch, returned));
            }
        }
        Poll::Pending
    })
    .await;
    let value = value.map(|()| Payload::from_json(format!("{winner}")));
    let passed = lines[winner].passed.get();
    let outcome = ended(host, &address, winner, passed, Some(value)).await;
    runners.retain(|(branch, _)| *branch != winner);
    for (branch, _) in &runners {
        host.leave(address.branch_path(*branch as u32));
    }
    poll_fn(|cx| {
        runners.retain_mut(|(branch, code)| {
            let line = address.branch_path(*branch as u32);
            host.has_open_scope(&line)
                && code.as_mut().poll(cx).is_pending()
                && host.has_open_scope(&line)
        });
        if runners.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    at.pass();
    match outcome {
        Some(StepOutcome::Failed { failure, .. }) => Err(failure),
        Some(StepOutcome::Succeeded(_) | StepOutcome::TimedOut) | None => Ok(()),
    }
}

async fn scope(host: &Host, at: &At, address: StepAddress, body: &[Node]) -> Result<(), Failure> {
    let (_, failed_before) = fork(host, at, &address, StepKind::Scope, 1, 1).await;
    let undos = RefCell::new(Vec::new());
    let inner = At::new(address.branch_path(0));
    let ended_by_itself = {
        let mut code = line(host, &inner, body, Some(&undos));
        poll_fn(|cx| match code.as_mut().poll(cx) {
            Poll::Ready(returned) => Poll::Ready(Some(returned)),
            Poll::Pending if host.is_cancelled(&address) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    };
    let passed = inner.passed.get();
    let failed = match (ended_by_itself, failed_before) {
        (Some(Ok(())), None) => {
            ended(host, &address, 0, passed, None).await;
            at.pass();
            return Ok(());
        }
        (Some(Err(failure)), None) | (Some(_), Some(failure)) => Some((failure, passed)),
        (None, _) => None,
    };
    host.leave(address.branch_path(0));
    let failure = failed.as_ref().map(|(failure, _)| failure.clone());
    let scope = address.clone();
    if host.send(Command::StartUndo { scope, failed }) != Reply::Accepted {
        pending::<()>().await;
    }
    let undoing = At::new(address.undo_path());
    for done in undos.take().into_iter().rev() {
        if host.output_of(&done).is_some() {
            let address = StepAddress {
                branch: undoing.path.clone(),
                ..done
            };
            drop(step(host, &undoing, address, StepKind::Undo, None).await);
        }
    }
    ended(host, &address, 0, undoing.passed.get(), None).await;
    let Some(failure) = failure else {
        return pending().await;
    };
    at.pass();
    Err(failure)
}

/// The code of a whole run.
struct Code<'h> {
    at: &'h At,
    code: Coded<'h, Result<(), Failure>>,
}

impl Code<'_> {
    /// Polls until nothing moves; what code returned, once it has.
    fn settle(&mut self, host: &Host) -> Option<Ended> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let before = (host.journal.borrow().len(), host.handed.borrow().len());
            if let Poll::Ready(returned) = pin!(&mut self.code).poll(&mut cx) {
                return Some(match returned {
                    Ok(()) => Ended::Returned(Payload::null()),
                    Err(failure) => Ended::Failed(failure),
                });
            }
            if before == (host.journal.borrow().len(), host.handed.borrow().len()) {
                return None;
            }
        }
    }
}

/// What the world does while the code waits.
#[derive(Debug, Clone)]
struct World {
    program: Vec<Node>,
    seed: u64,
    /// Moments at which the engine dies: everything but the journal is forgotten.
    deaths: BTreeSet<usize>,
    cancel_at: Option<usize>,
}

impl World {
    /// Runs the program to its end through every death.
    fn run(&self) -> RunState {
        let (mut journal, mut state) = begun();
        let (mut moment, mut now, mut stored) = (0, Timestamp::ZERO, 0);
        loop {
            let seed = self.seed.wrapping_add(moment as u64);
            let host = Host::new(journal, state, now, seed);
            host.stored.set(stored);
            let over = self.live(&host, &mut moment);
            journal = host.journal.into_inner();
            state = host.state.into_inner().unwrap();
            (now, stored) = (host.now.get(), host.stored.get());
            if over {
                return state;
            }
        }
    }

    /// One life; whether the run is over.
    fn live(&self, host: &Host, moment: &mut usize) -> bool {
        let at = At::new(Arc::from(""));
        let code = line(host, &at, &self.program, None);
        let mut code = Code { at: &at, code };
        loop {
            *moment += 1;
            assert!(*moment < 3_000, "the run never ends");
            let ended = code.settle(host);
            host.every_event_found_its_wait();
            self.replay_comes_to_the_same(host, *moment as u64, ended.is_some());
            if let Some(ended) = ended {
                let passed = code.at.passed.get();
                host.send(Command::FinishRun {
                    ended,
                    passed,
                    policy: policy(1),
                });
                return true;
            }
            if self.deaths.contains(moment) {
                return false;
            }
            if self.cancel_at == Some(*moment) && host.with(|state| state.cancel.is_none()) {
                let reason = "enough".to_owned();
                host.send(Command::RequestCancel { reason });
                continue;
            }
            if something_happens(host, &self.program) {
                return true;
            }
        }
    }

    /// A second replay, asked in another order, hands code the same results in the same order and
    /// writes nothing.
    fn replay_comes_to_the_same(&self, host: &Host, seed: u64, ended: bool) {
        let journal = host.journal.borrow().clone();
        let state = host.with(Clone::clone);
        let other = Host::new(
            journal,
            state,
            host.now.get(),
            self.seed ^ (seed << 7) ^ 0x5eed,
        );
        // A scope is undone once nothing of it is in flight, which only the first replay knows.
        other.stored.set(host.stored.get());
        *other.in_flight.borrow_mut() = host.in_flight.borrow().clone();
        let at = At::new(Arc::from(""));
        let code = line(&other, &at, &self.program, None);
        let over = Code { at: &at, code }.settle(&other).is_some();
        // What undid a scope that is over is not asked for again, unless the scope returned.
        let walked = |host: &Host| -> Vec<StepAddress> {
            let handed = host.handed.borrow();
            let undoing = |step: &&StepAddress| !is_undo_line(&step.branch);
            handed.iter().filter(undoing).cloned().collect()
        };
        assert_eq!(walked(&other), walked(host));
        let (before, again) = (host.handed.borrow(), other.handed.borrow());
        let mut before = before.iter();
        let in_order = again.iter().all(|step| before.any(|other| other == step));
        assert!(in_order, "{again:?} is out of order");
        assert_eq!(other.journal.borrow().len(), host.journal.borrow().len());
        assert_eq!(over, ended);
    }
}

/// Something of what a run can wait for comes; whether the run is over.
fn something_happens(host: &Host, program: &[Node]) -> bool {
    let bodies: Vec<_> = host.in_flight.borrow().iter().cloned().collect();
    let waiting = host.with(|state| state.waiting.clone());
    let due = host.with(|state| next(state, host.now.get()));
    let choices = bodies.len() + waiting.len();
    let chosen = host.dice.below(choices + 1);
    if let Some(body) = bodies.get(chosen) {
        body_ends(host, body, program);
        return false;
    }
    if let Some(step) = waiting.get(chosen - bodies.len().min(chosen)) {
        arrives(host, step);
        return false;
    }
    match due {
        Next::Done => true,
        Next::Conclude if bodies.is_empty() => {
            host.send(Command::ConcludeCancel);
            true
        }
        Next::WakeAt(at) => {
            host.now.set(at);
            false
        }
        Next::Drive => {
            assert!(!bodies.is_empty(), "driven for nothing: {:?}", host.state);
            false
        }
        Next::Await => {
            assert!(choices > 0, "waits for nothing: {:?}", host.state);
            false
        }
        Next::Conclude => false,
        Next::Expire | Next::Held => panic!("nobody gave a reason to be {due:?}"),
    }
}

fn body_ends(host: &Host, body: &(StepAddress, StepKind, u32), program: &[Node]) {
    host.in_flight.borrow_mut().remove(body);
    let (step, kind, attempt) = body.clone();
    let fails = kind == StepKind::Run && fails(program, &step);
    let result = match fails {
        true => Err(boom(FailureClass::Terminal)),
        // A compensation, or a body, may take two attempts.
        false if attempt == 1 && host.dice.below(4) == 0 => Err(boom(FailureClass::Retryable)),
        false => Ok(Payload::from_json(format!("\"{step}\""))),
    };
    host.send(Command::FinishStep(FinishStep {
        step,
        kind,
        attempt,
        result,
        policy: policy(9),
        database: None,
    }));
}

/// Whether the body that `program` has at `step` fails.
fn fails(program: &[Node], step: &StepAddress) -> bool {
    let path = format!("{step}");
    let mut parts = path.split('/');
    let mut nodes = program;
    while let Some(name) = parts.next() {
        let place: usize = name.trim_start_matches('n').parse().unwrap();
        let branch = || {
            parts
                .clone()
                .next()
                .map_or(0, |branch| branch.parse().unwrap())
        };
        nodes = match &nodes[place] {
            Node::Run { fails } => return *fails,
            Node::Join(branches) | Node::Map(branches) | Node::Race(branches) => {
                &branches[branch()]
            }
            Node::Scope(body) => body,
            Node::Nap | Node::Event | Node::Judged { .. } | Node::Child => return false,
        };
        parts.next();
    }
    false
}

fn arrives(host: &Host, step: &StepAddress) {
    let on = host.with(|state| {
        let StepProgress::Waiting(wait) = &state.steps[step].progress else {
            panic!("{step} does not wait");
        };
        wait.on.clone()
    });
    let command = match on {
        Awaiting::Child(run) => Command::ChildEnded {
            run,
            outcome: match host.dice.below(3) {
                0 => ChildOutcome::Cancelled,
                _ => ChildOutcome::Completed(Payload::null()),
            },
        },
        Awaiting::On(WaitOn::Event { awaited, .. }) if awaited == shared() => {
            let number = host.stored.get() + 1;
            host.stored.set(number);
            Command::Deliver(shared_event(number))
        }
        Awaiting::On(_) => Command::Deliver(Arrival {
            event: EventId::new(format!("told/{step}")),
            order: EventOrder {
                opening: 2,
                number: 0,
            },
            awaited: awaited(step),
            data: Payload::null(),
        }),
    };
    host.send(command);
}

fn programs() -> impl Strategy<Value = Vec<Node>> {
    let leaf = prop_oneof![
        6 => Just(Node::Run { fails: false }),
        1 => Just(Node::Run { fails: true }),
        1 => Just(Node::Nap),
        1 => Just(Node::Event),
        2 => (0..4_u8).prop_map(|own| Node::Judged { own }),
        1 => Just(Node::Child),
    ];
    let node = leaf.prop_recursive(3, 24, 3, |inner| {
        let line = prop::collection::vec(inner, 0..4);
        let branches = prop::collection::vec(line.clone(), 1..4);
        prop_oneof![
            branches.clone().prop_map(Node::Join),
            branches.clone().prop_map(Node::Map),
            branches.prop_map(Node::Race),
            line.prop_map(Node::Scope),
        ]
    });
    prop::collection::vec(node, 1..4)
}

fn worlds() -> impl Strategy<Value = World> {
    let deaths = prop::collection::btree_set(1..60_usize, 0..4);
    let cancel_at = prop::option::of(1..30_usize);
    (programs(), any::<u64>(), deaths, cancel_at).prop_map(|(program, seed, deaths, cancel_at)| {
        World {
            program,
            seed,
            deaths,
            cancel_at,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_order_of_asking_hands_out_the_same_results_in_the_same_order(world in worlds()) {
        let state = world.run();
        prop_assert!(state.outcome.is_some());
        prop_assert!(state.open_scopes.is_empty(), "{:?} is left open", state.open_scopes);
        if world.cancel_at.is_none() {
            prop_assert!(!matches!(state.outcome, Some(Outcome::Cancelled)));
        }
    }
}
