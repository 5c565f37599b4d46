//! A body ended: record its result once, or its failure with the instant of the next attempt.

use super::{decided, fits, require_active, unchanged};
use crate::entry::{EntryBody, Failure, FailureClass, StepFailed, StepSucceeded};
use crate::limits::{RUN_STATE_BYTES, STEP_OUTPUT_BYTES};
use crate::payload::Payload;
use crate::run::command::{Decision, FinishStep, Refusal, Reply};
use crate::run::state::{RunState, StepProgress};
use crate::time::Timestamp;

/// A run asked to cancel still records what its body did; it is not acted upon.
pub(super) fn finish_step(
    state: &RunState,
    report: FinishStep,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    if !state.under_way(&report.step.branch) {
        // Its branch lost a race, or its scope is past learning of it: nobody waits for this.
        return Ok(unchanged(Reply::Hold));
    }
    let failures = check_attempt(state, &report)?;
    let FinishStep {
        step,
        kind,
        attempt,
        result,
        policy,
        database,
    } = report;
    let body = match result.and_then(|output| within_limits(state, output)) {
        Ok(output) => EntryBody::StepSucceeded(StepSucceeded {
            step,
            kind,
            attempt,
            output,
            database,
        }),
        Err(failure) => {
            let failures = failures.saturating_add(1);
            let delay = policy.delay_after(failure.class, failures, state.run, Some(&step));
            // Patience without end must not become a journal without end.
            let retry_at = delay
                .filter(|_| kind.is_attempted() && fits(state, failure.message.len()))
                .map(|delay| now.after(delay));
            EntryBody::StepFailed(StepFailed {
                step,
                kind,
                attempt,
                failure,
                retry_at,
            })
        }
    };
    Ok(decided(state, now, [body], Reply::Accepted))
}

/// The failures recorded so far, when the reported attempt is the one that is due.
fn check_attempt(state: &RunState, report: &FinishStep) -> Result<u32, Refusal> {
    let step = || report.step.clone();
    let (expected, failures) = match state.steps.get(&report.step) {
        None => match state.open_step(&report.step.branch) {
            // What is not attempted has its result from elsewhere, but may turn out impossible.
            None if report.result.is_ok() && !report.kind.is_attempted() => {
                return Err(Refusal::StandsElsewhere { step: step() });
            }
            None => (1, 0),
            Some(open) => {
                return Err(Refusal::LeftOpen {
                    step: step(),
                    open: open.clone(),
                });
            }
        },
        Some(known) if known.kind != report.kind => {
            return Err(Refusal::KindDiffers {
                step: step(),
                recorded: known.kind.word(),
                found: report.kind.word(),
            });
        }
        Some(known) => match known.progress {
            StepProgress::Done(_) => return Err(Refusal::AlreadyRecorded { step: step() }),
            StepProgress::Waiting(_) | StepProgress::Forked(_) => {
                return Err(Refusal::StandsElsewhere { step: step() });
            }
            StepProgress::Open { .. } => (known.next_attempt(), known.failures),
        },
    };
    if report.attempt != expected {
        return Err(Refusal::StaleAttempt {
            step: step(),
            expected,
            found: report.attempt,
        });
    }
    Ok(failures)
}

/// A result too large fails the step for good: running the body again would not make it smaller.
pub(super) fn within_limits(state: &RunState, output: Payload) -> Result<Payload, Failure> {
    let bytes = output.len();
    if bytes > STEP_OUTPUT_BYTES {
        let message = format!("result of {bytes} bytes is over the limit of {STEP_OUTPUT_BYTES}");
        return Err(Failure::new(FailureClass::Terminal, message));
    }
    if !fits(state, bytes) {
        let message = format!(
            "result of {bytes} bytes would take the run over its limit of {RUN_STATE_BYTES} bytes"
        );
        return Err(Failure::new(FailureClass::Terminal, message));
    }
    Ok(output)
}
