//! What tests of the real binary stand on: a place to run it, the running engine, its API.

mod api;
mod command;
mod crowd;
mod engine;
mod patience;
mod site;
mod witness;

pub(crate) use command::{Said, json_of, printed, said};
pub(crate) use crowd::{Crowd, Posted};
pub(crate) use engine::{Death, Engine};
pub(crate) use patience::soon;
pub(crate) use site::Site;
pub(crate) use witness::{Answer, Call, Witness};

/// The exit codes that `docs/exit-codes.md` promises, as far as tests ask for them.
pub(crate) mod exit {
    /// All went well.
    pub(crate) const OK: i32 = 0;
    /// The command line is wrong.
    pub(crate) const USAGE: i32 = 2;
    /// No such run or workflow.
    pub(crate) const NOT_FOUND: i32 = 4;
    /// The run that was waited for did not complete.
    pub(crate) const RUN_FAILED: i32 = 5;
    /// No engine answers.
    pub(crate) const UNREACHABLE: i32 = 12;
    /// The state of things does not allow it.
    pub(crate) const CONFLICT: i32 = 13;
    /// Something stored is not what was written.
    pub(crate) const CORRUPT: i32 = 7;
    /// The disk is full.
    pub(crate) const FULL: i32 = 8;
    /// Code does not fit the journal of a run.
    pub(crate) const BREAKS: i32 = 15;
    /// It cannot be said of every run whether code fits.
    pub(crate) const UNCHECKED: i32 = 16;
}
