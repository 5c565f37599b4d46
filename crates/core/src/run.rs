//! The state machine of one run: [`decide`], [`apply`] and [`next`], and nothing else decides.
//!
//! A [`Command`] is a request; [`decide`] answers it with entries to append and a [`Reply`], or a
//! [`Refusal`]. Entries are the only transitions: [`RunState`] comes from nowhere but [`apply`]
//! over the journal, live and in recovery alike. [`next`] says what the run needs now; it is
//! computed from state, so a crash between a commit and acting on it loses nothing. [`Delivery`]
//! says which result code may see next, and [`outward`] what a transition means for other runs.

mod apply;
mod command;
mod decide;
mod delivery;
mod forked;
mod lines;
mod next;
mod outward;
mod reopening;
mod state;
mod waiters;

pub use apply::{Illegal, apply, fold};
pub use command::{
    Arrival, ChildOutcome, Command, Decision, EndBranch, Ended, FinishStep, Mark, Refusal, Reply,
    StartFork, StartStep, StartWait, Subject,
};
pub use decide::{begin, decide};
pub use delivery::{Delivery, Turn};
pub use forked::{Again, CannotFork, ForkPlan, fork_at};
pub use lines::{Line, Lines, Standing};
pub use next::{Next, deadline, due_at, next};
pub use outward::{Outward, outward};
pub use state::{
    Awaiting, Cancel, Child, Fork, Outcome, Pause, RunState, RunStatus, Shape, StepOutcome,
    StepProgress, StepState, Suspicion, Wait,
};

#[cfg(test)]
mod tests;
