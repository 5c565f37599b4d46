//! Bodies: admission, marks of what is in flight, and suspects driven alone.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use stepwell::host::Admission;
use stepwell::{Attempt, StepAddress};
use stepwell_core::StepKind;
use stepwell_core::run::Mark;
use tokio_util::sync::CancellationToken;

use super::{After, RunHost, Stop};
use crate::gate::{Alone, InCompany};
use crate::in_flight::Slot;

/// How long a body waits before it looks again whether the store has caught up.
const PAUSE_UNDER_STRAIN: Duration = Duration::from_millis(10);

/// A body that runs.
pub(super) struct InFlight {
    pub(super) kind: StepKind,
    pub(super) attempt: u32,
    /// A mark of its own; the first body in flight uses that of the run.
    pub(super) slot: Option<Slot>,
    pub(super) token: CancellationToken,
}

impl RunHost {
    pub(crate) fn keep_alone(&self, alone: Alone) {
        self.inner.borrow_mut().alone = Some(alone);
    }

    /// Gives the engine back. A body in flight is marked as being in company from here on, and
    /// marked before others come in: their crash must not count against it.
    pub(crate) fn end_alone(&self) {
        let (alone, in_flight) = {
            let mut inner = self.inner.borrow_mut();
            let body = inner.bodies.first_key_value();
            // Alone, a run has one body in flight at most.
            let in_flight = body.map(|(step, body)| (step.clone(), body.kind, body.attempt));
            (inner.alone.take(), in_flight)
        };
        let Some(alone) = alone else { return };
        if let Some((step, kind, attempt)) = in_flight {
            self.mark(self.slot.as_ref(), Some((step, kind)), attempt);
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

    /// Marks workflow code as running, before any body.
    pub(crate) fn mark_code(&self) {
        self.mark(self.slot.as_ref(), None, 1);
        self.shared.show(self.run, None);
    }

    /// Shutting down drops what is in flight: the attempt counts, and no crash is anybody's fault.
    pub(super) fn let_go(&self, in_flight: bool) {
        if in_flight {
            self.end_alone();
            self.inner.borrow_mut().cut_short = true;
        }
    }

    fn mark(&self, slot: Option<&Slot>, step: Option<(StepAddress, StepKind)>, attempt: u32) {
        let Some(slot) = slot else { return };
        let alone = self.inner.borrow().alone.is_some();
        if let Some(seq) = self.with_state(|state| state.next_seq) {
            let mark = Mark {
                step,
                attempt,
                seq,
                alone,
            };
            slot.write(self.run, &mark);
        }
    }

    /// Lets the body of an attempt begin once all it rests on is durable.
    pub(super) async fn admit(
        self: &Rc<Self>,
        step: &StepAddress,
        kind: StepKind,
        attempt: u32,
    ) -> Admission {
        let token = CancellationToken::new();
        match kind {
            StepKind::Run | StepKind::Transaction | StepKind::Undo => {}
            // A drawn value leaves nothing outside the log: order is all it needs.
            StepKind::Now
            | StepKind::Random
            | StepKind::Ulid
            | StepKind::Sleep
            | StepKind::WaitFor
            | StepKind::Signal
            | StepKind::Invoke
            | StepKind::Start
            | StepKind::Send
            | StepKind::SendSignal
            | StepKind::Join
            | StepKind::Map
            | StepKind::Race
            | StepKind::Scope => return Admission::new((), token),
        }
        let busy = self.busy();
        let company = self.admitted().await;
        drop(busy);
        if self.stands_still(&step.branch) {
            // Paused, cancelled or lost while it waited to be admitted: then nothing begins.
            drop(company);
            return pending().await;
        }
        // The run's own mark until a body has it; further ones at a time have marks of their own.
        let first = self
            .inner
            .borrow()
            .bodies
            .values()
            .all(|body| body.slot.is_some());
        let own = match &self.shared.marks {
            Some(marks) if !first => Some(marks.slot()),
            Some(_) | None => None,
        };
        let marked = if first {
            self.slot.as_ref()
        } else {
            own.as_ref()
        };
        self.mark(marked, Some((step.clone(), kind)), attempt);
        let in_flight = InFlight {
            kind,
            attempt,
            slot: own,
            token: token.clone(),
        };
        self.inner
            .borrow_mut()
            .bodies
            .insert(step.clone(), in_flight);
        self.shared.show(self.run, Some((step, attempt)));
        let body = Body {
            host: Rc::clone(self),
            step: step.clone(),
            _company: company,
        };
        self.shared.probe("body-start", Some(step));
        let admission = Admission::new(body, token);
        match &self.shared.options.bodies {
            None => admission,
            Some(bodies) => {
                let attempt = Attempt::new(self.run, step.clone(), attempt);
                let attempt = attempt.with_token(admission.token());
                bodies.admit(&attempt, kind, admission)
            }
        }
    }

    async fn admitted(&self) -> Option<InCompany> {
        if let Err(error) = self.durable().await {
            self.commit_failed(&error);
            return pending().await;
        }
        while self.shared.strained() && self.shared.open() {
            // What is recorded must not outgrow what can be settled.
            tokio::time::sleep(PAUSE_UNDER_STRAIN).await;
        }
        // A suspect has one body in flight at a time: the next death convicts the right one.
        loop {
            let stirred = self.stirred.notified();
            {
                let inner = self.inner.borrow();
                if inner.alone.is_none() || inner.bodies.is_empty() {
                    break;
                }
            }
            stirred.await;
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
        company
    }

    /// Held while the code has a question to the store under way.
    pub(super) fn busy(self: &Rc<Self>) -> Busy {
        self.inner.borrow_mut().busy += 1;
        Busy(Rc::clone(self))
    }
}

/// See [`RunHost::busy`].
pub(super) struct Busy(Rc<RunHost>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut inner = self.0.inner.borrow_mut();
        inner.busy -= 1;
        inner.changed = true;
    }
}

/// Held while a body is in flight.
struct Body {
    host: Rc<RunHost>,
    step: StepAddress,
    _company: Option<InCompany>,
}

impl Drop for Body {
    fn drop(&mut self) {
        let left = {
            let mut inner = self.host.inner.borrow_mut();
            let ended = inner.bodies.remove(&self.step);
            if let Some(slot) = ended.and_then(|body| body.slot) {
                // Overwritten only once the result is durable; until then it says what happened.
                let number = inner.ordered;
                if let Some(ticket) = inner.newest.clone() {
                    inner.after.push_back((number, ticket, After::Free(slot)));
                }
            }
            inner.company = inner.company.take().filter(|_| !inner.bodies.is_empty());
            inner.changed = true;
            let left = inner.bodies.first_key_value();
            left.map(|(step, body)| (step.clone(), body.attempt))
        };
        let shown = left.as_ref().map(|(step, attempt)| (step, *attempt));
        self.host.shared.show(self.host.run, shown);
        self.host.stirred.notify_waiters();
    }
}
