//! The answer to each command: a table of contents, one file per command that has rules.

mod finish_run;
mod finish_step;
mod forks;
mod operate;
mod patch;
mod recover;
mod retry;
mod start_step;
mod waits;

use super::command::{Command, Decision, Refusal, Reply};
use super::state::RunState;
use crate::entry::{Entry, EntryBody, QuarantineReason, Quarantined, RunStarted};
use crate::ids::Seq;
use crate::limits::RUN_STATE_BYTES;
use crate::time::Timestamp;

/// Answers `command` to a run in `state` at `now`.
///
/// # Errors
/// A [`Refusal`], which changes nothing.
pub fn decide(state: &RunState, command: Command, now: Timestamp) -> Result<Decision, Refusal> {
    match command {
        Command::StartStep(ask) => Ok(start_step::start_step(state, &ask, now)),
        Command::FinishStep(report) => finish_step::finish_step(state, report, now),
        Command::Recover(mark) => Ok(recover::recover(state, mark, now)),
        Command::FinishRun {
            ended,
            passed,
            policy,
        } => finish_run::finish_run(state, ended, passed, policy, now),
        Command::StartWait(wait) => waits::start_wait(state, wait, now),
        Command::Deliver(arrival) => Ok(waits::deliver(state, arrival, now)),
        Command::Judge { step, accepted } => waits::judge(state, step, accepted, now),
        Command::Signal { name, data } => waits::signal(state, name, data, now),
        Command::StartChild(child) => waits::start_child(state, child, now),
        Command::ChildEnded { run, outcome } => Ok(waits::child_ended(state, run, outcome, now)),
        Command::StartFork(fork) => forks::start_fork(state, fork, now),
        Command::EndBranch(end) => forks::end_branch(state, end, now),
        Command::StartUndo { scope, failed } => forks::start_undo(state, scope, failed, now),
        Command::Continue { next, passed } => finish_run::go_on(state, next, passed, now),
        Command::Expire => operate::expire(state, now),
        Command::Kill { reason } => operate::kill(state, reason, now),
        Command::RequestCancel { reason } => operate::request_cancel(state, reason, now),
        Command::ConcludeCancel => operate::conclude_cancel(state, now),
        Command::Quarantine(reason) => operate::quarantine(state, reason, now),
        Command::Resume => operate::resume(state, now),
        Command::Pause { reason } => operate::pause(state, reason, now),
        Command::Retry { reason } => retry::retry(state, reason, now),
        Command::Patch {
            branch,
            patch,
            position,
        } => Ok(patch::patch(state, branch, patch, position, now)),
    }
}

/// The first entry of a run that begins at `now`.
#[must_use]
pub fn begin(started: RunStarted, now: Timestamp) -> Entry {
    Entry {
        seq: Seq::FIRST,
        at: now,
        body: EntryBody::RunStarted(started),
    }
}

/// A decision to append `bodies`, numbered on from `state`.
fn decided(
    state: &RunState,
    now: Timestamp,
    bodies: impl IntoIterator<Item = EntryBody>,
    reply: Reply,
) -> Decision {
    // Entries never go back in time, whatever the clock does: journals stay readable in order.
    // Instants to wait for are the clock's own, or one jump forward would delay them for ever.
    let at = now.max(state.changed_at);
    let entries = bodies
        .into_iter()
        .zip(0..)
        .map(|(body, n)| Entry {
            seq: state.next_seq.plus(n),
            at,
            body,
        })
        .collect();
    Decision { entries, reply }
}

/// A decision that appends nothing.
fn unchanged(reply: Reply) -> Decision {
    Decision {
        entries: Vec::new(),
        reply,
    }
}

/// Journal and code disagree: the run stops, with both sides named.
fn mismatch(state: &RunState, now: Timestamp, recorded: String, attempted: String) -> Decision {
    let reason = QuarantineReason::Mismatch {
        recorded,
        attempted,
    };
    let body = EntryBody::Quarantined(Quarantined { reason });
    decided(state, now, [body], Reply::Stop)
}

/// Whether `bytes` more fit the limit on what one run may journal.
fn fits(state: &RunState, bytes: usize) -> bool {
    state.bytes.saturating_add(bytes as u64) <= RUN_STATE_BYTES
}

/// Refuses for a run that has ended or is quarantined.
fn require_active(state: &RunState, now: Timestamp) -> Result<(), Refusal> {
    if state.outcome.is_some() {
        return Err(Refusal::Ended {
            status: state.status(now),
        });
    }
    if state.quarantined.is_some() {
        return Err(Refusal::Quarantined);
    }
    Ok(())
}
