//! What people ask of a run: cancel, quarantine by the engine's own finding, resume.

use super::{decided, require_active, unchanged};
use crate::entry::{CancelRequested, EntryBody, QuarantineReason, Quarantined};
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

pub(super) fn resume(state: &RunState, now: Timestamp) -> Result<Decision, Refusal> {
    if state.quarantined.is_none() || state.outcome.is_some() {
        return Err(Refusal::NotQuarantined {
            status: state.status(now),
        });
    }
    Ok(decided(state, now, [EntryBody::Resumed], Reply::Accepted))
}
