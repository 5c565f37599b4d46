//! What a run needs, computed from its state alone.

use super::state::RunState;
use crate::time::Timestamp;

/// What the engine has to do for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Run the workflow code: something of it is due.
    Drive,
    /// Nothing before this instant, or before something happens.
    WakeAt(Timestamp),
    /// Nothing before something happens: an event, a signal, the end of a child.
    Await,
    /// A deadline of the run has passed: it is to be cancelled.
    Expire,
    /// A cancellation is to be concluded.
    Conclude,
    /// Nothing until a person decides.
    Held,
    /// Nothing ever again.
    Done,
}

/// What `state` needs at `now`.
///
/// A run with no entry that says otherwise is driven: only code can tell what comes next.
#[must_use]
pub fn next(state: &RunState, now: Timestamp) -> Next {
    if state.outcome.is_some() {
        return Next::Done;
    }
    // A cancellation is a person's decision, which is all that a quarantined run waits for. What it
    // has left to do is to undo what the open scopes did.
    if state.cancel.is_some() {
        if state.quarantined.is_some() || state.open_scopes.is_empty() {
            return Next::Conclude;
        }
        return match due(state) {
            Due::At(at) if at > now => Next::WakeAt(at),
            Due::At(_) | Due::Ready => Next::Drive,
            Due::Nothing => Next::Await,
        };
    }
    if state.quarantined.is_some() {
        return Next::Held;
    }
    let deadline = deadline(state);
    if deadline.is_some_and(|at| at <= now) {
        return Next::Expire;
    }
    if state.paused.is_some() {
        return deadline.map_or(Next::Held, Next::WakeAt);
    }
    match (due(state), deadline) {
        (Due::Ready, _) => Next::Drive,
        (Due::At(at), _) if at <= now => Next::Drive,
        (Due::At(at), Some(deadline)) => Next::WakeAt(at.min(deadline)),
        (Due::At(at), None) | (Due::Nothing, Some(at)) => Next::WakeAt(at),
        (Due::Nothing, None) => Next::Await,
    }
}

/// When the run is due by its state alone, whatever the clock says: [`Timestamp::ZERO`] for at
/// once, `None` when only something from outside can give it work.
#[must_use]
pub fn due_at(state: &RunState) -> Option<Timestamp> {
    // At the beginning of time no instant has come, so every one is still named.
    match next(state, Timestamp::ZERO) {
        Next::Drive | Next::Conclude | Next::Expire => Some(Timestamp::ZERO),
        Next::WakeAt(at) => Some(at),
        Next::Await | Next::Held | Next::Done => None,
    }
}

enum Due {
    Ready,
    At(Timestamp),
    Nothing,
}

fn due(state: &RunState) -> Due {
    if let (false, Some(at)) = (state.code_began(), state.started.start_at) {
        return Due::At(at);
    }
    // While workflow code backs off nothing of it runs.
    if let Some(at) = state.code_retry_at {
        return Due::At(at);
    }
    if state.lines.ready().next().is_some() {
        return Due::Ready;
    }
    match state.lines.timed().next() {
        Some((at, _)) => Due::At(at),
        None => Due::Nothing,
    }
}

/// When the run is cancelled for being late, if it may be.
#[must_use]
pub fn deadline(state: &RunState) -> Option<Timestamp> {
    if state.reopened > 0 {
        return None;
    }
    let start_by = state.started.start_by.filter(|_| !state.code_began());
    match (start_by, state.started.finish_by) {
        (Some(start), Some(finish)) => Some(start.min(finish)),
        (one, other) => one.or(other),
    }
}
