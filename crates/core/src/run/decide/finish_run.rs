//! Workflow code ended: the run's outcome, another replay of the code, or a mismatch.

use super::{decided, fits, mismatch, require_active, unchanged};
use crate::entry::{
    AttemptFailed, EntryBody, Failure, FailureClass, RunCompleted, RunContinued, RunFailed,
};
use crate::ids::RunId;
use crate::limits::{CHILD_OUTPUT_BYTES, STEP_OUTPUT_BYTES};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{Decision, Ended, Refusal, Reply};
use crate::run::state::{RunState, StepProgress};
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
    if state.paused.is_some() {
        return Ok(unchanged(Reply::Hold));
    }
    let (body, attempted) = match ended {
        Ended::Returned(output) => (completed(state, output), "returning from the workflow"),
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
            // Code that cannot even undo what it did does not keep a run from being cancelled.
            None if state.cancel.is_some() => {
                return Ok(decided(state, now, [EntryBody::RunCancelled], Reply::Stop));
            }
            None => {
                let within = panicked_within(state, &failure, passed);
                let body = EntryBody::RunFailed(RunFailed { failure });
                if within {
                    return Ok(decided(state, now, [body], Reply::Stop));
                }
                (body, "failing the workflow")
            }
        },
    };
    match left_over(state, "", passed) {
        Some(recorded) => Ok(mismatch(state, now, recorded, attempted.to_owned())),
        None => Ok(decided(state, now, [body], Reply::Stop)),
    }
}

/// The run ends here and goes on as `next`, which is created in the same commit.
pub(super) fn go_on(
    state: &RunState,
    next: RunId,
    passed: usize,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    if state.cancel.is_some() || state.paused.is_some() {
        return Ok(unchanged(Reply::Hold));
    }
    match left_over(state, "", passed) {
        Some(recorded) => {
            let attempted = "going on as another run".to_owned();
            Ok(mismatch(state, now, recorded, attempted))
        }
        None => {
            let body = EntryBody::RunContinued(RunContinued { next });
            Ok(decided(state, now, [body], Reply::Stop))
        }
    }
}

/// Whether code panicked in a branch of the fork it had come to, which no replay will mend. With a
/// scope open the run stands still instead, until a person sees to it: there is something to undo.
fn panicked_within(state: &RunState, failure: &Failure, passed: usize) -> bool {
    let come_to = state.lines.steps("").get(passed);
    let step = come_to.and_then(|step| state.steps.get(step));
    let forked = step.is_some_and(|step| matches!(step.progress, StepProgress::Forked(_)));
    forked && failure.class == FailureClass::Panicked && state.open_scopes.is_empty()
}

/// What the journal holds instead of the end of code that passed `passed` steps of `branch`.
pub(super) fn left_over(state: &RunState, branch: &str, passed: usize) -> Option<String> {
    let line = state.lines.steps(branch);
    if passed > line.len() {
        return Some(format!("{} of the {passed} steps passed", line.len()));
    }
    let address = line.get(passed).or_else(|| state.open_step(branch));
    let address = address.or_else(|| state.scopes_within(branch).next())?;
    let step = state.steps.get(address)?;
    Some(format!("{} {address}", step.kind.word()))
}

fn completed(state: &RunState, output: Payload) -> EntryBody {
    let bytes = output.len();
    let limit = match state.started.parent {
        Some(_) => CHILD_OUTPUT_BYTES,
        None => STEP_OUTPUT_BYTES,
    };
    if bytes > limit {
        let message = format!("output of {bytes} bytes is over the limit of {limit}");
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
