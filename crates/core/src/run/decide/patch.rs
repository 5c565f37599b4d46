//! Code asks whether a change of it applies to the run.

use std::sync::Arc;

use super::{decided, unchanged};
use crate::entry::{EntryBody, Patched};
use crate::run::command::{Decision, Reply};
use crate::run::state::RunState;
use crate::time::Timestamp;

/// A change applies where code asks at the end of what is recorded, and is remembered from there
/// on; where the journal goes on behind the question, it was written without the change.
///
/// The answer takes no place among the steps of its line, so that code which asks no more, once
/// every run without the change has ended, still fits the journals of those with it.
pub(super) fn patch(
    state: &RunState,
    branch: Arc<str>,
    patch: String,
    position: usize,
    now: Timestamp,
) -> Decision {
    if state.outcome.is_some() || state.quarantined.is_some() {
        return unchanged(Reply::Stop);
    }
    let asked = (branch, patch);
    if state.patches.contains(&asked) {
        return unchanged(Reply::Patched(true));
    }
    let (branch, patch) = asked;
    let behind = state.lines.steps(&branch).len() > position;
    if behind || !state.lines.is_live(&branch) {
        return unchanged(Reply::Patched(false));
    }
    if state.stands_still(&branch) {
        return unchanged(Reply::Hold);
    }
    let body = EntryBody::Patched(Patched { branch, patch });
    decided(state, now, [body], Reply::Patched(true))
}
