//! Driving one run: load and fold, replay the workflow, act on what the state needs, until the run
//! parks, ends, or the engine lets go of it.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use stepwell::host::panic_message;
use stepwell::{Registry, Step, Workflow};
use stepwell_core::entry::RunStarted;
use stepwell_core::run::{Command, Ended, Next, RunState, RunStatus, due_at, next};
use stepwell_core::{Failure, FailureClass, Payload, QuarantineReason, RunId, Seq, Timestamp};
use stepwell_store::{Change, Commit, ReadError, RunHead, Seen};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gate::ALONE_AT_MOST;
use crate::host::{HostHandle, Loaded, READ_AGAIN_AFTER, Rest, RunHost, Stop, read_requests};
use crate::operator::blocking;
use crate::shared::Shared;
use crate::stored::{self, Stored};
use crate::watched::Watched;

/// How a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing more will happen to the run.
    Ended,
    /// The run waits: until an instant, or for somebody.
    Parked(Option<Timestamp>),
    /// The engine is shutting down or its store stopped; the store knows what the run needs.
    LetGo,
}

/// A run just created, with what a drive needs and need not read back.
pub(crate) struct Fresh {
    pub(crate) state: RunState,
    pub(crate) input: Payload,
}

/// Tells a drive that a request was left for its run.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Set by the shard, cleared by the drive before it reads.
    pub(crate) waiting: Cell<bool>,
    pub(crate) stirred: Notify,
}

/// What one replay of the workflow came to.
enum Replay {
    /// The state says what comes next.
    Reconsider,
    /// What is stored has to be read again.
    Again,
    /// What is stored cannot be read now, which says nothing about the run.
    Unreadable,
    /// See [`Left::LetGo`].
    LetGo,
}

/// Drives `run` until it parks or ends.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    run: RunId,
    mut fresh: Option<Fresh>,
    requests: Rc<Requests>,
) -> Left {
    let left = loop {
        let stored = match fresh.take() {
            Some(Fresh { state, input }) => {
                let agenda = due_at(&state);
                Stored {
                    loaded: Loaded { state, agenda },
                    requests: Vec::new(),
                    input: Some(input),
                }
            }
            None => {
                // Before the look: what is left from here on is told again.
                requests.waiting.set(false);
                match stored::read(&shared, run).await {
                    Ok(Some(stored)) => stored,
                    Ok(None) => break Left::Ended,
                    Err(trouble) => break unreadable(&shared, run, trouble).await,
                }
            }
        };
        let input = stored.input;
        let host = RunHost::new(Arc::clone(&shared), stored.loaded);
        host.take_requests(stored.requests);
        match session(&shared, &host, input, &requests).await {
            Some(left) => break left,
            None => continue,
        }
    };
    shared.hide(run);
    left
}

/// From a folded state to the end of the drive; `None` when what is stored must be read again.
async fn session(
    shared: &Arc<Shared>,
    host: &Rc<RunHost>,
    mut input: Option<Payload>,
    requests: &Rc<Requests>,
) -> Option<Left> {
    loop {
        let heard = !requests.waiting.get() || take_requests(shared, host, requests).await;
        host.take_put_off();
        if host.is_behind() {
            return None;
        }
        let now = shared.clock.now();
        let left = match host.with_state(|state| next(state, now))? {
            _ if !heard => {
                // Not at once: the drive after this one reads them in any case.
                requests.waiting.set(false);
                Left::Parked(Some(now.after(READ_AGAIN_AFTER)))
            }
            Next::Done => Left::Ended,
            Next::Held => Left::Parked(None),
            Next::Await => Left::Parked(None),
            Next::WakeAt(at) => Left::Parked(Some(at)),
            Next::Expire => {
                host.restart();
                host.ask(Command::Expire);
                continue;
            }
            Next::Conclude => {
                host.restart();
                host.ask(Command::ConcludeCancel);
                continue;
            }
            Next::Drive if !shared.open() => Left::LetGo,
            Next::Drive => {
                host.restart();
                match replay(shared, host, &mut input, requests).await {
                    Replay::Reconsider => continue,
                    Replay::Again => return None,
                    Replay::Unreadable => Left::Parked(Some(now.after(READ_AGAIN_AFTER))),
                    Replay::LetGo => Left::LetGo,
                }
            }
        };
        // What the run came to is told to nobody, lists included, before it is durable.
        return match host.durable().await {
            Ok(()) => {
                host.unmark();
                if let Some(Some(outcome)) = host.with_state(|state| state.outcome.clone()) {
                    shared.ended(host.run(), &outcome);
                }
                Some(left)
            }
            Err(error) if error.retry() => None,
            Err(error) => {
                shared.fail(&error);
                Some(Left::LetGo)
            }
        };
    }
}

/// Runs the workflow's code once from the top, as far as it goes.
async fn replay(
    shared: &Arc<Shared>,
    host: &Rc<RunHost>,
    input: &mut Option<Payload>,
    requests: &Rc<Requests>,
) -> Replay {
    let Some(started) = host.with_state(|state| state.started.clone()) else {
        return Replay::Again;
    };
    let run = host.run();
    let workflow = match code_of(&shared.registry, &started) {
        Ok(workflow) => Arc::clone(workflow),
        Err(reason) => {
            host.ask(Command::Quarantine(reason));
            return Replay::Reconsider;
        }
    };
    let input = match input.clone() {
        Some(known) => known,
        None => match read_input(shared, host).await {
            Ok(read) => input.insert(read).clone(),
            Err(instead) => return instead,
        },
    };
    host.set_input(input.clone());
    let policy = workflow.retry().unwrap_or(shared.options.retry);
    let policy = match workflow.retries() {
        Some(retries) => policy.with_retries(retries),
        None => policy,
    };
    host.set_policy(policy);
    if host.with_state(|state| state.suspicion.is_some()) == Some(true)
        && let Some(alone) = shared.gate.alone().await
    {
        host.keep_alone(alone);
    }
    host.mark_code();
    let mut step = Step::of(Rc::new(HostHandle(Rc::clone(host))));
    let left = poll_code(
        shared,
        host,
        requests,
        run,
        workflow.as_ref(),
        &mut step,
        input,
    )
    .await;
    host.end_alone();
    match left {
        Polled::Ended(ended) => {
            let passed = step.passed();
            host.ask(Command::FinishRun {
                ended,
                passed,
                policy,
            });
            Replay::Reconsider
        }
        Polled::Stopped(Stop::Reconsider) => Replay::Reconsider,
        Polled::Stopped(Stop::Refold) => Replay::Again,
        Polled::Stopped(Stop::LetGo) => Replay::LetGo,
    }
}

/// The code a run goes on with: of the version that began it.
pub(crate) fn code_of<'r>(
    registry: &'r Registry,
    started: &RunStarted,
) -> Result<&'r Arc<dyn Workflow>, QuarantineReason> {
    let (workflow, version) = (started.workflow.clone(), started.version);
    if registry.get(&workflow).is_none() {
        return Err(QuarantineReason::UnknownWorkflow { workflow });
    }
    let code = registry.version(&workflow, version);
    code.ok_or(QuarantineReason::UnknownVersion { workflow, version })
}

enum Polled {
    Ended(Ended),
    Stopped(Stop),
}

/// Polls the code until it ends or is stopped; requests are taken in between.
async fn poll_code(
    shared: &Arc<Shared>,
    host: &Rc<RunHost>,
    requests: &Rc<Requests>,
    run: RunId,
    workflow: &dyn Workflow,
    step: &mut Step,
    input: Payload,
) -> Polled {
    let contained = async {
        AssertUnwindSafe(workflow.run(step, input))
            .catch_unwind()
            .await
    };
    let mut code = std::pin::pin!(Watched::new(run, contained));
    let mut in_company = std::pin::pin!(tokio::time::sleep(ALONE_AT_MOST));
    let mut alone = true;
    // When requests that could not be read are looked at again.
    let mut again_at = None;
    loop {
        host.take_put_off();
        let rest = host.rest();
        if parks(shared, rest) {
            return Polled::Stopped(Stop::Reconsider);
        }
        tokio::select! {
            biased;
            stop = host.stopped() => return Polled::Stopped(stop),
            ended = poll_fn(|cx| host.poll_code(&mut code, cx)) => {
                // Without an end, only what there is to wait for has changed.
                let Some(ended) = ended else { continue };
                return Polled::Ended(match ended {
                    Ok(Ok(output)) => Ended::Returned(output),
                    Ok(Err(error)) => Ended::Failed(error.into_failure()),
                    Err(panic) => {
                        let said = panic_message(panic.as_ref());
                        Ended::Failed(Failure::new(FailureClass::Panicked, said))
                    }
                });
            }
            () = requests.stirred.notified() => {
                again_at = later_unless(take_requests(shared, host, requests).await);
            }
            () = come(again_at) => {
                again_at = later_unless(take_requests(shared, host, requests).await);
            }
            durable = host.durable(), if host.is_ahead() => {
                if let Err(error) = durable {
                    host.commit_failed(&error);
                }
            }
            () = reached(shared, host.next_instant()) => {
                if host.with_state(|state| next(state, shared.clock.now())) == Some(Next::Expire) {
                    host.ask(Command::Expire);
                }
                host.wake_due();
            }
            () = tokio::time::sleep(shared.options.linger), if rest == Rest::Outside => {
                return Polled::Stopped(Stop::Reconsider);
            }
            () = in_company.as_mut(), if alone => {
                // A long body must not keep the whole engine waiting for its own acquittal.
                alone = false;
                host.end_alone();
            }
        }
    }
}

/// Whether the run gives its place to others at once instead of keeping its code at hand.
fn parks(shared: &Shared, rest: Rest) -> bool {
    match rest {
        Rest::Busy => false,
        Rest::Over => true,
        Rest::Until(at) => shared.clock.until(at) > shared.options.hot_wait,
        // Room is what runs are kept for that may be needed again soon.
        Rest::Outside => shared.ready() > shared.options.driven_per_shard / 2,
    }
}

/// Resolves at `at`. Long waits are cut up, so that a clock set forward is noticed.
async fn reached(shared: &Shared, at: Option<Timestamp>) {
    let Some(at) = at else { return pending().await };
    let wait = shared.clock.until(at);
    let wait = shared.clock.at_most(wait, Duration::from_secs(10));
    tokio::time::sleep(wait).await;
}

/// When to look again at what could not be read.
fn later_unless(read: bool) -> Option<Instant> {
    (!read).then(|| Instant::now() + READ_AGAIN_AFTER)
}

async fn come(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

/// Takes what was left for the run; whether it could be read. What could not still waits.
async fn take_requests(shared: &Arc<Shared>, host: &Rc<RunHost>, requests: &Requests) -> bool {
    requests.waiting.set(false);
    let Some(run) = host.with_state(|state| state.run) else {
        return true;
    };
    // A request is refused only for what is durable: its row is deleted with the refusal.
    if let Err(error) = host.durable().await {
        host.commit_failed(&error);
        return true;
    }
    let store = Arc::clone(&shared.store);
    match blocking(move || read_requests(store.as_ref(), run)).await {
        Ok(requests) => {
            host.take_requests(requests);
            true
        }
        Err(error) => {
            tracing::error!(%run, %error, "requests left for the run cannot be read");
            // A damaged request is reported, and the run goes on without it.
            let passes = matches!(error, ReadError::Failed { .. });
            requests.waiting.set(passes);
            !passes
        }
    }
}

/// Reads the event that started the run. An event that is gone or damaged quarantines the run: its
/// code cannot be given what it was given before. A store that cannot be read says nothing of the
/// run, which waits.
async fn read_input(shared: &Arc<Shared>, host: &Rc<RunHost>) -> Result<Payload, Replay> {
    let event = host.with_state(|state| state.started.event.clone());
    let event = event.ok_or(Replay::Again)?;
    let store = Arc::clone(&shared.store);
    let id = event.clone();
    let what = match blocking(move || store.event(&id)).await {
        Ok(Some(row)) => return Ok(row.data),
        Ok(None) => format!("event {event}, the run's input, is not stored"),
        Err(damage @ (ReadError::Damaged { .. } | ReadError::DamagedValue { .. })) => {
            damage.to_string()
        }
        Err(error @ ReadError::Failed { .. }) => {
            tracing::error!(run = %host.run(), %error, "input of the run cannot be read");
            return Err(Replay::Unreadable);
        }
    };
    let reason = QuarantineReason::Damaged {
        seq: Seq::FIRST,
        what,
    };
    host.ask(Command::Quarantine(reason));
    Err(Replay::Reconsider)
}

/// A run that cannot be read: damage quarantines it, anything else is tried again in a while.
async fn unreadable(shared: &Arc<Shared>, run: RunId, trouble: ReadError) -> Left {
    let ReadError::Damaged { seq, what, .. } = trouble else {
        tracing::error!(%run, error = %trouble, "run cannot be read");
        let again = shared.clock.now().after(READ_AGAIN_AFTER);
        return Left::Parked(Some(again));
    };
    tracing::error!(%run, %seq, what, "journal is damaged: run is quarantined");
    set_aside(shared, run).await;
    Left::Parked(None)
}

/// Takes a run whose journal cannot be folded off the agenda and shows it as quarantined.
async fn set_aside(shared: &Arc<Shared>, run: RunId) {
    let store = Arc::clone(&shared.store);
    let head = match blocking(move || store.head(run)).await {
        Ok(Some(head)) => head,
        Ok(None) | Err(_) => {
            tracing::error!(%run, "head of the damaged run cannot be read either");
            return;
        }
    };
    if head.status == RunStatus::Quarantined {
        return;
    }
    let was = head.wake_at.unwrap_or(Timestamp::ZERO);
    let now = shared.clock.now();
    let head = RunHead {
        status: RunStatus::Quarantined,
        changed_at: now,
        wake_at: None,
        ..head
    };
    let commit = Commit {
        fence: shared.store.fence(),
        seen: Seen::OWNER,
        appends: Vec::new(),
        changes: vec![Change::SetAside { head, was }],
    };
    if let Err(error) = shared.store.commit(commit).await {
        shared.fail(&error);
    }
}
