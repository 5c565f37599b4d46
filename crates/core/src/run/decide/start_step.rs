//! Workflow code reached a step: replay its result, run its body, wait, or find a mismatch.

use super::{decided, mismatch, unchanged};
use crate::entry::{EntryBody, Failure, FailureClass, RunFailed, StepFailed};
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
        return first_ask(state, ask, line.len(), now);
    };
    let Some(step) = state.steps.get(recorded) else {
        return first_ask(state, ask, line.len(), now);
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
        StepProgress::Open { .. } => execute(state, step.next_attempt(), now),
    }
}

/// Bodies wait while workflow code is backing off; what is recorded is handed out all the same.
fn execute(state: &RunState, attempt: u32, now: Timestamp) -> Decision {
    match state.code_retry_at {
        Some(until) if until > now => unchanged(Reply::Park { until }),
        Some(_) | None => unchanged(Reply::Execute { attempt }),
    }
}

/// The journal holds nothing at this place of the branch yet.
fn first_ask(state: &RunState, ask: &StartStep, passed: usize, now: Timestamp) -> Decision {
    let attempted = |how: &str| format!("{} {}{how}", ask.kind.word(), ask.step);
    if let Some(step) = state.steps.get(&ask.step) {
        let recorded = format!("{} {} earlier in its branch", step.kind.word(), ask.step);
        return mismatch(state, now, recorded, attempted(" again"));
    }
    if let Some(open) = state.open_step(&ask.step.branch) {
        let recorded = format!("no result of step {open}");
        return mismatch(state, now, recorded, attempted(" behind it"));
    }
    if ask.position > passed {
        // Code that went on over entries which were refused or lost knows more than the journal.
        let recorded = format!("{passed} of the {} steps passed", ask.position);
        return mismatch(state, now, recorded, attempted(" behind them"));
    }
    if state.steps.len() >= STEPS_PER_RUN {
        return over_limit(state, ask, now);
    }
    execute(state, 1, now)
}

/// The first step too many fails, which code may catch to end well; the next one ends the run, so
/// that code which goes on regardless cannot grow its journal for ever.
fn over_limit(state: &RunState, ask: &StartStep, now: Timestamp) -> Decision {
    let message = format!("run has {STEPS_PER_RUN} steps, the most one run may have");
    let failure = Failure::new(FailureClass::Terminal, message);
    if state.steps.len() > STEPS_PER_RUN {
        let failed = EntryBody::RunFailed(RunFailed { failure });
        return decided(state, now, [failed], Reply::Stop);
    }
    let outcome = StepOutcome::Failed {
        failure: failure.clone(),
        attempts: 1,
    };
    let failed = EntryBody::StepFailed(StepFailed {
        step: ask.step.clone(),
        kind: ask.kind,
        attempt: 1,
        failure,
        retry_at: None,
    });
    decided(state, now, [failed], Reply::Recorded(outcome))
}
