//! What a workflow author sees: [`Step`], [`Workflow`], [`Event`], errors, the [`Registry`].
//!
//! A workflow is a plain `async fn` over `&mut Step` and one typed input. Every durable call goes
//! through the step: its result is recorded in the run's journal once, and after a crash the
//! function runs again from the top while recorded steps answer from the journal.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use stepwell::{Attempt, Error, Event, Step, workflow};
//!
//! #[derive(Event, Serialize, Deserialize)]
//! #[event("user/signed.up", key = "userId")]
//! #[serde(rename_all = "camelCase")]
//! struct SignedUp {
//!     user_id: String,
//! }
//!
//! #[workflow(on = SignedUp, retries = 4)]
//! async fn welcome(step: &mut Step, user: SignedUp) -> Result<String, Error> {
//!     let greeting = step
//!         .run("write-greeting", async |_: &Attempt| Ok(format!("hello {}", user.user_id)))
//!         .await?;
//!     step.run("send-greeting", async |attempt: &Attempt| {
//!         // Hand `attempt.idempotency_key()` to the service: it is the same on every attempt.
//!         Ok(attempt.idempotency_key().len())
//!     })
//!     .await?;
//!     Ok(greeting)
//! }
//!
//! let registry = stepwell::Registry::new().with(welcome);
//! assert_eq!(registry.names().collect::<Vec<_>>(), ["welcome"]);
//! ```
//!
//! The result of a step is recorded once; its *body* may run more than once, when the engine dies
//! between the effect and the record. Bodies borrow locals freely. The borrow checker rejects the
//! classic mistakes: two steps at once over one `step`, a durable call inside a step's body, a
//! `step` moved into a spawned future.
//!
//! # What a workflow can do
//!
//! | to | call |
//! | --- | --- |
//! | act outside | [`Step::run`], [`Step::transaction`], [`Step::run_blocking`] |
//! | wait | [`Step::sleep`], [`Step::sleep_until`], [`Step::wait_for`], [`Step::wait_signal`] |
//! | tell others | [`Step::send`], [`Step::send_all`], [`Step::signal`] |
//! | run other workflows | [`Step::invoke`], [`Step::start`] |
//! | do things side by side | [`Step::join`], [`Step::map`], [`Step::race`] |
//! | take back | [`Step::scope`], [`ScopedStep::undo`], [`Scope::on_undo`] |
//! | go round for ever | [`Step::continue_as_new`] |
//! | draw a value | [`Step::now`], [`Step::random`], [`Step::ulid`] |
//!
//! While a run waits, its future may be dropped and replayed later: waiting never travels through
//! an author's `Result`, and nothing with an effect belongs into `Drop`. The pages of
//! `docs/primitives` hold the rules of each call, and what becomes of it in a crash.

mod attempt;
mod children;
mod client;
#[cfg(doctest)]
mod doc_pages;
mod error;
mod event;
pub mod host;
mod parallel;
mod patches;
mod registry;
mod scope;
mod sends;
#[cfg(feature = "sqlx")]
pub mod sqlx;
mod step;
mod transaction;
mod values;
mod waits;
mod workflow;

pub use attempt::Attempt;
pub use children::{Invoke, Start};
pub use client::{Client, Intake, OutgoingEvent, RunRef, SendError, StartOptions};
pub use error::{Error, StepError};
pub use event::{Event, EventType, KeyText};
pub use parallel::{Alternatives, Branches, Fork};
pub use registry::{Registry, RegistryError, Resources};
pub use scope::{Scope, ScopedStep};
pub use step::{RunStep, Step};
pub use stepwell_core::schedule::{Missed, Overlap};
pub use stepwell_core::{
    EventId, ParentClose, Payload, RetryPolicy, RunId, StepAddress, Timestamp,
};
pub use stepwell_macros::{Event, workflow};
pub use transaction::{Begun, Database, Receipt, TransactionStep};
pub use waits::{TimedWaitFor, TimedWaitSignal, WaitFor, WaitSignal};
pub use workflow::{Cron, FailedRun, Tick, TypedWorkflow, Workflow, WorkflowFuture};

/// What the macros expand to; nothing here is for authors.
#[doc(hidden)]
pub mod expanded {
    pub use crate::workflow::{Returned, call};
}
