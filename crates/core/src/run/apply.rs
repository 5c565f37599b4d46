//! The fold: what each entry makes of a run's state, and which entries cannot follow.

use super::state::{
    Cancel, Outcome, RunState, RunStatus, StepOutcome, StepProgress, StepState, Suspicion,
};
use crate::entry::{
    AttemptFailed, Entry, EntryBody, Recovered, RunStarted, StepFailed, StepKind, StepSucceeded,
};
use crate::ids::{RunId, Seq, StepAddress};
use crate::time::Timestamp;

/// An entry that cannot follow the state it was applied to: the journal was not written by
/// [`decide`](super::decide), or not read back as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// A journal without entries.
    #[error("journal has no entries")]
    Empty,
    /// The first entry is something else than the run's start.
    #[error("first entry is not the start of the run")]
    NotStarted,
    /// A second start.
    #[error("run is started again at entry {seq}")]
    StartedTwice {
        /// The offending entry.
        seq: Seq,
    },
    /// A gap or a repetition in the numbering.
    #[error("entry {found} follows where entry {expected} belongs")]
    OutOfSequence {
        /// The number that belongs here.
        expected: Seq,
        /// The number found.
        found: Seq,
    },
    /// An entry after the run ended.
    #[error("entry {seq} follows the end of the run, which is {status}")]
    AfterEnd {
        /// The offending entry.
        seq: Seq,
        /// How the run had ended.
        status: RunStatus,
    },
    /// An entry of a quarantined run that is neither a release nor its end by cancellation.
    #[error("entry {seq} changes a quarantined run")]
    WhileQuarantined {
        /// The offending entry.
        seq: Seq,
    },
    /// A release of a run that is not quarantined, or a cancellation nobody asked for.
    #[error("entry {seq} concludes something that never began")]
    NothingToConclude {
        /// The offending entry.
        seq: Seq,
    },
    /// A result for a step that has one.
    #[error("entry {seq} records step {step} a second time")]
    RecordedTwice {
        /// The offending entry.
        seq: Seq,
        /// The step.
        step: StepAddress,
    },
    /// An attempt out of order.
    #[error("entry {seq} is about attempt {found} of step {step}, attempt {expected} is due")]
    AttemptOutOfOrder {
        /// The offending entry.
        seq: Seq,
        /// The step.
        step: StepAddress,
        /// The attempt that is due.
        expected: u32,
        /// The attempt in the entry.
        found: u32,
    },
    /// An address changed its kind.
    #[error("entry {seq} records step {step} as another kind of call than before")]
    KindDiffers {
        /// The offending entry.
        seq: Seq,
        /// The step.
        step: StepAddress,
    },
    /// A further step of a branch, or the end of the run, behind a step without a result.
    #[error("entry {seq} goes past step {open}, which has no result yet")]
    LeftOpen {
        /// The offending entry.
        seq: Seq,
        /// The step without a result.
        open: StepAddress,
    },
    /// A failure of workflow code that does not count on from the one before.
    #[error("entry {seq} is failure {found} of workflow code, failure {expected} is due")]
    FailureOutOfOrder {
        /// The offending entry.
        seq: Seq,
        /// The failure that is due.
        expected: u32,
        /// The failure in the entry.
        found: u32,
    },
    /// A second request for a cancellation that is still to be concluded.
    #[error("entry {seq} asks again for a cancellation asked for before")]
    CancelledTwice {
        /// The offending entry.
        seq: Seq,
    },
    /// An entry decided before the one in front of it, or a retry due before the failure.
    #[error("entry {seq} goes back in time, from {from} to {to}")]
    BackInTime {
        /// The offending entry.
        seq: Seq,
        /// The later instant, which came first.
        from: Timestamp,
        /// The earlier instant, which came second.
        to: Timestamp,
    },
}

/// The state after the whole journal of `run`.
///
/// # Errors
/// The first entry that cannot follow.
pub fn fold<'a>(
    run: RunId,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<RunState, Illegal> {
    let mut entries = entries.into_iter();
    let first = entries.next().ok_or(Illegal::Empty)?;
    if first.seq != Seq::FIRST {
        return Err(Illegal::OutOfSequence {
            expected: Seq::FIRST,
            found: first.seq,
        });
    }
    let EntryBody::RunStarted(started) = &first.body else {
        return Err(Illegal::NotStarted);
    };
    entries.try_fold(begun(run, first, started), apply)
}

fn begun(run: RunId, first: &Entry, started: &RunStarted) -> RunState {
    RunState {
        run,
        workflow: started.workflow.clone(),
        version: started.version,
        event: started.event.clone(),
        started_at: first.at,
        changed_at: first.at,
        next_seq: Seq(1),
        bytes: started.input_bytes,
        order: Default::default(),
        steps: Default::default(),
        code_failures: 0,
        code_retry_at: None,
        suspicion: None,
        cancel: None,
        quarantined: None,
        outcome: None,
    }
}

/// The state after one more entry.
///
/// # Errors
/// When the entry cannot follow; the run must then be refolded from what is stored.
pub fn apply(mut state: RunState, entry: &Entry) -> Result<RunState, Illegal> {
    admit(&state, entry)?;
    match &entry.body {
        EntryBody::RunStarted(_) => return Err(Illegal::StartedTwice { seq: entry.seq }),
        EntryBody::StepSucceeded(fields) => step_succeeded(&mut state, entry.seq, fields)?,
        EntryBody::StepFailed(fields) => step_failed(&mut state, entry.seq, entry.at, fields)?,
        EntryBody::Recovered(fields) => recovered(&mut state, entry.seq, fields)?,
        EntryBody::AttemptFailed(fields) => attempt_failed(&mut state, entry, fields)?,
        EntryBody::CancelRequested(fields) => {
            if state.cancel.is_some() {
                return Err(Illegal::CancelledTwice { seq: entry.seq });
            }
            state.cancel = Some(Cancel {
                at: entry.at,
                reason: fields.reason.clone(),
            });
        }
        EntryBody::RunCompleted(fields) => {
            nothing_left_open(&state, entry.seq, "")?;
            state.bytes = state.bytes.saturating_add(fields.output.len() as u64);
            state.outcome = Some(Outcome::Completed(fields.output.clone()));
        }
        EntryBody::RunFailed(fields) => {
            nothing_left_open(&state, entry.seq, "")?;
            state.outcome = Some(Outcome::Failed(fields.failure.clone()));
        }
        EntryBody::RunCancelled => {
            if state.cancel.is_none() {
                return Err(Illegal::NothingToConclude { seq: entry.seq });
            }
            state.quarantined = None;
            state.outcome = Some(Outcome::Cancelled);
        }
        EntryBody::Quarantined(fields) => state.quarantined = Some(fields.reason.clone()),
        EntryBody::Resumed => {
            if state.quarantined.take().is_none() {
                return Err(Illegal::NothingToConclude { seq: entry.seq });
            }
            state.suspicion = None;
            state.code_failures = 0;
            state.code_retry_at = None;
        }
    }
    state.next_seq = entry.seq.plus(1);
    state.changed_at = entry.at;
    Ok(state)
}

/// What holds for every entry, whatever it says.
fn admit(state: &RunState, entry: &Entry) -> Result<(), Illegal> {
    let seq = entry.seq;
    if seq != state.next_seq {
        return Err(Illegal::OutOfSequence {
            expected: state.next_seq,
            found: seq,
        });
    }
    if state.outcome.is_some() {
        return Err(Illegal::AfterEnd {
            seq,
            status: state.status(entry.at),
        });
    }
    not_back_in_time(state.changed_at, entry.at, seq)?;
    let released = match &entry.body {
        EntryBody::Resumed | EntryBody::CancelRequested(_) | EntryBody::RunCancelled => true,
        EntryBody::RunStarted(_)
        | EntryBody::StepSucceeded(_)
        | EntryBody::StepFailed(_)
        | EntryBody::Recovered(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::Quarantined(_) => false,
    };
    if state.quarantined.is_some() && !released {
        return Err(Illegal::WhileQuarantined { seq });
    }
    Ok(())
}

/// The state of `step`, which must have no result yet and stand at `attempt`.
fn due_step<'s>(
    state: &'s mut RunState,
    seq: Seq,
    step: &StepAddress,
    kind: StepKind,
    attempt: u32,
) -> Result<&'s mut StepState, Illegal> {
    if !state.steps.contains_key(step) {
        nothing_left_open(state, seq, &step.branch)?;
        state
            .order
            .entry(step.branch.clone())
            .or_default()
            .push(step.clone());
    }
    let known = state.steps.entry(step.clone()).or_insert(StepState {
        kind,
        failures: 0,
        recoveries: 0,
        progress: StepProgress::Open { retry_at: None },
    });
    if known.kind != kind {
        return Err(Illegal::KindDiffers {
            seq,
            step: step.clone(),
        });
    }
    if let StepProgress::Done(_) = known.progress {
        return Err(Illegal::RecordedTwice {
            seq,
            step: step.clone(),
        });
    }
    let expected = known.next_attempt();
    if attempt != expected {
        let step = step.clone();
        return Err(Illegal::AttemptOutOfOrder {
            seq,
            step,
            expected,
            found: attempt,
        });
    }
    Ok(known)
}

fn step_succeeded(state: &mut RunState, seq: Seq, fields: &StepSucceeded) -> Result<(), Illegal> {
    let step = due_step(state, seq, &fields.step, fields.kind, fields.attempt)?;
    step.progress = StepProgress::Done(StepOutcome::Succeeded(fields.output.clone()));
    state.bytes = state.bytes.saturating_add(fields.output.len() as u64);
    progressed(state);
    Ok(())
}

fn step_failed(
    state: &mut RunState,
    seq: Seq,
    at: Timestamp,
    fields: &StepFailed,
) -> Result<(), Illegal> {
    if let Some(retry_at) = fields.retry_at {
        not_back_in_time(at, retry_at, seq)?;
    }
    let step = due_step(state, seq, &fields.step, fields.kind, fields.attempt)?;
    step.failures = step.failures.saturating_add(1);
    step.progress = match fields.retry_at {
        Some(at) => StepProgress::Open { retry_at: Some(at) },
        None => StepProgress::Done(StepOutcome::Failed {
            failure: fields.failure.clone(),
            attempts: fields.attempt,
        }),
    };
    state.bytes = state
        .bytes
        .saturating_add(fields.failure.message.len() as u64);
    progressed(state);
    Ok(())
}

fn attempt_failed(
    state: &mut RunState,
    entry: &Entry,
    fields: &AttemptFailed,
) -> Result<(), Illegal> {
    not_back_in_time(entry.at, fields.retry_at, entry.seq)?;
    let expected = state.code_failures.saturating_add(1);
    if fields.attempt != expected {
        return Err(Illegal::FailureOutOfOrder {
            seq: entry.seq,
            expected,
            found: fields.attempt,
        });
    }
    state.code_failures = expected;
    state.code_retry_at = Some(fields.retry_at);
    state.suspicion = None;
    state.bytes = state
        .bytes
        .saturating_add(fields.failure.message.len() as u64);
    Ok(())
}

fn recovered(state: &mut RunState, seq: Seq, fields: &Recovered) -> Result<(), Illegal> {
    if let Some((address, kind)) = &fields.step {
        let step = due_step(state, seq, address, *kind, fields.attempt)?;
        step.recoveries = step.recoveries.saturating_add(1);
        step.progress = StepProgress::Open { retry_at: None };
    }
    let step = fields.step.as_ref().map(|(address, _)| address.clone());
    let alone = state.died_alone(fields.alone);
    state.suspicion = Some(Suspicion { step, alone });
    Ok(())
}

/// Refuses to go past a step of `branch` that has no result: code waits for each in turn.
fn nothing_left_open(state: &RunState, seq: Seq, branch: &str) -> Result<(), Illegal> {
    match state.open_step(branch) {
        Some(open) => Err(Illegal::LeftOpen {
            seq,
            open: open.clone(),
        }),
        None => Ok(()),
    }
}

fn not_back_in_time(from: Timestamp, to: Timestamp, seq: Seq) -> Result<(), Illegal> {
    if to < from {
        return Err(Illegal::BackInTime { seq, from, to });
    }
    Ok(())
}

/// A step moved: workflow code got at least this far, and the run outlived its body.
fn progressed(state: &mut RunState) {
    state.suspicion = None;
    state.code_failures = 0;
    state.code_retry_at = None;
}
