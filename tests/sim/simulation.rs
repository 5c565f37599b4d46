//! The real engine in a drawn world: programs, a history and faults from one seed, and checkers in
//! every run of one.

mod acts;
mod checkers;
mod coverage;
mod dice;
mod follow;
mod interpreter;
mod life;
mod observation;
mod plan;
mod planted;
mod program;
mod seeds;
mod trace;
mod world;
