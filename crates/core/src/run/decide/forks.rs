//! Forks: branches begin, end, lose a race; a scope undoes what it did.

use super::finish_run::left_over;
use super::finish_step::within_limits;
use super::start_step::{end_over_limit, place};
use super::{decided, mismatch, require_active, unchanged};
use crate::entry::{BranchEnded, EntryBody, Failure, ForkStarted, StepKind, UndoStarted};
use crate::ids::{StepAddress, is_undo_line};
use crate::limits::STEPS_PER_RUN;
use crate::run::command::{Decision, EndBranch, Refusal, Reply, StartFork};
use crate::run::state::{RunState, StepOutcome, StepProgress, StepState};
use crate::time::Timestamp;

/// Code comes to a fork. Its branches run on every replay: what they did to the author's own
/// variables is in no journal.
pub(super) fn start_fork(
    state: &RunState,
    ask: StartFork,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if state.outcome.is_some() || state.quarantined.is_some() {
        return Ok(unchanged(Reply::Stop));
    }
    let found = match place(state, &ask.step, ask.kind, ask.position, now) {
        Ok(found) => found,
        Err(decision) => return Ok(decision),
    };
    if let Some(step) = found {
        return Ok(again(state, &ask, step, now));
    }
    if state.stands_still(&ask.step.branch) {
        return Ok(unchanged(Reply::Hold));
    }
    if !ask.kind.splits_into(ask.branches) {
        return Err(Refusal::StandsElsewhere { step: ask.step });
    }
    if state.steps.len() >= STEPS_PER_RUN && !is_undo_line(&ask.step.branch) {
        return Ok(end_over_limit(state, now));
    }
    let StartFork {
        step,
        kind,
        branches,
        limit,
        position: _,
    } = ask;
    let body = EntryBody::ForkStarted(ForkStarted {
        step,
        kind,
        branches,
        limit: limit.max(1),
    });
    let reply = Reply::Fork {
        limit: limit.max(1),
        failed: None,
    };
    Ok(decided(state, now, [body], reply))
}

/// Code comes to a fork that is recorded.
fn again(state: &RunState, ask: &StartFork, step: &StepState, now: Timestamp) -> Decision {
    let Some(shape) = step.shape else {
        return unchanged(match &step.progress {
            // It was refused as a step too many.
            StepProgress::Done(outcome) => Reply::Recorded(outcome.clone()),
            StepProgress::Open { .. } | StepProgress::Waiting(_) | StepProgress::Forked(_) => {
                Reply::Hold
            }
        });
    };
    if shape.branches != ask.branches {
        let (kind, address) = (ask.kind.word(), &ask.step);
        let recorded = format!("{kind} {address} of {} branches", shape.branches);
        let attempted = format!("{kind} {address} of {}", ask.branches);
        return mismatch(state, now, recorded, attempted);
    }
    unchanged(Reply::Fork {
        limit: shape.limit,
        failed: scope_failure(step),
    })
}

/// What a scope is recorded to have failed with: a body that fares better on replay changes
/// nothing about what was undone because of it.
fn scope_failure(step: &StepState) -> Option<Failure> {
    match &step.progress {
        StepProgress::Forked(fork) => fork.failure.clone(),
        StepProgress::Done(StepOutcome::Failed { failure, .. }) if step.kind == StepKind::Scope => {
            Some(failure.clone())
        }
        StepProgress::Done(_) | StepProgress::Open { .. } | StepProgress::Waiting(_) => None,
    }
}

/// A branch ended. For a race, the answer is what the journal holds as its result.
pub(super) fn end_branch(
    state: &RunState,
    end: EndBranch,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if state.outcome.is_some() || state.quarantined.is_some() {
        return Ok(unchanged(Reply::Stop));
    }
    let Some(step) = state.steps.get(&end.fork) else {
        return Ok(unchanged(Reply::Hold));
    };
    let there = step.shape.is_some_and(|shape| end.branch < shape.branches);
    if !there || end.value.is_some() != (step.kind == StepKind::Race) {
        return Err(Refusal::StandsElsewhere { step: end.fork });
    }
    Ok(branch_came_to_its_end(state, end, step, now))
}

fn branch_came_to_its_end(
    state: &RunState,
    end: EndBranch,
    step: &StepState,
    now: Timestamp,
) -> Decision {
    let undone = matches!(&step.progress, StepProgress::Forked(fork) if fork.undoing);
    let line = if undone {
        end.fork.undo_path()
    } else {
        end.fork.branch_path(end.branch)
    };
    let already = match &step.progress {
        StepProgress::Done(_) => true,
        StepProgress::Forked(fork) => fork.ended.contains(&end.branch),
        StepProgress::Open { .. } | StepProgress::Waiting(_) => false,
    };
    let begun = !state.lines.is_lost(&line);
    if let (true, Some(recorded)) = (begun, left_over(state, &line, end.passed)) {
        let attempted = format!("the end of branch {} of {}", end.branch, end.fork);
        return mismatch(state, now, recorded, attempted);
    }
    match &step.progress {
        StepProgress::Done(_) if step.kind == StepKind::Race && !begun => {
            let recorded = format!("another branch as the winner of race {}", end.fork);
            mismatch(state, now, recorded, format!("branch {}", end.branch))
        }
        StepProgress::Done(outcome) => unchanged(Reply::Recorded(outcome.clone())),
        StepProgress::Forked(_) if already => unchanged(Reply::Accepted),
        StepProgress::Forked(_) if !state.lines.is_live(&line) || state.paused.is_some() => {
            unchanged(Reply::Hold)
        }
        StepProgress::Forked(_) => ended(state, end, now),
        StepProgress::Open { .. } | StepProgress::Waiting(_) => unchanged(Reply::Hold),
    }
}

fn ended(state: &RunState, end: EndBranch, now: Timestamp) -> Decision {
    let within = |value: Result<_, _>| value.and_then(|output| within_limits(state, output));
    let value = end.value.map(within);
    let reply = match &value {
        None => Reply::Accepted,
        Some(Ok(output)) => Reply::Recorded(StepOutcome::Succeeded(output.clone())),
        Some(Err(failure)) => Reply::Recorded(StepOutcome::Failed {
            failure: failure.clone(),
            attempts: 1,
        }),
    };
    let body = EntryBody::BranchEnded(BranchEnded {
        fork: end.fork,
        branch: end.branch,
        value,
    });
    decided(state, now, [body], reply)
}

/// A scope begins to undo, after the scopes begun within it; its body runs no further.
pub(super) fn start_undo(
    state: &RunState,
    scope: StepAddress,
    failed: Option<(Failure, usize)>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    let known = state.steps.get(&scope);
    let Some(step) = known.filter(|step| step.kind == StepKind::Scope) else {
        return Err(Refusal::StandsElsewhere { step: scope });
    };
    let line = scope.branch_path(0);
    let undoing = match &step.progress {
        StepProgress::Forked(fork) => fork.undoing,
        StepProgress::Done(_) => state.lines.get(&scope.undo_path()).is_some(),
        StepProgress::Open { .. } | StepProgress::Waiting(_) => {
            return Err(Refusal::StandsElsewhere { step: scope });
        }
    };
    if undoing {
        // Code walks the same way again.
        return Ok(unchanged(Reply::Accepted));
    }
    let attempted = format!("the failure of scope {scope}");
    if let StepProgress::Done(_) = &step.progress {
        // It ended well, so there is nothing to undo, whatever its body does this time.
        let recorded = format!("the end of scope {scope}");
        return Ok(match failed {
            Some(_) => mismatch(state, now, recorded, attempted),
            None => unchanged(Reply::Hold),
        });
    }
    if failed.is_none() && !state.held(&line) {
        return Err(Refusal::StandsElsewhere { step: scope });
    }
    if state.scopes_within(&line).next().is_some() || state.paused.is_some() {
        return Ok(unchanged(Reply::Hold));
    }
    let passed = failed.as_ref().map(|(_, passed)| *passed);
    if let Some(recorded) = passed.and_then(|passed| left_over(state, &line, passed)) {
        return Ok(mismatch(state, now, recorded, attempted));
    }
    let failure = failed.map(|(failure, _)| failure);
    let body = EntryBody::UndoStarted(UndoStarted { scope, failure });
    Ok(decided(state, now, [body], Reply::Accepted))
}
