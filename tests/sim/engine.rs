//! The real engine over a store in memory, on one paused runtime: what it promises of runs.

mod control;
mod crashes;
mod passing;
mod reads;
mod steps;
mod transactions;
pub(crate) mod world;
