//! Workflow code reached a step: replay its result, run its body, wait, or find a mismatch.

use super::{decided, mismatch, unchanged, waits};
use crate::entry::{
    CancelRequested, EntryBody, Failure, FailureClass, RunFailed, StepFailed, StepKind,
};
use crate::ids::{StepAddress, is_undo_line};
use crate::limits::STEPS_PER_RUN;
use crate::run::command::{Decision, Reply, StartStep};
use crate::run::state::{RunState, StepOutcome, StepProgress, StepState};
use crate::time::Timestamp;

/// Nothing is written before a body runs: an attempt that leaves no entry left no claim either.
pub(super) fn start_step(state: &RunState, ask: &StartStep, now: Timestamp) -> Decision {
    if state.outcome.is_some() || state.quarantined.is_some() {
        return unchanged(Reply::Stop);
    }
    let found = match place(state, &ask.step, ask.kind, ask.position, now) {
        Ok(found) => found,
        Err(decision) => return decision,
    };
    if let Some(step) = found
        && let (Some(recorded), Some(asked)) = (&step.subject, &ask.subject)
        && recorded != asked
    {
        let words = |subject| format!("{} {} for {subject}", ask.kind.word(), ask.step);
        return mismatch(state, now, words(recorded), words(asked));
    }
    let held = state.stands_still(&ask.step.branch);
    match found.map(|step| (step, &step.progress)) {
        None if held => unchanged(Reply::Hold),
        None if state.steps.len() >= STEPS_PER_RUN && !is_undo_line(&ask.step.branch) => {
            over_limit(state, ask, now)
        }
        None => execute(state, 1, now),
        Some((_, StepProgress::Done(outcome))) => unchanged(Reply::Recorded(outcome.clone())),
        Some(_) if held => unchanged(Reply::Hold),
        Some((_, StepProgress::Open { retry_at: Some(at) })) if *at > now => {
            unchanged(Reply::Park { until: *at })
        }
        Some((step, StepProgress::Open { .. })) => execute(state, step.next_attempt(), now),
        Some((_, StepProgress::Waiting(wait))) => waits::ask(state, &ask.step, wait, now),
        // The kinds agree, so a fork is asked for as one.
        Some((_, StepProgress::Forked(_))) => unchanged(Reply::Hold),
    }
}

/// What the journal holds at the place code has come to, or the mismatch it is.
pub(super) fn place<'s>(
    state: &'s RunState,
    address: &StepAddress,
    kind: StepKind,
    position: usize,
    now: Timestamp,
) -> Result<Option<&'s StepState>, Decision> {
    let line = state.lines.steps(&address.branch);
    let recorded = line.get(position).and_then(|recorded| {
        let step = state.steps.get(recorded)?;
        Some((recorded, step))
    });
    let Some((recorded, step)) = recorded else {
        unknown(state, address, kind, position, line.len(), now)?;
        return Ok(None);
    };
    if recorded != address || step.kind != kind {
        let recorded = format!("{} {recorded}", step.kind.word());
        let attempted = format!("{} {address}", kind.word());
        return Err(mismatch(state, now, recorded, attempted));
    }
    Ok(Some(step))
}

/// Bodies wait while workflow code is backing off; what is recorded is handed out all the same.
fn execute(state: &RunState, attempt: u32, now: Timestamp) -> Decision {
    match state.code_retry_at {
        Some(until) if until > now => unchanged(Reply::Park { until }),
        Some(_) | None => unchanged(Reply::Execute { attempt }),
    }
}

/// The journal holds nothing at this place of the branch yet: then it must be the next one.
fn unknown(
    state: &RunState,
    address: &StepAddress,
    kind: StepKind,
    position: usize,
    passed: usize,
    now: Timestamp,
) -> Result<(), Decision> {
    let attempted = |how: &str| format!("{} {address}{how}", kind.word());
    if let Some(step) = state.steps.get(address) {
        let recorded = format!("{} {address} earlier in its branch", step.kind.word());
        return Err(mismatch(state, now, recorded, attempted(" again")));
    }
    if let Some(open) = state.open_step(&address.branch) {
        let recorded = format!("no result of step {open}");
        return Err(mismatch(state, now, recorded, attempted(" behind it")));
    }
    if position > passed {
        // Code that went on over entries which were refused or lost knows more than the journal.
        let recorded = format!("{passed} of the {position} steps passed");
        return Err(mismatch(state, now, recorded, attempted(" behind them")));
    }
    Ok(())
}

/// The first step too many fails, which code may catch to end well; the next one ends the run, so
/// that code which goes on regardless cannot grow its journal for ever.
fn over_limit(state: &RunState, ask: &StartStep, now: Timestamp) -> Decision {
    if state.steps.len() > STEPS_PER_RUN {
        return end_over_limit(state, now);
    }
    let failure = too_many_steps();
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

fn too_many_steps() -> Failure {
    let message = format!("run has {STEPS_PER_RUN} steps, the most one run may have");
    Failure::new(FailureClass::Terminal, message)
}

/// Ends a run that goes on past its limit. One with scopes open is cancelled: they have to undo.
pub(super) fn end_over_limit(state: &RunState, now: Timestamp) -> Decision {
    let failure = too_many_steps();
    if state.open_scopes.is_empty() {
        let failed = EntryBody::RunFailed(RunFailed { failure });
        return decided(state, now, [failed], Reply::Stop);
    }
    let reason = failure.message;
    let asked = EntryBody::CancelRequested(CancelRequested { reason });
    decided(state, now, [asked], Reply::Hold)
}
