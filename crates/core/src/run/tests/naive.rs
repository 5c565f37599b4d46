//! What a run needs and holds, worked out anew from its steps alone: slow, and plain to read.
//!
//! The state keeps indexes of its lines and waits so that no question costs a search. Here every
//! answer is searched for, and [`laws`](super::laws) compares the two after every command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::entry::{Entry, EntryBody, StepKind, WaitOn};
use crate::ids::{EventId, EventKey, StepAddress, is_undo_line, is_within};
use crate::run::Next;
use crate::run::state::{Awaiting, RunState, StepProgress, Wait};
use crate::time::Timestamp;

/// Every line code ever ran on.
pub(super) fn lines(state: &RunState) -> Vec<Arc<str>> {
    let mut paths: Vec<Arc<str>> = vec![Arc::from("")];
    for (address, step) in &state.steps {
        if let Some(shape) = step.shape {
            paths.extend((0..shape.branches).map(|branch| address.branch_path(branch)));
            paths.push(address.undo_path());
        }
    }
    paths.retain(|path| state.lines.get(path).is_some());
    paths
}

/// The scopes that have begun and not ended, and whether each is undoing.
fn scopes(state: &RunState) -> BTreeMap<&StepAddress, bool> {
    let steps = state.steps.iter();
    let open = steps.filter_map(|(address, step)| match &step.progress {
        StepProgress::Forked(fork) if step.kind == StepKind::Scope => Some((address, fork.undoing)),
        StepProgress::Forked(_)
        | StepProgress::Open { .. }
        | StepProgress::Waiting(_)
        | StepProgress::Done(_) => None,
    });
    open.collect()
}

/// When a line has something to do: at once is [`Timestamp::ZERO`].
fn due_on(state: &RunState, line: &Arc<str>) -> Option<Timestamp> {
    let scopes = scopes(state);
    let open_within = |path: &str| scopes.keys().any(|scope| is_within(&scope.branch, path));
    let undoing = is_undo_line(line);
    if !state.lines.is_live(line) || (state.cancel.is_some() && !undoing) {
        // Nothing begins here; a scope whose body this is has to be undone, innermost first.
        let body_of = |scope: &StepAddress| scope.branch_path(0) == *line;
        let to_undo = scopes
            .iter()
            .any(|(scope, undoing)| body_of(scope) && !undoing);
        return (to_undo && !open_within(line)).then_some(Timestamp::ZERO);
    }
    let Some(last) = state.lines.steps(line).last() else {
        return Some(Timestamp::ZERO);
    };
    let step = &state.steps[last];
    match &step.progress {
        StepProgress::Open { retry_at } => Some(retry_at.unwrap_or(Timestamp::ZERO)),
        StepProgress::Waiting(wait) if wait.offered.is_some() || wait.look => Some(Timestamp::ZERO),
        StepProgress::Waiting(wait) => wait.until,
        StepProgress::Forked(_) => None,
        // The losers of a race undo before its line goes on.
        StepProgress::Done(_) => {
            let losers = last.to_string();
            let held_up = step.kind == StepKind::Race && open_within(&losers);
            (!held_up).then_some(Timestamp::ZERO)
        }
    }
}

/// [`next`](crate::run::next), searched for.
pub(super) fn next(state: &RunState, now: Timestamp) -> Next {
    let began = !state.steps.is_empty() || !state.patches.is_empty();
    let begun = began || state.code_failures > 0;
    let due = lines(state)
        .iter()
        .filter_map(|line| due_on(state, line))
        .min();
    let at = |at: Timestamp| {
        if at > now {
            Next::WakeAt(at)
        } else {
            Next::Drive
        }
    };
    if state.outcome.is_some() {
        return Next::Done;
    }
    if state.cancel.is_some() {
        if state.quarantined.is_some() || scopes(state).is_empty() {
            return Next::Conclude;
        }
        return state.code_retry_at.or(due).map_or(Next::Await, at);
    }
    if state.quarantined.is_some() {
        return Next::Held;
    }
    let start_by = state.started.start_by.filter(|_| !begun);
    let deadline = [start_by, state.started.finish_by].into_iter().flatten();
    let deadline = deadline.min().filter(|_| state.reopened == 0);
    if deadline.is_some_and(|at| at <= now) {
        return Next::Expire;
    }
    if state.paused.is_some() {
        return deadline.map_or(Next::Held, Next::WakeAt);
    }
    let start_at = state.started.start_at.filter(|_| !begun);
    let due = start_at.or(state.code_retry_at).or(due);
    match [due, deadline].into_iter().flatten().min() {
        Some(instant) => at(instant),
        None => Next::Await,
    }
}

/// The waits that are open: those of a line that lost its race are over.
fn waits(state: &RunState) -> impl Iterator<Item = (&StepAddress, &Wait)> {
    let steps = state.steps.iter();
    let live = steps.filter(|(address, _)| state.lines.is_live(&address.branch));
    live.filter_map(|(address, step)| match &step.progress {
        StepProgress::Waiting(wait) => Some((address, &**wait)),
        StepProgress::Forked(_) | StepProgress::Open { .. } | StepProgress::Done(_) => None,
    })
}

/// The steps that wait for something that arrives.
pub(super) fn waiting(state: &RunState) -> BTreeSet<StepAddress> {
    let arrives = |wait: &Wait| wait.on != Awaiting::On(WaitOn::Until);
    let waiting = waits(state).filter(|(_, wait)| arrives(wait));
    waiting.map(|(address, _)| address.clone()).collect()
}

/// What the run is indexed under, its cancelling events included.
pub(super) fn listening(state: &RunState) -> BTreeMap<EventKey, u32> {
    let mut counts = BTreeMap::new();
    let cancelling = state.started.cancel_on.iter();
    let mut keys: Vec<EventKey> = cancelling.map(|awaited| awaited.digest()).collect();
    for (_, wait) in waits(state) {
        if let Awaiting::On(WaitOn::Event { awaited, .. }) = &wait.on {
            keys.push(awaited.digest());
        }
    }
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// The events that are being judged.
pub(super) fn offered(state: &RunState) -> Vec<EventId> {
    let offers = waits(state).filter_map(|(_, wait)| wait.offered.as_ref());
    offers.map(|(event, _)| event.clone()).collect()
}

/// The scopes that have begun and not ended.
pub(super) fn open_scopes(state: &RunState) -> BTreeSet<StepAddress> {
    scopes(state).into_keys().cloned().collect()
}

/// The bytes of payload and message a journal holds, the input included.
pub(super) fn bytes(journal: &[Entry]) -> u64 {
    let of = |entry: &Entry| match &entry.body {
        EntryBody::RunStarted(fields) => fields.input_bytes as usize,
        EntryBody::StepSucceeded(fields) => fields.output.len(),
        EntryBody::StepFailed(fields) => fields.failure.message.len(),
        EntryBody::AttemptFailed(fields) => fields.failure.message.len(),
        EntryBody::RunCompleted(fields) => fields.output.len(),
        EntryBody::EventOffered(fields) => fields.data.len(),
        EntryBody::EventReceived(fields) => fields.data.as_ref().map_or(0, |data| data.len()),
        EntryBody::SignalReceived(fields) => fields.data.len(),
        // The id of the run, as code gets it.
        EntryBody::ChildStarted(fields) => 28 * usize::from(fields.detached),
        EntryBody::BranchEnded(fields) => match &fields.value {
            Some(Ok(output)) => output.len(),
            Some(Err(failure)) => failure.message.len(),
            None => 0,
        },
        EntryBody::UndoStarted(fields) => {
            let failure = fields.failure.as_ref();
            failure.map_or(0, |failure| failure.message.len())
        }
        EntryBody::Patched(fields) => fields.patch.len(),
        EntryBody::Recovered(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventRejected(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::RunContinued(_)
        | EntryBody::RunKilled(_) => 0,
    };
    journal.iter().map(|entry| of(entry) as u64).sum()
}
