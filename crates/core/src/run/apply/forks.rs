//! What becomes of a fork: its branches begin, end, lose a race, undo what they did.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::steps::{conclude, due, nothing_left_open, nothing_within_left_open};
use super::{Illegal, count, progressed};
use crate::entry::{BranchEnded, Failure, ForkStarted, StepKind, UndoStarted};
use crate::ids::Seq;
use crate::payload::Payload;
use crate::run::lines::Standing;
use crate::run::state::{Fork, RunState, Shape, StepOutcome, StepProgress};

pub(super) fn started(state: &mut RunState, seq: Seq, fields: &ForkStarted) -> Result<(), Illegal> {
    let elsewhere = || Illegal::StandsElsewhere {
        seq,
        step: fields.step.clone(),
    };
    if !fields.kind.splits_into(fields.branches) || fields.limit == 0 {
        return Err(elsewhere());
    }
    super::waits::not_held(state, seq, &fields.step)?;
    let step = due(state, seq, &fields.step, fields.kind)?;
    if let StepProgress::Forked(_) = step.progress {
        return Err(elsewhere());
    }
    let shape = Shape {
        branches: fields.branches,
        limit: fields.limit,
    };
    step.shape = Some(shape);
    step.progress = StepProgress::Forked(Box::new(Fork {
        shape,
        ended: BTreeSet::new(),
        undoing: false,
        failure: None,
    }));
    if fields.kind == StepKind::Scope {
        state.open_scopes.insert(fields.step.clone());
    }
    for branch in 0..fields.branches.min(fields.limit) {
        let path = fields.step.branch_path(branch);
        state.lines.begin(Some(fields.step.clone()), path);
    }
    state.refresh(&fields.step.branch);
    progressed(state);
    if fields.branches == 0 {
        conclude(state, &fields.step, StepOutcome::Succeeded(Payload::null()));
    }
    Ok(())
}

pub(super) fn branch_ended(
    state: &mut RunState,
    seq: Seq,
    fields: &BranchEnded,
) -> Result<(), Illegal> {
    let elsewhere = || Illegal::StandsElsewhere {
        seq,
        step: fields.fork.clone(),
    };
    let known = state.steps.get_mut(&fields.fork).ok_or_else(elsewhere)?;
    let kind = known.kind;
    let StepProgress::Forked(fork) = &mut known.progress else {
        return Err(elsewhere());
    };
    let Shape { branches, limit } = fork.shape;
    let begun = fields.branch < branches
        && u64::from(fields.branch) < fork.ended.len() as u64 + u64::from(limit);
    let valued = fields.value.is_some() == (kind == StepKind::Race);
    if !begun || !valued || !fork.ended.insert(fields.branch) {
        return Err(elsewhere());
    }
    let ended = fork.ended.len() as u64;
    let (undoing, all) = (fork.undoing, ended == u64::from(branches));
    let failure = fork.failure.clone();
    let further = u32::try_from(ended + u64::from(limit) - 1)
        .ok()
        .filter(|next| *next < branches);
    let line = if undoing {
        fields.fork.undo_path()
    } else {
        fields.fork.branch_path(fields.branch)
    };
    if !state.lines.is_live(&line) {
        return Err(elsewhere());
    }
    nothing_within_left_open(state, seq, &line)?;
    state.lines.end(&line, Standing::Ended);
    state.refresh(&line);
    if let Some(value) = &fields.value {
        won(state, fields, Shape { branches, limit }, value);
    } else if all {
        state.open_scopes.remove(&fields.fork);
        let outcome = match failure {
            Some(failure) => StepOutcome::Failed {
                failure,
                attempts: 1,
            },
            None => StepOutcome::Succeeded(Payload::null()),
        };
        conclude(state, &fields.fork, outcome);
        if kind == StepKind::Scope {
            state.refresh_around(&fields.fork.branch);
        }
    } else if let Some(next) = further {
        let path = fields.fork.branch_path(next);
        state.lines.begin(Some(fields.fork.clone()), path.clone());
        state.refresh(&path);
    }
    progressed(state);
    Ok(())
}

/// The first branch of a race to end decides it; the others are over with the same entry.
fn won(state: &mut RunState, fields: &BranchEnded, shape: Shape, value: &Result<Payload, Failure>) {
    // No other branch than the first ones can have begun before one ended.
    let begun = 0..shape.branches.min(shape.limit);
    for branch in begun.filter(|branch| *branch != fields.branch) {
        lose(state, &fields.fork.branch_path(branch));
    }
    let (bytes, outcome) = match value {
        Ok(output) => (output.len(), StepOutcome::Succeeded(output.clone())),
        Err(failure) => {
            let failure = failure.clone();
            let attempts = 1;
            let bytes = failure.message.len();
            (bytes, StepOutcome::Failed { failure, attempts })
        }
    };
    count(state, bytes);
    conclude(state, &fields.fork, outcome);
}

/// A line and what was forked from it are over: their waits end, their undo lines do not.
fn lose(state: &mut RunState, line: &Arc<str>) {
    let lost = state.lines.lose(line);
    for line in &lost {
        // Only the last step of a line can wait.
        if let Some(step) = state.lines.steps(line).last().cloned() {
            super::waits::closed(state, &step);
        }
    }
    for line in &lost {
        state.refresh(line);
    }
}

pub(super) fn undo_started(
    state: &mut RunState,
    seq: Seq,
    fields: &UndoStarted,
) -> Result<(), Illegal> {
    let elsewhere = || Illegal::StandsElsewhere {
        seq,
        step: fields.scope.clone(),
    };
    let known = state.steps.get(&fields.scope).ok_or_else(elsewhere)?;
    let undoing = match &known.progress {
        StepProgress::Forked(fork) => fork.undoing,
        StepProgress::Open { .. } | StepProgress::Waiting(_) | StepProgress::Done(_) => true,
    };
    let body = fields.scope.branch_path(0);
    // Code undoes what it is told to, or what its own failure calls for once it is past its steps.
    let called_for = fields.failure.is_some() || state.held(&body);
    if known.kind != StepKind::Scope || undoing || !called_for {
        return Err(elsewhere());
    }
    if fields.failure.is_some() {
        nothing_left_open(state, seq, &body)?;
    }
    // What was begun within is undone first.
    if let Some(open) = state.scopes_within(&body).next() {
        let open = open.clone();
        return Err(Illegal::LeftOpen { seq, open });
    }
    let message = fields.failure.as_ref().map(|failure| failure.message.len());
    count(state, message.unwrap_or(0));
    let known = state.steps.get_mut(&fields.scope);
    if let Some(StepProgress::Forked(fork)) = known.map(|known| &mut known.progress) {
        fork.undoing = true;
        fork.failure = fields.failure.clone();
    }
    // What the body was in the middle of is over, whatever it waited for.
    lose(state, &body);
    state.refresh(&body);
    let undo = fields.scope.undo_path();
    state.lines.begin(Some(fields.scope.clone()), undo);
    progressed(state);
    Ok(())
}
