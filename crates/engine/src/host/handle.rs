//! The host as `Step` sees it.

use std::any::{Any, TypeId};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use stepwell::host::{Admission, ChildAsk, Host, WaitAsk};
use stepwell::{OutgoingEvent, RetryPolicy, RunRef, StepAddress, Timestamp};
use stepwell_core::run::{Command, Reply, StepOutcome, StepProgress, Turn};
use stepwell_core::{Failure, Payload, QuarantineReason, RunId, StepKind};

use super::RunHost;

/// A handle that a body's admission can keep.
pub(crate) struct HostHandle(pub(crate) Rc<RunHost>);

impl RunHost {
    /// A recorded result, if it is its turn to be handed out.
    fn in_turn(&self, step: &StepAddress, outcome: StepOutcome) -> Reply {
        let mut inner = self.inner.borrow_mut();
        let Some(state) = inner.state.take() else {
            return Reply::Stop;
        };
        let turn = inner.delivery.turn(&state, step);
        if turn == Turn::Now {
            inner.delivery.delivered();
        }
        let cancelling = state.cancel.is_some();
        inner.state = Some(state);
        match turn {
            Turn::Now => {
                inner.wake_front();
                drop(inner);
                if cancelling {
                    // A scope may have been waiting for this to be heard.
                    self.stirred.notify_waiters();
                }
                Reply::Recorded(outcome)
            }
            Turn::Later => Reply::Wait { until: None },
            Turn::Never => Reply::Hold,
        }
    }
}

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

    fn ask(&self, command: Command) -> Reply {
        match command {
            Command::StartStep(ask) => {
                let step = ask.step.clone();
                match self.0.ask(Command::StartStep(ask)) {
                    Reply::Recorded(outcome) => self.0.in_turn(&step, outcome),
                    reply => reply,
                }
            }
            Command::FinishStep(report) => {
                self.0.shared.probe("body-end", Some(&report.step));
                self.0.ask(Command::FinishStep(report))
            }
            command => self.0.ask(command),
        }
    }

    fn stirred<'a>(&'a self, step: &'a StepAddress) -> LocalBoxFuture<'a, ()> {
        Box::pin(self.0.stirred_for(step))
    }

    fn admit<'a>(
        &'a self,
        step: &'a StepAddress,
        kind: StepKind,
        attempt: u32,
    ) -> LocalBoxFuture<'a, Admission> {
        Box::pin(self.0.admit(step, kind, attempt))
    }

    fn begin_wait(&self, ask: WaitAsk) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.0.begin_wait(ask))
    }

    fn send(
        &self,
        step: StepAddress,
        events: Vec<OutgoingEvent>,
    ) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move { self.0.send(step, events) })
    }

    fn signal(
        &self,
        step: StepAddress,
        run: RunRef,
        name: String,
        data: Payload,
    ) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.0.signal(step, run, name, data))
    }

    fn start_child(&self, ask: ChildAsk) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move { self.0.start_child(ask) })
    }

    fn go_on(&self, input: Payload, passed: usize) -> LocalBoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move { self.0.go_on(input, passed) })
    }

    fn leave(&self, line: Arc<str>) {
        self.0.leave_line(line);
    }

    fn cancelled<'a>(&'a self, scope: &'a StepAddress) -> LocalBoxFuture<'a, ()> {
        Box::pin(self.0.scope_cancelled(scope))
    }

    fn has_open_scope(&self, line: &str) -> bool {
        let open =
            |state: &stepwell_core::run::RunState| state.scopes_within(line).next().is_some();
        self.0.with_state(open).unwrap_or_default()
    }

    fn output_of(&self, step: &StepAddress) -> Option<Payload> {
        self.0
            .with_state(|state| match &state.steps.get(step)?.progress {
                StepProgress::Done(StepOutcome::Succeeded(output)) => Some(output.clone()),
                StepProgress::Done(StepOutcome::Failed { .. } | StepOutcome::TimedOut)
                | StepProgress::Open { .. }
                | StepProgress::Waiting(_)
                | StepProgress::Forked(_) => None,
            })
            .flatten()
    }

    fn mismatch(&self, recorded: String, attempted: String) {
        let reason = QuarantineReason::Mismatch {
            recorded,
            attempted,
        };
        self.0.ask(Command::Quarantine(reason));
    }

    fn now(&self) -> Timestamp {
        self.0.shared.clock.now()
    }

    fn random(&self) -> u64 {
        self.0.shared.options.chance.bits()
    }

    fn resource(&self, of: TypeId) -> Option<Box<dyn Any>> {
        self.0.shared.registry.resources().get(of)
    }
}
