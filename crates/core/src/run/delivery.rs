//! Whose turn it is: results are handed to code in the order of the journal, always.
//!
//! Branches run beside each other, so which of two results code sees first can decide what it does
//! next. Live, the journal's order is the order of events; on replay every result is there at
//! once, and would be seen in the order in which branches happen to ask. So a result is handed out
//! only when every result before it was, or never can be because its branch is over. Between two
//! results only the branch that got one moves: the code's own order is the journal's.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::state::{RunState, StepOutcome, StepProgress};
use crate::ids::{StepAddress, UNDO_LINE, is_undo_line, undoes_within};

/// How far the results of one run were handed to one replay of its code.
#[derive(Debug, Default)]
pub struct Delivery {
    next: usize,
    /// Lines whose code is gone.
    gone: BTreeSet<Arc<str>>,
}

/// Whether a step may see its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Now,
    /// Others come first.
    Later,
    /// It was recorded after a cancellation and is not acted upon.
    Never,
}

impl Delivery {
    /// Whether `step`, which has a result, may see it.
    pub fn turn(&mut self, state: &RunState, step: &StepAddress) -> Turn {
        match self.front(state) {
            Some(front) if front == step => Turn::Now,
            Some(_) => Turn::Later,
            None => Turn::Never,
        }
    }

    /// The step whose result is handed out next, if one is there.
    pub fn front<'s>(&mut self, state: &'s RunState) -> Option<&'s StepAddress> {
        loop {
            let front = state.results.get(self.next)?;
            let late = state
                .cancel
                .as_ref()
                .is_some_and(|cancel| self.next >= cancel.results);
            let branch = &front.branch;
            let unheard = late && !is_undo_line(branch);
            if !unheard && !self.is_gone(branch) && !self.is_undone(state, branch) {
                return Some(front);
            }
            self.next += 1;
        }
    }

    /// The result at the front was handed out.
    pub fn delivered(&mut self) {
        self.next += 1;
    }

    /// The code of `line` is over: what is recorded for it is asked for by nobody.
    pub fn leave(&mut self, line: Arc<str>) {
        self.gone.insert(line);
    }

    /// Whether code has seen everything that was recorded before the run was asked to cancel.
    pub fn caught_up_with_cancel(&mut self, state: &RunState) -> bool {
        let Some(cancel) = &state.cancel else {
            return false;
        };
        // Skips what nobody asks for.
        let _ = self.front(state);
        self.next >= cancel.results
    }

    /// Whether `branch` belongs to the undoing of a scope which is over and which code does not walk
    /// through again: it went on with nothing, or lies on a line that is gone.
    fn is_undone(&self, state: &RunState, branch: &str) -> bool {
        let mut around = branch;
        while let Some(scope) = state.lines.fork_of(around) {
            let outcome = match state.steps.get(scope).map(|step| &step.progress) {
                Some(StepProgress::Done(outcome)) if around.ends_with(UNDO_LINE) => Some(outcome),
                Some(
                    StepProgress::Done(_)
                    | StepProgress::Open { .. }
                    | StepProgress::Waiting(_)
                    | StepProgress::Forked(_),
                )
                | None => None,
            };
            match outcome {
                Some(StepOutcome::Succeeded(_)) => return true,
                Some(StepOutcome::Failed { .. } | StepOutcome::TimedOut)
                    if self.is_gone(&scope.branch) =>
                {
                    return true;
                }
                Some(StepOutcome::Failed { .. } | StepOutcome::TimedOut) | None => {}
            }
            around = &scope.branch;
        }
        false
    }

    /// Whether the code of `branch`, or of a line around it, is over. A scope undoes after the code
    /// around it is over: its undo line is not.
    fn is_gone(&self, branch: &str) -> bool {
        let ends = branch.match_indices('/').map(|(at, _)| at);
        let around = ends.chain([branch.len()]).map(|end| &branch[..end]);
        let mut gone = around.filter(|line| self.gone.contains(*line));
        gone.any(|line| !undoes_within(branch, line))
    }
}
