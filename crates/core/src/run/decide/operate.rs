//! What people and deadlines ask of a run: cancel, kill, quarantine, pause, resume.

use super::{decided, require_active, unchanged};
use crate::entry::{CancelRequested, EntryBody, Paused, QuarantineReason, Quarantined, RunKilled};
use crate::run::command::{Decision, Refusal, Reply};
use crate::run::state::RunState;
use crate::time::Timestamp;

/// Asking twice is asking once. A quarantined run has no body in flight and ends at once.
pub(super) fn request_cancel(
    state: &RunState,
    reason: String,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if state.outcome.is_some() {
        return Err(Refusal::Ended {
            status: state.status(now),
        });
    }
    if state.cancel.is_some() {
        return Ok(unchanged(Reply::Accepted));
    }
    let asked = EntryBody::CancelRequested(CancelRequested { reason });
    if state.quarantined.is_some() {
        return Ok(decided(
            state,
            now,
            [asked, EntryBody::RunCancelled],
            Reply::Stop,
        ));
    }
    Ok(decided(state, now, [asked], Reply::Accepted))
}

/// A run past its deadline is cancelled, as if somebody had asked.
pub(super) fn expire(state: &RunState, now: Timestamp) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    let started = &state.started;
    let unstarted = started.start_by.filter(|_| !state.code_began());
    let reason = match (unstarted, started.finish_by) {
        (Some(at), _) if at <= now => "run did not start in time",
        (_, Some(at)) if at <= now => "run did not finish in time",
        (Some(_) | None, Some(_) | None) => return Ok(unchanged(Reply::Accepted)),
    };
    request_cancel(state, reason.to_owned(), now)
}

/// Ends the run where it stands; bodies in flight are dropped and nothing is undone.
pub(super) fn kill(state: &RunState, reason: String, now: Timestamp) -> Result<Decision, Refusal> {
    if state.outcome.is_some() {
        return Err(Refusal::Ended {
            status: state.status(now),
        });
    }
    let body = EntryBody::RunKilled(RunKilled { reason });
    Ok(decided(state, now, [body], Reply::Stop))
}

pub(super) fn conclude_cancel(state: &RunState, now: Timestamp) -> Result<Decision, Refusal> {
    if state.outcome.is_some() {
        return Err(Refusal::Ended {
            status: state.status(now),
        });
    }
    if state.cancel.is_none() {
        return Err(Refusal::NotCancelling);
    }
    Ok(decided(state, now, [EntryBody::RunCancelled], Reply::Stop))
}

pub(super) fn quarantine(
    state: &RunState,
    reason: QuarantineReason,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    let body = EntryBody::Quarantined(Quarantined { reason });
    Ok(decided(state, now, [body], Reply::Stop))
}

/// Ends a quarantine or a pause.
pub(super) fn resume(state: &RunState, now: Timestamp) -> Result<Decision, Refusal> {
    let held = state.quarantined.is_some() || state.paused.is_some();
    if !held || state.outcome.is_some() {
        return Err(Refusal::NotHeld {
            status: state.status(now),
        });
    }
    Ok(decided(state, now, [EntryBody::Resumed], Reply::Accepted))
}

/// From here on nothing new of the run begins; bodies in flight end and are recorded, what is sent
/// to the run arrives, and deadlines pass. Pausing twice is pausing once.
pub(super) fn pause(state: &RunState, reason: String, now: Timestamp) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    if state.cancel.is_some() {
        return Err(Refusal::Cancelling);
    }
    if state.paused.is_some() {
        return Ok(unchanged(Reply::Accepted));
    }
    let body = EntryBody::Paused(Paused { reason });
    Ok(decided(state, now, [body], Reply::Accepted))
}
