//! Which steps a retry opens again, and whether it can.

use super::command::Refusal;
use super::state::{Awaiting, Outcome, RunState, StepOutcome, StepProgress};
use crate::entry::StepKind;
use crate::ids::StepAddress;
use crate::time::Timestamp;

/// Of a failed run the steps that failed last on their lines are tried again, with all their
/// attempts; of a run that backs off, what backs off is tried at once.
///
/// What came after a failure is on record and stays. Where that, or something undone, stands in
/// the way, the same keys would not mean the same effect any more: that takes a fork of the run.
pub(super) fn reopens(state: &RunState, now: Timestamp) -> Result<Vec<StepAddress>, Refusal> {
    if state.quarantined.is_some() {
        return Err(Refusal::Quarantined);
    }
    if state.cancel.is_some() && state.outcome.is_none() {
        return Err(Refusal::Cancelling);
    }
    match &state.outcome {
        None => backing_off(state, now),
        Some(Outcome::Failed(failure)) => {
            let mut steps = Vec::new();
            failed_last(state, "", &mut steps)?;
            match failure.step.clone().filter(|step| !steps.contains(step)) {
                Some(step) => Err(Refusal::FailedBefore { step }),
                None => Ok(steps),
            }
        }
        Some(Outcome::Completed(_) | Outcome::Cancelled | Outcome::Continued(_)) => {
            Err(Refusal::NothingToRetry {
                status: state.status(now),
            })
        }
    }
}

/// What of a run that goes on waits for another attempt.
fn backing_off(state: &RunState, now: Timestamp) -> Result<Vec<StepAddress>, Refusal> {
    let last = |line| state.lines.steps(line).last();
    let backs_off = |step: &&StepAddress| {
        let progress = state.steps.get(*step).map(|step| &step.progress);
        matches!(progress, Some(StepProgress::Open { retry_at: Some(_) }))
    };
    let timed = state.lines.timed().filter_map(|(_, line)| last(line));
    let steps: Vec<_> = timed.filter(backs_off).cloned().collect();
    if steps.is_empty() && state.code_retry_at.is_none() {
        return Err(Refusal::NothingToRetry {
            status: state.status(now),
        });
    }
    Ok(steps)
}

/// Adds the steps of a failed run that failed last on `branch`, or on a branch of what came last.
fn failed_last(
    state: &RunState,
    branch: &str,
    steps: &mut Vec<StepAddress>,
) -> Result<(), Refusal> {
    let last = state.lines.steps(branch).last();
    let Some((address, step)) = last.and_then(|last| state.steps.get_key_value(last)) else {
        return Ok(());
    };
    let not_again = || Refusal::NotAgain {
        step: address.clone(),
        kind: step.kind.word(),
    };
    match (&step.progress, step.kind) {
        (StepProgress::Done(StepOutcome::Failed { .. }), StepKind::Race | StepKind::Scope) => {
            Err(not_again())
        }
        (StepProgress::Done(StepOutcome::Failed { .. }), _)
        | (StepProgress::Open { retry_at: Some(_) }, _) => {
            steps.push(address.clone());
            Ok(())
        }
        (StepProgress::Waiting(wait), _) => match &wait.on {
            // The end of a child is told once, and may have been told to the run that failed.
            Awaiting::Child(_) => Err(not_again()),
            Awaiting::On(_) => Ok(()),
        },
        (StepProgress::Forked(_), _)
        | (StepProgress::Done(StepOutcome::Succeeded(_)), StepKind::Join | StepKind::Map) => {
            let (branches, limit) = step
                .shape
                .map_or((0, 0), |shape| (shape.branches, shape.limit));
            let mut reopened = 0;
            for number in 0..branches {
                let before = steps.len();
                failed_last(state, &address.branch_path(number), steps)?;
                reopened += u32::from(steps.len() > before);
            }
            // They would hold places of others that ended, whose results come first on a replay.
            if limit < branches && reopened > 0 {
                return Err(not_again());
            }
            Ok(())
        }
        (StepProgress::Open { retry_at: None }, _)
        | (StepProgress::Done(StepOutcome::Succeeded(_) | StepOutcome::TimedOut), _) => Ok(()),
    }
}
