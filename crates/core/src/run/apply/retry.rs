//! What failed is tried again: steps and branches reopen, and so does the run.

use std::collections::BTreeSet;

use super::{Illegal, waits};
use crate::entry::{Entry, Retried, StepKind, WaitOn};
use crate::ids::StepAddress;
use crate::run::reopening::reopens;
use crate::run::state::{Awaiting, Fork, RunState, StepOutcome, StepProgress};

/// Each step gets all its attempts again; the branches and forks around it are under way again.
pub(super) fn retried(
    state: &mut RunState,
    entry: &Entry,
    fields: &Retried,
) -> Result<(), Illegal> {
    let seq = entry.seq;
    if reopens(state, entry.at).as_ref() != Ok(&fields.steps) {
        return Err(Illegal::NothingToConclude { seq });
    }
    for step in &fields.steps {
        reopen(state, step).ok_or_else(|| Illegal::StandsElsewhere {
            seq,
            step: step.clone(),
        })?;
    }
    if state.outcome.take().is_some() {
        state.reopened = state.reopened.saturating_add(1);
        listen_again(state);
    }
    state.suspicion = None;
    state.code_failures = 0;
    state.code_retry_at = None;
    for step in &fields.steps {
        state.refresh_around(&step.branch);
    }
    Ok(())
}

fn reopen(state: &mut RunState, step: &StepAddress) -> Option<()> {
    if state.lines.steps(&step.branch).last() != Some(step) {
        return None;
    }
    let known = state.steps.get_mut(step)?;
    match &known.progress {
        StepProgress::Open { retry_at: Some(_) }
        | StepProgress::Done(StepOutcome::Failed { .. }) => {}
        StepProgress::Open { retry_at: None }
        | StepProgress::Waiting(_)
        | StepProgress::Forked(_)
        | StepProgress::Done(_) => return None,
    }
    if let StepKind::Race | StepKind::Scope = known.kind {
        return None;
    }
    if known.kind.is_attempted() {
        // Attempts are numbered on: nobody is told of attempt 1 twice.
        known.spent = known.next_attempt().saturating_sub(1);
        known.failures = 0;
        known.recoveries = 0;
        known.progress = StepProgress::Open { retry_at: None };
    } else {
        // What is begun once begins anew: another child, another wait.
        state.steps.remove(step);
        state.lines.pop(&step.branch);
    }
    state.results.retain(|done| done != step);
    reopen_around(state, step)
}

/// The forks around `step` have branches under way again.
fn reopen_around(state: &mut RunState, step: &StepAddress) -> Option<()> {
    let mut line = step.branch.clone();
    while let Some(address) = state.lines.fork_of(&line).cloned() {
        let last = state.lines.steps(&address.branch).last() == Some(&address);
        let known = state.steps.get_mut(&address).filter(|_| last)?;
        let (shape, kind) = (known.shape?, known.kind);
        let number = (0..shape.branches).find(|number| address.branch_path(*number) == line);
        match &mut known.progress {
            StepProgress::Forked(fork) => {
                if let Some(number) = number {
                    fork.ended.remove(&number);
                }
            }
            StepProgress::Done(_) if matches!(kind, StepKind::Join | StepKind::Map) => {
                let ended: BTreeSet<u32> = (0..shape.branches)
                    .filter(|other| Some(*other) != number)
                    .collect();
                known.progress = StepProgress::Forked(Box::new(Fork {
                    shape,
                    ended,
                    undoing: false,
                    failure: None,
                }));
            }
            StepProgress::Done(_) | StepProgress::Open { .. } | StepProgress::Waiting(_) => {
                return None;
            }
        }
        state.lines.revive(&line);
        line = address.branch;
    }
    Some(())
}

/// What the run listened for before it failed. Events may have come meanwhile: waits look.
fn listen_again(state: &mut RunState) {
    for awaited in state.started.cancel_on.clone() {
        waits::listen(state, awaited.digest());
    }
    for step in state.waiting.clone() {
        let progress = state.steps.get_mut(&step).map(|known| &mut known.progress);
        let Some(StepProgress::Waiting(wait)) = progress else {
            continue;
        };
        let Awaiting::On(WaitOn::Event { awaited, .. }) = &wait.on else {
            continue;
        };
        let key = awaited.digest();
        wait.look = wait.offered.is_none();
        waits::listen(state, key);
        state.refresh(&step.branch);
    }
}
