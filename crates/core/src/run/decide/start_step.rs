//! Workflow code reached a step: replay its result, run its body, wait, or find a mismatch.

use super::{decided, mismatch, unchanged};
use crate::entry::{EntryBody, Failure, FailureClass, StepFailed};
use crate::limits::STEPS_PER_RUN;
use crate::run::command::{Decision, Reply, StartStep};
use crate::run::state::{RunState, StepOutcome, StepProgress};
use crate::time::Timestamp;

/// Nothing is written before a body runs: an attempt that leaves no entry left no claim either.
pub(super) fn start_step(state: &RunState, ask: &StartStep, now: Timestamp) -> Decision {
    let stopped = state.outcome.is_some() || state.quarantined.is_some() || state.cancel.is_some();
    if stopped {
        return unchanged(Reply::Stop);
    }
    let line = state
        .order
        .get(&ask.step.branch)
        .map_or(&[][..], Vec::as_slice);
    let Some(recorded) = line.get(ask.position) else {
        return first_ask(state, ask, now);
    };
    let Some(step) = state.steps.get(recorded) else {
        return first_ask(state, ask, now);
    };
    if *recorded != ask.step || step.kind != ask.kind {
        let recorded = format!("{} {recorded}", step.kind.word());
        let attempted = format!("{} {}", ask.kind.word(), ask.step);
        return mismatch(state, now, recorded, attempted);
    }
    match &step.progress {
        StepProgress::Done(outcome) => unchanged(Reply::Recorded(outcome.clone())),
        StepProgress::Open { retry_at: Some(at) } if *at > now => {
            unchanged(Reply::Park { until: *at })
        }
        StepProgress::Open { .. } => unchanged(Reply::Execute {
            attempt: step.next_attempt(),
        }),
    }
}

/// The journal holds nothing at this place of the branch yet.
fn first_ask(state: &RunState, ask: &StartStep, now: Timestamp) -> Decision {
    if let Some(step) = state.steps.get(&ask.step) {
        let recorded = format!("{} {} earlier in its branch", step.kind.word(), ask.step);
        let attempted = format!("{} {} again", ask.kind.word(), ask.step);
        return mismatch(state, now, recorded, attempted);
    }
    if state.steps.len() >= STEPS_PER_RUN {
        let message = format!("run has {STEPS_PER_RUN} steps, the most one run may have");
        let failure = Failure::new(FailureClass::Terminal, message);
        let outcome = StepOutcome::Failed {
            failure: failure.clone(),
            attempts: 1,
        };
        let step = ask.step.clone();
        let body = StepFailed {
            step,
            kind: ask.kind,
            attempt: 1,
            failure,
            retry_at: None,
        };
        return decided(
            state,
            now,
            [EntryBody::StepFailed(body)],
            Reply::Recorded(outcome),
        );
    }
    unchanged(Reply::Execute { attempt: 1 })
}
