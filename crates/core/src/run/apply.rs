//! The fold: what each entry makes of a run's state, and which entries cannot follow.

mod forks;
mod retry;
mod steps;
mod waits;

use super::lines::Lines;
use super::state::{Cancel, Outcome, Pause, RunState, RunStatus, StepProgress};
use crate::entry::{
    AttemptFailed, Entry, EntryBody, Failure, FailureClass, Patched, RunStarted, StepKind,
};
use crate::ids::{EventId, RunId, Seq, StepAddress};
use crate::limits::STEPS_PER_RUN;
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
    /// Something that code begins or comes to, of a paused run.
    #[error("entry {seq} goes on with a paused run")]
    WhilePaused {
        /// The offending entry.
        seq: Seq,
    },
    /// A release of a run that nobody holds, a cancellation nobody asked for, a retry of what did
    /// not fail, a pause or a change that is there already.
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
    /// A failure, or a continuation as another run, of a run that is being cancelled.
    #[error("entry {seq} ends a run that is being cancelled in another way")]
    WhileCancelling {
        /// The offending entry.
        seq: Seq,
    },
    /// A new step on a line on which no code runs.
    #[error("entry {seq} is about step {step}, on a branch that is not under way")]
    NotUnderWay {
        /// The offending entry.
        seq: Seq,
        /// The step.
        step: StepAddress,
    },
    /// What a step waits for, or its branches, are not what the entry speaks of.
    #[error("entry {seq} does not fit what step {step} stands at")]
    StandsElsewhere {
        /// The offending entry.
        seq: Seq,
        /// The step.
        step: StepAddress,
    },
    /// An event that satisfied a wait of the run before.
    #[error("entry {seq} gives event {event} to the run a second time")]
    EventTwice {
        /// The offending entry.
        seq: Seq,
        /// The event.
        event: EventId,
    },
    /// An entry decided before the one in front of it.
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
    let mut state = RunState {
        run,
        started: started.clone(),
        started_at: first.at,
        changed_at: first.at,
        next_seq: Seq(1),
        bytes: started.input_bytes,
        lines: Lines::new(),
        steps: Default::default(),
        results: Vec::new(),
        listening: Default::default(),
        waiting: Vec::new(),
        waiters: Default::default(),
        received: Default::default(),
        signals: Default::default(),
        children: Default::default(),
        open_scopes: Default::default(),
        code_failures: 0,
        code_retry_at: None,
        patches: Default::default(),
        suspicion: None,
        paused: None,
        cancel: None,
        quarantined: None,
        outcome: None,
        reopened: 0,
    };
    for awaited in &started.cancel_on {
        waits::listen(&mut state, awaited.digest());
    }
    state
}

/// The state after one more entry.
///
/// # Errors
/// When the entry cannot follow; the run must then be refolded from what is stored.
pub fn apply(mut state: RunState, entry: &Entry) -> Result<RunState, Illegal> {
    admit(&state, entry)?;
    let seq = entry.seq;
    match &entry.body {
        EntryBody::RunStarted(_) => return Err(Illegal::StartedTwice { seq }),
        EntryBody::StepSucceeded(fields) => steps::succeeded(&mut state, entry, fields)?,
        EntryBody::StepFailed(fields) => steps::failed(&mut state, seq, fields)?,
        EntryBody::Recovered(fields) => steps::recovered(&mut state, seq, fields)?,
        EntryBody::WaitStarted(fields) => waits::started(&mut state, seq, fields)?,
        EntryBody::WaitTimedOut(fields) => waits::timed_out(&mut state, entry, fields)?,
        EntryBody::EventOffered(fields) => waits::offered(&mut state, seq, fields)?,
        EntryBody::EventReceived(fields) => waits::received(&mut state, seq, fields)?,
        EntryBody::EventRejected(fields) => waits::rejected(&mut state, seq, fields)?,
        EntryBody::SignalReceived(fields) => waits::signalled(&mut state, fields),
        EntryBody::ChildStarted(fields) => waits::child_started(&mut state, seq, fields)?,
        EntryBody::ForkStarted(fields) => forks::started(&mut state, seq, fields)?,
        EntryBody::BranchEnded(fields) => forks::branch_ended(&mut state, seq, fields)?,
        EntryBody::UndoStarted(fields) => forks::undo_started(&mut state, seq, fields)?,
        EntryBody::AttemptFailed(fields) => attempt_failed(&mut state, entry, fields)?,
        EntryBody::Patched(fields) => patched(&mut state, seq, fields)?,
        EntryBody::Retried(fields) => retry::retried(&mut state, entry, fields)?,
        EntryBody::CancelRequested(_)
        | EntryBody::RunCancelled
        | EntryBody::RunKilled(_)
        | EntryBody::Quarantined(_)
        | EntryBody::Paused(_)
        | EntryBody::Resumed => interrupted(&mut state, entry)?,
        EntryBody::RunCompleted(_) | EntryBody::RunFailed(_) | EntryBody::RunContinued(_) => {
            ended(&mut state, entry)?;
        }
    }
    if let Some(outcome) = &state.outcome {
        // Nothing of an ended run waits for anything; what it waited for is kept of one that may be
        // taken up again.
        let over = !matches!(outcome, Outcome::Failed(_));
        state.listening.clear();
        if over {
            state.waiting.clear();
            state.waiters = Default::default();
        }
    }
    state.next_seq = seq.plus(1);
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
    let reopens = matches!(entry.body, EntryBody::Retried(_))
        && matches!(state.outcome, Some(Outcome::Failed(_)));
    if state.outcome.is_some() && !reopens {
        return Err(Illegal::AfterEnd {
            seq,
            status: state.status(entry.at),
        });
    }
    if entry.at < state.changed_at {
        return Err(Illegal::BackInTime {
            seq,
            from: state.changed_at,
            to: entry.at,
        });
    }
    if state.quarantined.is_some() && !is_taken_in_quarantine(state, &entry.body) {
        return Err(Illegal::WhileQuarantined { seq });
    }
    if state.paused.is_some() && is_doing_of_code(&entry.body) {
        return Err(Illegal::WhilePaused { seq });
    }
    Ok(())
}

/// Whether an entry is a person's doing, or something that arrives: only the code of a quarantined
/// run stands still, and nothing that is told once may be lost on it.
fn is_taken_in_quarantine(state: &RunState, body: &EntryBody) -> bool {
    match body {
        EntryBody::Resumed
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCancelled
        | EntryBody::RunKilled(_)
        | EntryBody::SignalReceived(_)
        | EntryBody::EventOffered(_) => true,
        EntryBody::EventReceived(fields) => fields.data.is_some(),
        EntryBody::StepSucceeded(fields) => waits::ends_by_arrival(state, &fields.step),
        EntryBody::StepFailed(fields) => waits::ends_by_arrival(state, &fields.step),
        EntryBody::RunStarted(_)
        | EntryBody::Recovered(_)
        | EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventRejected(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunContinued(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_)
        | EntryBody::Quarantined(_) => false,
    }
}

/// Whether an entry is something that code of the run begins or comes to: nothing of a paused run
/// does. Bodies in flight end all the same, and what is sent to it arrives.
fn is_doing_of_code(body: &EntryBody) -> bool {
    match body {
        EntryBody::WaitStarted(_)
        | EntryBody::EventRejected(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunContinued(_)
        | EntryBody::Patched(_) => true,
        EntryBody::EventReceived(fields) => fields.data.is_none(),
        EntryBody::StepSucceeded(fields) => fields.kind == StepKind::Sleep,
        EntryBody::RunStarted(_)
        | EntryBody::StepFailed(_)
        | EntryBody::Recovered(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventOffered(_)
        | EntryBody::SignalReceived(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCancelled
        | EntryBody::RunKilled(_)
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::Paused(_)
        | EntryBody::Retried(_) => false,
    }
}

/// What people ask of a run, and what the engine finds out about it.
fn interrupted(state: &mut RunState, entry: &Entry) -> Result<(), Illegal> {
    let seq = entry.seq;
    match &entry.body {
        EntryBody::CancelRequested(fields) => {
            if state.cancel.is_some() {
                return Err(Illegal::CancelledTwice { seq });
            }
            state.cancel = Some(Cancel {
                at: entry.at,
                reason: fields.reason.clone(),
                results: state.results.len(),
            });
            // There may be something to undo, which is not for the one who paused it to hold.
            state.paused = None;
            refresh_all(state);
        }
        EntryBody::RunCancelled => {
            if state.cancel.is_none() {
                return Err(Illegal::NothingToConclude { seq });
            }
            state.quarantined = None;
            state.outcome = Some(Outcome::Cancelled);
        }
        EntryBody::RunKilled(_) => {
            state.quarantined = None;
            state.outcome = Some(Outcome::Cancelled);
        }
        EntryBody::Quarantined(fields) => {
            state.quarantined = Some(fields.reason.clone());
            state.paused = None;
        }
        EntryBody::Paused(fields) => {
            if state.paused.is_some() || state.cancel.is_some() {
                return Err(Illegal::NothingToConclude { seq });
            }
            state.paused = Some(Pause {
                at: entry.at,
                reason: fields.reason.clone(),
            });
        }
        EntryBody::Resumed => {
            if state.quarantined.take().is_some() {
                state.suspicion = None;
                state.code_failures = 0;
                state.code_retry_at = None;
            } else if state.paused.take().is_none() {
                return Err(Illegal::NothingToConclude { seq });
            }
        }
        EntryBody::RunStarted(_)
        | EntryBody::StepSucceeded(_)
        | EntryBody::StepFailed(_)
        | EntryBody::Recovered(_)
        | EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventOffered(_)
        | EntryBody::EventReceived(_)
        | EntryBody::EventRejected(_)
        | EntryBody::SignalReceived(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::Patched(_)
        | EntryBody::Retried(_)
        | EntryBody::RunContinued(_) => {}
    }
    Ok(())
}

fn refresh_all(state: &mut RunState) {
    let lines: Vec<_> = state.lines.paths().cloned().collect();
    for line in lines {
        state.refresh(&line);
    }
}

/// Workflow code ended, which it does with every step of its own line behind it and every scope
/// closed; but for a failure that struck within a branch.
fn ended(state: &mut RunState, entry: &Entry) -> Result<(), Illegal> {
    let within = matches!(
        &entry.body,
        EntryBody::RunFailed(fields) if fails_within(state, &fields.failure)
    );
    if !within {
        steps::nothing_within_left_open(state, entry.seq, "")?;
    }
    let cancels = matches!(
        entry.body,
        EntryBody::RunFailed(_) | EntryBody::RunContinued(_)
    );
    if cancels && state.cancel.is_some() {
        return Err(Illegal::WhileCancelling { seq: entry.seq });
    }
    state.outcome = match &entry.body {
        EntryBody::RunCompleted(fields) => {
            count(state, fields.output.len());
            Some(Outcome::Completed(fields.output.clone()))
        }
        EntryBody::RunFailed(fields) => Some(Outcome::Failed(fields.failure.clone())),
        EntryBody::RunContinued(fields) => Some(Outcome::Continued(fields.next)),
        EntryBody::RunStarted(_)
        | EntryBody::StepSucceeded(_)
        | EntryBody::StepFailed(_)
        | EntryBody::Recovered(_)
        | EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventOffered(_)
        | EntryBody::EventReceived(_)
        | EntryBody::EventRejected(_)
        | EntryBody::SignalReceived(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCancelled
        | EntryBody::RunKilled(_)
        | EntryBody::Quarantined(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_)
        | EntryBody::Resumed => None,
    };
    Ok(())
}

/// Whether `failure` may end the run from within a branch: code panicked there, or came to the
/// limit of steps. Never with a scope open, which has yet to undo.
fn fails_within(state: &RunState, failure: &Failure) -> bool {
    let forked = state.open_step("").and_then(|open| state.steps.get(open));
    let forked = forked.is_some_and(|step| matches!(step.progress, StepProgress::Forked(_)));
    let panicked = failure.class == FailureClass::Panicked && forked;
    state.open_scopes.is_empty() && (panicked || state.steps.len() >= STEPS_PER_RUN)
}

fn attempt_failed(
    state: &mut RunState,
    entry: &Entry,
    fields: &AttemptFailed,
) -> Result<(), Illegal> {
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
    count(state, fields.failure.message.len());
    Ok(())
}

/// A change applies to the run from here on, as far as the line that asked is concerned.
fn patched(state: &mut RunState, seq: Seq, fields: &Patched) -> Result<(), Illegal> {
    let asked = (fields.branch.clone(), fields.patch.clone());
    if state.held(&fields.branch) || !state.patches.insert(asked) {
        return Err(Illegal::NothingToConclude { seq });
    }
    count(state, fields.patch.len());
    Ok(())
}

/// The journal holds `bytes` more of payload.
fn count(state: &mut RunState, bytes: usize) {
    state.bytes = state.bytes.saturating_add(bytes as u64);
}

/// A step moved by the doing of code: it got at least this far, and the run outlived its body.
/// What arrives from outside says nothing of that.
fn progressed(state: &mut RunState) {
    state.suspicion = None;
    state.code_failures = 0;
    state.code_retry_at = None;
}
