//! What becomes of a step: its attempts, its result.

use super::{Illegal, count, progressed};
use crate::entry::{Entry, Recovered, StepFailed, StepKind, StepSucceeded};
use crate::ids::{Seq, StepAddress};
use crate::payload::Payload;
use crate::run::state::{RunState, StepOutcome, StepProgress, StepState, Suspicion};

/// The state of `step`, which must have no result yet; a step the journal did not know begins.
pub(super) fn due<'s>(
    state: &'s mut RunState,
    seq: Seq,
    step: &StepAddress,
    kind: StepKind,
) -> Result<&'s mut StepState, Illegal> {
    if !state.under_way(&step.branch) {
        let step = step.clone();
        return Err(Illegal::NotUnderWay { seq, step });
    }
    if !state.steps.contains_key(step) {
        nothing_left_open(state, seq, &step.branch)?;
        state.lines.push(step.clone());
    }
    let known = state.steps.entry(step.clone()).or_insert(StepState {
        kind,
        failures: 0,
        recoveries: 0,
        spent: 0,
        subject: None,
        shape: None,
        progress: StepProgress::Open { retry_at: None },
    });
    if known.kind != kind {
        let step = step.clone();
        return Err(Illegal::KindDiffers { seq, step });
    }
    if let StepProgress::Done(_) = known.progress {
        let step = step.clone();
        return Err(Illegal::RecordedTwice { seq, step });
    }
    Ok(known)
}

/// [`due`], standing at `attempt`.
fn due_attempt<'s>(
    state: &'s mut RunState,
    seq: Seq,
    step: &StepAddress,
    kind: StepKind,
    attempt: u32,
) -> Result<&'s mut StepState, Illegal> {
    let known = due(state, seq, step, kind)?;
    let expected = known.next_attempt();
    if attempt != expected {
        return Err(Illegal::AttemptOutOfOrder {
            seq,
            step: step.clone(),
            expected,
            found: attempt,
        });
    }
    Ok(known)
}

/// The result of `step` is handed to code, once its turn comes: unless its line lost a race before,
/// of which only a scope around it learns.
fn handed_out(state: &mut RunState, step: &StepAddress) {
    if !state.lines.is_lost(&step.branch) {
        state.results.push(step.clone());
    }
}

/// `step` has its result.
pub(super) fn conclude(state: &mut RunState, step: &StepAddress, outcome: StepOutcome) {
    if let Some(known) = state.steps.get_mut(step) {
        known.progress = StepProgress::Done(outcome);
    }
    state.refresh(&step.branch);
}

pub(super) fn succeeded(
    state: &mut RunState,
    entry: &Entry,
    fields: &StepSucceeded,
) -> Result<(), Illegal> {
    let (seq, step) = (entry.seq, &fields.step);
    let known = due_attempt(state, seq, step, fields.kind, fields.attempt)?;
    let open = matches!(known.progress, StepProgress::Open { .. });
    if open && fields.kind.is_attempted() {
        progressed(state);
    } else if fields.kind == StepKind::Sleep && fields.output == Payload::null() {
        super::waits::slept(state, entry, step)?;
        progressed(state);
    } else if fields.kind == StepKind::Signal {
        super::waits::signal_taken(state, seq, step, &fields.output)?;
    } else if fields.kind != StepKind::Invoke || !super::waits::ends_by_arrival(state, step) {
        let step = step.clone();
        return Err(Illegal::StandsElsewhere { seq, step });
    }
    super::waits::closed(state, step);
    handed_out(state, step);
    count(state, fields.output.len());
    conclude(state, step, StepOutcome::Succeeded(fields.output.clone()));
    Ok(())
}

pub(super) fn failed(state: &mut RunState, seq: Seq, fields: &StepFailed) -> Result<(), Illegal> {
    let elsewhere = || Illegal::StandsElsewhere {
        seq,
        step: fields.step.clone(),
    };
    let step = due_attempt(state, seq, &fields.step, fields.kind, fields.attempt)?;
    let waits = match step.progress {
        StepProgress::Open { .. } => false,
        StepProgress::Waiting(_) => true,
        StepProgress::Forked(_) | StepProgress::Done(_) => return Err(elsewhere()),
    };
    // Only what is attempted is attempted again.
    if fields.retry_at.is_some() && (waits || !fields.kind.is_attempted()) {
        return Err(elsewhere());
    }
    step.failures = step.failures.saturating_add(1);
    if let Some(at) = fields.retry_at {
        step.progress = StepProgress::Open { retry_at: Some(at) };
        state.refresh(&fields.step.branch);
    }
    let arrives = matches!(fields.kind, StepKind::WaitFor | StepKind::Invoke);
    if waits && !(arrives && super::waits::ends_by_arrival(state, &fields.step)) {
        return Err(elsewhere());
    }
    if !waits {
        progressed(state);
    }
    count(state, fields.failure.message.len());
    if fields.retry_at.is_none() {
        super::waits::closed(state, &fields.step);
        handed_out(state, &fields.step);
        let outcome = StepOutcome::Failed {
            failure: fields.failure.clone(),
            attempts: fields.attempt,
        };
        conclude(state, &fields.step, outcome);
    }
    Ok(())
}

pub(super) fn recovered(state: &mut RunState, seq: Seq, fields: &Recovered) -> Result<(), Illegal> {
    if let Some((address, kind)) = &fields.step {
        let step = due_attempt(state, seq, address, *kind, fields.attempt)?;
        let open = matches!(step.progress, StepProgress::Open { .. });
        if !open || !kind.is_attempted() {
            let step = address.clone();
            return Err(Illegal::StandsElsewhere { seq, step });
        }
        step.recoveries = step.recoveries.saturating_add(1);
        step.progress = StepProgress::Open { retry_at: None };
        state.refresh(&address.branch);
    }
    let step = fields.step.as_ref().map(|(address, _)| address.clone());
    let alone = state.died_alone(fields.alone);
    state.suspicion = Some(Suspicion { step, alone });
    Ok(())
}

/// [`nothing_left_open`], and no scope within `branch` that has yet to undo.
pub(super) fn nothing_within_left_open(
    state: &RunState,
    seq: Seq,
    branch: &str,
) -> Result<(), Illegal> {
    nothing_left_open(state, seq, branch)?;
    match state.scopes_within(branch).next() {
        Some(open) => Err(Illegal::LeftOpen {
            seq,
            open: open.clone(),
        }),
        None => Ok(()),
    }
}

/// Refuses to go past a step of `branch` that has no result: code waits for each in turn.
pub(super) fn nothing_left_open(state: &RunState, seq: Seq, branch: &str) -> Result<(), Illegal> {
    match state.open_step(branch) {
        Some(open) => Err(Illegal::LeftOpen {
            seq,
            open: open.clone(),
        }),
        None => Ok(()),
    }
}
