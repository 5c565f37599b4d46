//! The real engine over a store in memory, on one paused runtime: what it promises of runs.

mod control;
mod crashes;
mod steps;
mod world;
