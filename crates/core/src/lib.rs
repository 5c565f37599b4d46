//! What a run is: ids, journal entries and their encoding, and the pure state machine over them.
//!
//! **Architecture invariant.** Nothing here reads a clock, draws randomness, does I/O, awaits or
//! iterates in hash order: the same inputs give the same bytes, which is what lets live execution,
//! recovery, the CLI and the simulator share one implementation.
//!
//! Reading order: [`ids`] and [`time`], then [`entry`] (what is stored) and [`envelope`] (how),
//! then [`run`] (`decide`, `apply`, `next`), [`retry`] for the arithmetic of backoff and
//! [`schedule`] for that of cron ticks.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod entry;
pub mod envelope;
pub mod ids;
pub mod limits;
pub mod matching;
pub mod payload;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod time;

pub use entry::{
    Awaited, Entry, EntryBody, Failure, FailureClass, Parent, ParentClose, QuarantineReason,
    StepKind, WaitOn,
};
pub use ids::{EventId, EventKey, EventOrder, Fence, RunId, Seq, StepAddress, WorkflowName};
pub use payload::Payload;
pub use retry::RetryPolicy;
pub use time::Timestamp;
