//! The seam behind [`Step`](crate::Step): what it asks of whoever drives the run.
//!
//! The engine implements it over the journal, a test over a script. A step knows nothing of
//! stores; a host knows nothing of bodies.

use std::any::{Any, TypeId};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use stepwell_core::run::{FinishStep, Reply, StartStep};
use stepwell_core::{RetryPolicy, RunId, StepAddress, StepKind, Timestamp};

/// Held while a body runs; dropping it says the body is no longer in flight.
pub struct Admission(#[expect(dead_code, reason = "held for its Drop alone")] Box<dyn Any>);

impl Admission {
    /// Wraps whatever the host wants to see dropped.
    #[must_use]
    pub fn new(held: impl Any) -> Self {
        Self(Box::new(held))
    }
}

/// Whoever drives one run.
pub trait Host {
    /// The run.
    fn run(&self) -> RunId;

    /// The policy of steps that set none themselves.
    fn retry_policy(&self) -> RetryPolicy;

    /// The time limit of an attempt that sets none itself.
    fn attempt_timeout(&self) -> Duration;

    /// Code reached a step. A host that cannot go on answers [`Reply::Stop`].
    fn start_step(&self, ask: StartStep) -> Reply;

    /// A body ended; its result takes its place in the journal before this returns.
    fn finish_step(&self, report: FinishStep);

    /// Resolves when the body of this attempt may run: every earlier entry of the run is durable,
    /// and the attempt is marked as in flight.
    fn admit<'a>(
        &'a self,
        step: &'a StepAddress,
        kind: StepKind,
        attempt: u32,
    ) -> LocalBoxFuture<'a, Admission>;

    /// Resolves at `until`, or never when the host lets go of the run in the meantime.
    fn wait_until(&self, until: Timestamp) -> LocalBoxFuture<'_, ()>;

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
