//! Workflow code ended: the run's outcome, another replay of the code, or a mismatch.

use super::{decided, fits, mismatch, require_active};
use crate::entry::{AttemptFailed, EntryBody, Failure, FailureClass, RunCompleted, RunFailed};
use crate::limits::STEP_OUTPUT_BYTES;
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{Decision, Ended, Refusal, Reply};
use crate::run::state::RunState;
use crate::time::Timestamp;

/// Code that ends before it passed every step of its own line no longer fits its journal.
///
/// A failure that will be replayed is exempt: the next replay may well pass them.
pub(super) fn finish_run(
    state: &RunState,
    ended: Ended,
    passed: usize,
    policy: RetryPolicy,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    let (body, attempted) = match ended {
        Ended::Returned(output) => (completed(output), "returning from the workflow"),
        Ended::Failed(failure) => match replay_at(state, &failure, policy, now) {
            Some(retry_at) => {
                let attempt = state.code_failures.saturating_add(1);
                let body = AttemptFailed {
                    attempt,
                    failure,
                    retry_at,
                };
                let body = EntryBody::AttemptFailed(body);
                return Ok(decided(state, now, [body], Reply::Park { until: retry_at }));
            }
            None => (
                EntryBody::RunFailed(RunFailed { failure }),
                "failing the workflow",
            ),
        },
    };
    match left_over(state, passed) {
        Some(recorded) => Ok(mismatch(state, now, recorded, attempted.to_owned())),
        None => Ok(decided(state, now, [body], Reply::Stop)),
    }
}

/// What the journal holds instead of the end of code that passed `passed` steps.
fn left_over(state: &RunState, passed: usize) -> Option<String> {
    let line = state.order.get("").map_or(&[][..], Vec::as_slice);
    if passed > line.len() {
        return Some(format!("{} of the {passed} steps passed", line.len()));
    }
    let address = line.get(passed).or_else(|| state.open_step(""))?;
    let step = state.steps.get(address)?;
    Some(format!("{} {address}", step.kind.word()))
}

fn completed(output: Payload) -> EntryBody {
    let bytes = output.len();
    if bytes > STEP_OUTPUT_BYTES {
        let message = format!("output of {bytes} bytes is over the limit of {STEP_OUTPUT_BYTES}");
        let failure = Failure::new(FailureClass::Terminal, message);
        return EntryBody::RunFailed(RunFailed { failure });
    }
    EntryBody::RunCompleted(RunCompleted { output })
}

/// When code is replayed after `failure`; `None` when the failure is the run's end.
///
/// The failure of a spent step is final: the step had its own attempts.
fn replay_at(
    state: &RunState,
    failure: &Failure,
    policy: RetryPolicy,
    now: Timestamp,
) -> Option<Timestamp> {
    // Patience without end must not become a journal without end.
    if failure.step.is_some() || !fits(state, failure.message.len()) {
        return None;
    }
    let failures = state.code_failures.saturating_add(1);
    let delay = policy.delay_after(failure.class, failures, state.run, None)?;
    Some(now.after(delay))
}
