//! The seam behind [`Step`](crate::Step): what it asks of whoever drives the run.
//!
//! The engine implements it over the journal, a test over a script. A step knows nothing of
//! stores; a host knows nothing of bodies.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use stepwell_core::run::{Command, Reply};
use stepwell_core::{
    Failure, ParentClose, Payload, RetryPolicy, RunId, StepAddress, StepKind, Timestamp, WaitOn,
};
use tokio_util::sync::CancellationToken;

use crate::client::{OutgoingEvent, RunRef, StartOptions};

/// What runs instead of a body; its result is recorded as the body's would be.
pub type StandIn = LocalBoxFuture<'static, Result<Payload, Failure>>;

/// Held while a body runs; dropping it says the body is no longer in flight.
pub struct Admission {
    held: Box<dyn Any>,
    cancelled: CancellationToken,
    stand_in: Option<StandIn>,
}

impl Admission {
    /// Wraps whatever the host wants to see dropped; the token tells the body that nobody will act
    /// on its result.
    #[must_use]
    pub fn new(held: impl Any, cancelled: CancellationToken) -> Self {
        Self {
            held: Box::new(held),
            cancelled,
            stand_in: None,
        }
    }

    /// Holds something more for as long as the body is in flight.
    #[must_use]
    pub fn holding(mut self, more: impl Any) -> Self {
        self.held = Box::new((more, self.held));
        self
    }

    /// Runs `stand_in` instead of the body. For tests.
    #[must_use]
    pub fn with_stand_in(mut self, stand_in: StandIn) -> Self {
        self.stand_in = Some(stand_in);
        self
    }

    /// What runs instead of the body, if anything does.
    pub(crate) fn take_stand_in(&mut self) -> Option<StandIn> {
        self.stand_in.take()
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.cancelled.clone()
    }
}

/// A wait as code asks for it.
#[derive(Debug, Clone)]
pub struct WaitAsk {
    /// The step that waits.
    pub step: StepAddress,
    /// For what.
    pub on: WaitOn,
    /// The instant, or the deadline.
    pub until: Option<Timestamp>,
    /// How far before the run's own start events still count.
    pub look_back: Duration,
}

/// A run that code asks to be started.
#[derive(Debug, Clone)]
pub struct ChildAsk {
    /// The step that starts it.
    pub step: StepAddress,
    /// Its workflow.
    pub workflow: &'static str,
    /// The version of the handle it was started by.
    pub version: u32,
    /// Its input.
    pub input: Payload,
    /// Whether code goes on at once.
    pub detached: bool,
    /// What becomes of it when this run ends first.
    pub close: ParentClose,
    /// On which terms it starts.
    pub options: StartOptions,
}

/// Whoever drives one run.
pub trait Host {
    /// The run.
    fn run(&self) -> RunId;

    /// The policy of steps that set none themselves.
    fn retry_policy(&self) -> RetryPolicy;

    /// The time limit of an attempt that sets none itself.
    fn attempt_timeout(&self) -> Duration;

    /// Puts a request of code to the run; what it comes to takes its place in the journal before
    /// this returns. A host that cannot go on answers [`Reply::Stop`]; a result whose turn has not
    /// come is answered with [`Reply::Wait`].
    fn ask(&self, command: Command) -> Reply;

    /// Resolves when it is worth asking again for `step`.
    fn stirred<'a>(&'a self, step: &'a StepAddress) -> LocalBoxFuture<'a, ()>;

    /// Resolves when the body of this attempt may run: every earlier entry of the run is durable,
    /// and the attempt is marked as in flight.
    fn admit<'a>(
        &'a self,
        step: &'a StepAddress,
        kind: StepKind,
        attempt: u32,
    ) -> LocalBoxFuture<'a, Admission>;

    /// Begins a wait; nothing it waits for is missed from then on.
    ///
    /// # Errors
    /// What makes the wait impossible, to be recorded as its result.
    fn begin_wait(&self, ask: WaitAsk) -> LocalBoxFuture<'_, Result<(), Failure>>;

    /// Sends events as the effect of `step`, recorded in the same commit.
    ///
    /// # Errors
    /// What makes them unacceptable, to be recorded as the step's result.
    fn send(
        &self,
        step: StepAddress,
        events: Vec<OutgoingEvent>,
    ) -> LocalBoxFuture<'_, Result<(), Failure>>;

    /// Signals another run as the effect of `step`, recorded in the same commit.
    ///
    /// # Errors
    /// That there is no such run, or it has ended; to be recorded as the step's result.
    fn signal(
        &self,
        step: StepAddress,
        run: RunRef,
        name: String,
        data: Payload,
    ) -> LocalBoxFuture<'_, Result<(), Failure>>;

    /// Starts another run as the effect of a step, recorded in the same commit.
    ///
    /// # Errors
    /// What makes it impossible, to be recorded as the step's result.
    fn start_child(&self, ask: ChildAsk) -> LocalBoxFuture<'_, Result<(), Failure>>;

    /// Ends this run and goes on as another with `input`; `passed` steps of its own line are
    /// behind the code.
    ///
    /// # Errors
    /// What makes it impossible.
    fn go_on(&self, input: Payload, passed: usize) -> LocalBoxFuture<'_, Result<(), Failure>>;

    /// The code of `line` is over; results recorded for it are asked for by nobody.
    fn leave(&self, line: Arc<str>);

    /// Resolves when the body of `scope` is to be dropped so that it can undo: the run is being
    /// cancelled or the scope's branch lost its race, and nothing of the body is in flight.
    fn cancelled<'a>(&'a self, scope: &'a StepAddress) -> LocalBoxFuture<'a, ()>;

    /// Whether a scope within `line` has yet to end.
    fn has_open_scope(&self, line: &str) -> bool;

    /// The recorded result of `step`, if it succeeded.
    fn output_of(&self, step: &StepAddress) -> Option<Payload>;

    /// What a recorded result cannot be read as: the run is quarantined.
    fn mismatch(&self, recorded: String, attempted: String);

    /// The present instant, for [`Step::now`](crate::Step::now).
    fn now(&self) -> Timestamp;

    /// Sixty-four random bits, for [`Step::random`](crate::Step::random).
    fn random(&self) -> u64;

    /// The registered dependency of this type, cloned.
    fn resource(&self, of: TypeId) -> Option<Box<dyn Any>>;
}

/// What a panic said, as far as it can be told.
#[must_use]
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    said.map_or_else(|| "panicked".to_owned(), |said| format!("panicked: {said}"))
}
