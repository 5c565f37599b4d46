//! When code is left alone: what a drive waits for while its code has nothing to do.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use stepwell::{StepAddress, Timestamp};
use stepwell_core::ids::is_within;
use stepwell_core::run::{Next, RunState, deadline, next};
use tokio::sync::Notify;

use super::{Inner, RunHost, Stop};
use crate::shared::Phase;

/// What the code of a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is under way.
    Busy,
    /// For an instant, or for something from outside.
    Until(Timestamp),
    /// For something from outside.
    Outside,
    /// The state says that there is something else to do than to run it.
    Over,
}

impl RunHost {
    /// What the code waits for, polled to where it cannot go on.
    pub(crate) fn rest(&self) -> Rest {
        let now = self.shared.clock.now();
        let inner = self.inner.borrow();
        if !inner.bodies.is_empty() || inner.busy > 0 {
            return Rest::Busy;
        }
        match inner.state.as_ref().map(|state| next(state, now)) {
            Some(Next::Drive) => Rest::Busy,
            Some(Next::WakeAt(at)) => Rest::Until(at),
            Some(Next::Await) => Rest::Outside,
            Some(Next::Expire | Next::Conclude | Next::Held | Next::Done) | None => Rest::Over,
        }
    }

    /// The next instant at which anything is due, whatever else goes on.
    ///
    /// An instant of which code was told is not named again: it may wait for something else first.
    pub(crate) fn next_instant(&self) -> Option<Timestamp> {
        let woken = self.inner.borrow().woken.min(self.shared.clock.now());
        self.with_state(|state| {
            let mut timers = state.lines.timed().map(|(at, _)| at);
            let timer = timers.find(|at| *at > woken);
            let deadline = deadline(state).filter(|_| state.cancel.is_none());
            match (timer, deadline) {
                (Some(timer), Some(deadline)) => Some(timer.min(deadline)),
                (one, other) => one.or(other),
            }
        })
        .flatten()
    }

    /// Lets code look at what has come due.
    pub(crate) fn wake_due(&self) {
        let now = self.shared.clock.now();
        let due: Vec<StepAddress> = self
            .with_state(|state| {
                let due = state.lines.timed().take_while(|(at, _)| *at <= now);
                due.filter_map(|(_, line)| state.lines.steps(line).last().cloned())
                    .collect()
            })
            .unwrap_or_default();
        let mut inner = self.inner.borrow_mut();
        inner.woken = now;
        for step in due {
            inner.wake(&step);
        }
    }

    /// Polls `code`; ready with its end, or with `None` when the state changed and there may be
    /// something else to wait for.
    pub(crate) fn poll_code<F: Future + Unpin>(
        &self,
        code: &mut F,
        cx: &mut Context<'_>,
    ) -> Poll<Option<F::Output>> {
        if let Poll::Ready(ended) = std::pin::Pin::new(code).poll(cx) {
            return Poll::Ready(Some(ended));
        }
        if std::mem::take(&mut self.inner.borrow_mut().changed) {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Resolves when code is to be polled no further and no body is in flight. Bodies may end
    /// while draining; once the engine is letting go, or the run is over, they are dropped.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut phase = self.shared.phase.subscribe();
        loop {
            let stirred = self.stirred.notified();
            {
                let inner = self.inner.borrow();
                let draining = *phase.borrow_and_update();
                if draining == Phase::Letting {
                    let in_flight = !inner.bodies.is_empty();
                    drop(inner);
                    self.let_go(in_flight);
                    return Stop::LetGo;
                }
                let over = inner.state.as_ref().is_some_and(|s| s.outcome.is_some());
                if inner.bodies.is_empty() || over {
                    if let Some(stop) = inner.stop {
                        return stop;
                    }
                    if inner.resumed || inner.state.as_ref().is_some_and(concludes) {
                        return Stop::Reconsider;
                    }
                    if draining == Phase::Draining {
                        return Stop::LetGo;
                    }
                }
            }
            tokio::select! {
                biased;
                () = stirred => {}
                changed = phase.changed() => if changed.is_err() { return Stop::LetGo },
            }
        }
    }

    /// Resolves when it is worth asking again for `step`.
    pub(super) async fn stirred_for(&self, step: &StepAddress) {
        let mut asked = false;
        poll_fn(|cx| {
            let mut inner = self.inner.borrow_mut();
            match inner.asking.get_mut(step) {
                Some(None) => {
                    inner.asking.remove(step);
                    Poll::Ready(())
                }
                Some(Some(waker)) if asked => {
                    waker.clone_from(cx.waker());
                    Poll::Pending
                }
                Some(Some(_)) | None => {
                    asked = true;
                    inner.asking.insert(step.clone(), Some(cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await;
    }

    /// Resolves when the body of `scope` is to be dropped so that it can undo.
    pub(super) async fn scope_cancelled(&self, scope: &StepAddress) {
        let line = scope.branch_path(0);
        until(&self.stirred, || {
            self.inner.borrow_mut().gives_up(scope, &line)
        })
        .await;
    }

    /// The code of `line` is over in this replay.
    pub(super) fn leave_line(&self, line: Arc<str>) {
        let mut inner = self.inner.borrow_mut();
        inner.delivery.leave(line.clone());
        inner.left.push(line);
        inner.wake_front();
        drop(inner);
        self.stirred.notify_waiters();
    }
}

/// Resolves once `holds`; asked again whenever `stirred` is told.
async fn until(stirred: &Notify, mut holds: impl FnMut() -> bool) {
    loop {
        let told = stirred.notified();
        tokio::pin!(told);
        // Registered before the question, so that what changes after it is heard.
        told.as_mut().enable();
        if holds() {
            return;
        }
        told.await;
    }
}

/// Whether a run that is being cancelled has nothing left to undo.
fn concludes(state: &RunState) -> bool {
    state.cancel.is_some()
        && state.outcome.is_none()
        && next(state, state.changed_at) == Next::Conclude
}

impl Inner {
    /// Tells code that waits for `step`.
    pub(super) fn wake(&mut self, step: &StepAddress) {
        if let Some(asking) = self.asking.get_mut(step)
            && let Some(waker) = asking.take()
        {
            waker.wake();
        }
    }

    /// Tells the code whose result is next.
    pub(super) fn wake_front(&mut self) {
        let Some(state) = &self.state else { return };
        let front = self.delivery.front(state).cloned();
        if let Some(front) = front {
            self.wake(&front);
        }
    }

    /// Whether the body of `scope`, on `line`, is to give up: nothing of it is in flight, no scope
    /// within it has yet to undo, and the code has heard all it is to hear.
    fn gives_up(&mut self, scope: &StepAddress, line: &str) -> bool {
        let Some(state) = &self.state else {
            return false;
        };
        let lost = self.left.iter().any(|left| is_within(&scope.branch, left));
        let asked = lost || self.delivery.caught_up_with_cancel(state);
        asked
            && state.scopes_within(line).next().is_none()
            && !self.bodies.keys().any(|step| is_within(&step.branch, line))
    }
}
