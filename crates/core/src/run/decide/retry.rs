//! A person has what failed tried again, in the same run and under the same keys.

use super::decided;
use crate::entry::{EntryBody, Retried};
use crate::run::command::{Decision, Refusal, Reply};
use crate::run::reopening::reopens;
use crate::run::state::RunState;
use crate::time::Timestamp;

/// What is tried again is worked out from the state, and recorded.
pub(super) fn retry(state: &RunState, reason: String, now: Timestamp) -> Result<Decision, Refusal> {
    let steps = reopens(state, now)?;
    let body = EntryBody::Retried(Retried { reason, steps });
    Ok(decided(state, now, [body], Reply::Accepted))
}
