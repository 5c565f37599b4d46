//! What a run needs, computed from its state alone.

use super::state::{RunState, StepProgress};
use crate::time::Timestamp;

/// What the engine has to do for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Run the workflow code: something of it is due.
    Drive,
    /// Nothing before this instant.
    WakeAt(Timestamp),
    /// A cancellation is to be concluded.
    Conclude,
    /// Nothing until a person decides.
    Held,
    /// Nothing ever again.
    Done,
}

/// What `state` needs at `now`.
///
/// A run with no entry that says otherwise is driven: only code can tell what comes next. When
/// every open step is backing off, the earliest of their instants is when code may go on.
#[must_use]
pub fn next(state: &RunState, now: Timestamp) -> Next {
    if state.outcome.is_some() {
        return Next::Done;
    }
    // A cancellation is a person's decision, which is all that a quarantined run waits for.
    if state.cancel.is_some() {
        return Next::Conclude;
    }
    if state.quarantined.is_some() {
        return Next::Held;
    }
    let mut earliest = state.code_retry_at;
    for address in state.order.values().filter_map(|line| line.last()) {
        // Only the last address of a branch can be open: `apply` admits none behind it.
        match state.steps.get(address).map(|step| &step.progress) {
            Some(StepProgress::Open { retry_at: Some(at) }) => {
                earliest = Some(earliest.map_or(*at, |found| found.min(*at)));
            }
            Some(StepProgress::Open { retry_at: None }) => return Next::Drive,
            Some(StepProgress::Done(_)) | None => {}
        }
    }
    match earliest {
        Some(at) if at > now => Next::WakeAt(at),
        Some(_) | None => Next::Drive,
    }
}
