//! The state machine of one run: [`decide`], [`apply`] and [`next`], and nothing else decides.
//!
//! A [`Command`] is a request; [`decide`] answers it with entries to append and a [`Reply`], or a
//! [`Refusal`]. Entries are the only transitions: [`RunState`] comes from nowhere but [`apply`]
//! over the journal, live and in recovery alike. [`next`] says what the run needs now; it is
//! computed from state, so a crash between a commit and acting on it loses nothing.

mod apply;
mod command;
mod decide;
mod next;
mod state;

pub use apply::{Illegal, apply, fold};
pub use command::{Command, Decision, Ended, FinishStep, Mark, Refusal, Reply, StartStep};
pub use decide::{begin, decide};
pub use next::{Next, next};
pub use state::{
    Cancel, Outcome, RunState, RunStatus, StepOutcome, StepProgress, StepState, Suspicion,
};

#[cfg(test)]
mod tests;
