//! The run was in flight when the engine died: count the attempt, and quarantine a poison step.

use super::{decided, unchanged};
use crate::entry::{EntryBody, QuarantineReason, Quarantined, Recovered};
use crate::limits::RECOVERIES_ALONE;
use crate::run::command::{Decision, Mark, Reply};
use crate::run::state::{RunState, StepProgress};
use crate::time::Timestamp;

/// Marks are written without a sync and never cleared, so most of them are stale: a mark counts
/// only while the journal still stands where the mark says it stood.
pub(super) fn recover(state: &RunState, mark: Mark, now: Timestamp) -> Decision {
    if state.outcome.is_some() || state.quarantined.is_some() || stale(state, &mark) {
        return unchanged(Reply::Accepted);
    }
    let step = mark.step.as_ref().map(|(address, _)| address.clone());
    let recoveries = state.died_alone(mark.alone);
    let recovered = EntryBody::Recovered(Recovered {
        step: mark.step,
        attempt: mark.attempt,
        alone: mark.alone,
    });
    // No body of a run that is being cancelled starts again, so it can take nothing down; but for
    // those that undo.
    let harmless = state.cancel.is_some() && state.open_scopes.is_empty();
    if recoveries < RECOVERIES_ALONE || harmless {
        return decided(state, now, [recovered], Reply::Accepted);
    }
    let reason = QuarantineReason::Poison { step, recoveries };
    let poison = EntryBody::Quarantined(Quarantined { reason });
    decided(state, now, [recovered, poison], Reply::Stop)
}

fn stale(state: &RunState, mark: &Mark) -> bool {
    let Some((address, kind)) = &mark.step else {
        return state.next_seq > mark.seq;
    };
    if !kind.is_attempted() || !state.under_way(&address.branch) {
        return true;
    }
    match state.steps.get(address) {
        None => mark.attempt != 1 || state.open_step(&address.branch).is_some(),
        Some(step) => match step.progress {
            StepProgress::Done(_) | StepProgress::Waiting(_) | StepProgress::Forked(_) => true,
            StepProgress::Open { .. } => step.kind != *kind || mark.attempt != step.next_attempt(),
        },
    }
}
