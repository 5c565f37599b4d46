//! The durable primitives on the real engine, on one paused runtime, with a crash at every commit.

mod cancelling;
mod children;
mod events;
pub(crate) mod everywhere;
mod forks;
mod interleavings;
mod long_runs;
mod schedules;
mod signals;
mod starting;
mod timers;
mod undo;
