//! For each entry a command that makes `decide` emit it, if any does: what `apply` is held to.

use super::laws::{ask, policy};
use crate::entry::{Entry, EntryBody, StepFailed, StepKind, StepSucceeded, WaitOn};
use crate::ids::{EventId, EventOrder, RunId, StepAddress};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{
    Arrival, ChildOutcome, Command, EndBranch, Ended, FinishStep, Mark, StartFork, StartWait,
};
use crate::run::state::{Awaiting, RunState, StepProgress};
use crate::time::Timestamp;

/// The command that makes `decide` emit `entry`, if any does, and when.
pub(super) fn witness(state: &RunState, entry: &Entry) -> Option<(Command, Timestamp)> {
    let mut now = entry.at;
    if let EntryBody::StepFailed(fields) = &entry.body {
        now = now.min(fields.retry_at.unwrap_or(now));
    }
    if let EntryBody::AttemptFailed(fields) = &entry.body {
        now = now.min(fields.retry_at);
    }
    Some((witness_at(state, &entry.body, now)?, now))
}

fn witness_at(state: &RunState, body: &EntryBody, now: Timestamp) -> Option<Command> {
    let passed = |line: &str| state.lines.steps(line).len();
    Some(match body.clone() {
        EntryBody::RunStarted(_) => return None,
        EntryBody::StepSucceeded(fields) => success(state, fields)?,
        EntryBody::StepFailed(fields) => failure(fields, now),
        EntryBody::Recovered(fields) => Command::Recover(Mark {
            step: fields.step,
            attempt: fields.attempt,
            seq: state.next_seq,
            alone: fields.alone,
        }),
        EntryBody::AttemptFailed(fields) => {
            let policy = waits_until(fields.retry_at, now);
            end_by(Ended::Failed(fields.failure), passed(""), policy)
        }
        EntryBody::CancelRequested(fields) => Command::RequestCancel {
            reason: fields.reason,
        },
        EntryBody::RunCompleted(fields) => {
            end_by(Ended::Returned(fields.output), passed(""), policy(1))
        }
        EntryBody::RunFailed(fields) => {
            // Code that panics within a branch is not past its fork.
            let open = usize::from(state.open_step("").is_some());
            end_by(Ended::Failed(fields.failure), passed("") - open, policy(0))
        }
        EntryBody::RunCancelled => Command::ConcludeCancel,
        EntryBody::Quarantined(fields) => Command::Quarantine(fields.reason),
        EntryBody::Resumed => Command::Resume,
        EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventOffered(_)
        | EntryBody::EventReceived(_)
        | EntryBody::EventRejected(_)
        | EntryBody::SignalReceived(_) => waiting(state, body)?,
        EntryBody::ChildStarted(fields) => Command::StartChild(fields),
        EntryBody::ForkStarted(_) | EntryBody::BranchEnded(_) | EntryBody::UndoStarted(_) => {
            forking(state, body)?
        }
        EntryBody::RunContinued(fields) => Command::Continue {
            next: fields.next,
            passed: passed(""),
        },
        EntryBody::RunKilled(fields) => Command::Kill {
            reason: fields.reason,
        },
        EntryBody::Patched(fields) => Command::Patch {
            position: passed(&fields.branch),
            branch: fields.branch,
            patch: fields.patch,
        },
        EntryBody::Paused(fields) => Command::Pause {
            reason: fields.reason,
        },
        EntryBody::Retried(fields) => Command::Retry {
            reason: fields.reason,
        },
    })
}

/// A policy whose next attempt is at `until`.
fn waits_until(until: Timestamp, now: Timestamp) -> RetryPolicy {
    let ms = until.since(now).as_millis() as u64;
    RetryPolicy {
        attempts_max: u32::MAX,
        initial_ms: ms,
        max_ms: ms,
        jitter_percent: 0,
    }
}

fn success(state: &RunState, fields: StepSucceeded) -> Option<Command> {
    if fields.kind == StepKind::Sleep {
        return Some(asked_again(state, fields.step, fields.kind));
    }
    if fields.kind == StepKind::Invoke {
        return child_at(state, &fields.step, |run| Command::ChildEnded {
            run,
            outcome: ChildOutcome::Completed(fields.output),
        });
    }
    Some(Command::FinishStep(FinishStep {
        step: fields.step,
        kind: fields.kind,
        attempt: fields.attempt,
        result: Ok(fields.output),
        policy: policy(1),
        database: fields.database,
    }))
}

fn failure(fields: StepFailed, now: Timestamp) -> Command {
    let policy = fields
        .retry_at
        .map_or(policy(1), |until| waits_until(until, now));
    Command::FinishStep(FinishStep {
        step: fields.step,
        kind: fields.kind,
        attempt: fields.attempt,
        result: Err(fields.failure),
        policy,
        database: None,
    })
}

fn waiting(state: &RunState, body: &EntryBody) -> Option<Command> {
    if let EntryBody::WaitStarted(fields) = body.clone() {
        return Some(Command::StartWait(StartWait {
            step: fields.step,
            on: fields.on,
            until: fields.until,
            found: Vec::new(),
        }));
    }
    if let EntryBody::WaitTimedOut(fields) = body.clone() {
        let kind = state.steps.get(&fields.step)?.kind;
        return Some(asked_again(state, fields.step, kind));
    }
    if let EntryBody::EventOffered(fields) = body.clone() {
        return arriving(state, &fields.step, fields.event, fields.data);
    }
    if let EntryBody::SignalReceived(fields) = body.clone() {
        let (name, data) = (fields.name, fields.data);
        return Some(Command::Signal { name, data });
    }
    if let EntryBody::EventReceived(fields) = body.clone() {
        let accepted = true;
        return match fields.data {
            Some(data) => arriving(state, &fields.step, fields.event, data),
            None => Some(Command::Judge {
                step: fields.step,
                accepted,
            }),
        };
    }
    let EntryBody::EventRejected(fields) = body.clone() else {
        return None;
    };
    let (step, accepted) = (fields.step, false);
    Some(Command::Judge { step, accepted })
}

fn forking(state: &RunState, body: &EntryBody) -> Option<Command> {
    let passed = |line: &str| state.lines.steps(line).len();
    if let EntryBody::ForkStarted(fields) = body.clone() {
        return Some(Command::StartFork(StartFork {
            position: passed(&fields.step.branch),
            step: fields.step,
            kind: fields.kind,
            branches: fields.branches,
            limit: fields.limit,
        }));
    }
    if let EntryBody::BranchEnded(fields) = body.clone() {
        let undo = fields.fork.undo_path();
        let line = match state.lines.is_live(&undo) {
            true => undo,
            false => fields.fork.branch_path(fields.branch),
        };
        return Some(Command::EndBranch(EndBranch {
            passed: passed(&line),
            fork: fields.fork,
            branch: fields.branch,
            value: fields.value,
        }));
    }
    let EntryBody::UndoStarted(fields) = body.clone() else {
        return None;
    };
    let passed = passed(&fields.scope.branch_path(0));
    Some(Command::StartUndo {
        scope: fields.scope,
        failed: fields.failure.map(|failure| (failure, passed)),
    })
}

fn end_by(ended: Ended, passed: usize, policy: RetryPolicy) -> Command {
    Command::FinishRun {
        ended,
        passed,
        policy,
    }
}

/// Code asks again for the last step of its line.
fn asked_again(state: &RunState, step: StepAddress, kind: StepKind) -> Command {
    let position = state.lines.steps(&step.branch).len().saturating_sub(1);
    ask(step, kind, position)
}

/// The event reaches the run for which `step` waits.
fn arriving(
    state: &RunState,
    step: &StepAddress,
    event: EventId,
    data: Payload,
) -> Option<Command> {
    let StepProgress::Waiting(wait) = &state.steps.get(step)?.progress else {
        return None;
    };
    let Awaiting::On(WaitOn::Event { awaited, .. }) = &wait.on else {
        return None;
    };
    Some(Command::Deliver(Arrival {
        event,
        order: EventOrder {
            opening: 2,
            number: 1,
        },
        awaited: awaited.clone(),
        data,
    }))
}

/// What is told of the child `step` waits for.
fn child_at(
    state: &RunState,
    step: &StepAddress,
    tell: impl FnOnce(RunId) -> Command,
) -> Option<Command> {
    let mut children = state.children.iter();
    let (run, _) = children.find(|(_, child)| child.awaited && child.step == *step)?;
    Some(tell(*run))
}
