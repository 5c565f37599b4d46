//! What a transition of one run means for others: computed from it, committed with it.

use std::collections::BTreeMap;

use super::command::ChildOutcome;
use super::state::{Child, Outcome, RunState};
use crate::entry::{Entry, EntryBody, Parent, ParentClose};
use crate::ids::{RunId, is_undo_line};

/// Something another run is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outward {
    /// A parent learns how the child it waits for ended.
    ChildEnded {
        /// The parent and its step.
        parent: Parent,
        /// The child's outcome.
        outcome: ChildOutcome,
    },
    /// A child is cancelled with its parent.
    CancelChild {
        /// The child.
        run: RunId,
        /// Why.
        reason: String,
        /// Whether it is ended where it stands, as its parent was.
        kill: bool,
    },
}

/// What the step over `entries` to `after` means for other runs, when `before` were the run's
/// children before it.
///
/// Crash before the commit: nothing happened. Crash after it: what is told is stored with it.
#[must_use]
pub fn outward(
    before: &BTreeMap<RunId, Child>,
    entries: &[Entry],
    after: &RunState,
) -> Vec<Outward> {
    let mut told = Vec::new();
    let cancel = |run: &RunId, reason: String, kill| Outward::CancelChild {
        run: *run,
        reason,
        kill,
    };
    let of_parent = |how: &str| format!("parent run {} {how}", after.run);
    for entry in entries {
        match &entry.body {
            EntryBody::CancelRequested(_) => {
                let closing = before.iter().filter(|(_, child)| {
                    let undoes = is_undo_line(&child.step.branch);
                    child.awaited && child.close == ParentClose::Cancel && !undoes
                });
                told.extend(closing.map(|(run, _)| cancel(run, of_parent("is cancelled"), false)));
            }
            // Only the end of a race leaves anything behind.
            EntryBody::BranchEnded(ended) if ended.value.is_none() => {}
            // A child that is awaited no more, although it has not ended, lost its race.
            EntryBody::BranchEnded(_) | EntryBody::UndoStarted(_) => {
                let left = before.iter().filter(|(run, child)| {
                    let closing = child.awaited && child.close == ParentClose::Cancel;
                    closing && !after.children.contains_key(run)
                });
                told.extend(left.map(|(run, _)| cancel(run, of_parent("went on without"), false)));
            }
            EntryBody::RunCompleted(_)
            | EntryBody::RunFailed(_)
            | EntryBody::RunCancelled
            | EntryBody::RunKilled(_) => {
                let killed = matches!(entry.body, EntryBody::RunKilled(_));
                let closing = before
                    .iter()
                    .filter(|(_, child)| child.close == ParentClose::Cancel);
                told.extend(closing.map(|(run, _)| cancel(run, of_parent("ended"), killed)));
                told.extend(to_parent(after));
            }
            // A run that goes on as another has not ended for anybody else.
            EntryBody::RunContinued(_)
            | EntryBody::RunStarted(_)
            | EntryBody::StepSucceeded(_)
            | EntryBody::StepFailed(_)
            | EntryBody::Recovered(_)
            | EntryBody::AttemptFailed(_)
            | EntryBody::Quarantined(_)
            | EntryBody::Resumed
            | EntryBody::Patched(_)
            | EntryBody::Paused(_)
            | EntryBody::Retried(_)
            | EntryBody::WaitStarted(_)
            | EntryBody::WaitTimedOut(_)
            | EntryBody::EventOffered(_)
            | EntryBody::EventReceived(_)
            | EntryBody::EventRejected(_)
            | EntryBody::SignalReceived(_)
            | EntryBody::ChildStarted(_)
            | EntryBody::ForkStarted(_) => {}
        }
    }
    told
}

/// The end of a run, for whoever waits for it.
fn to_parent(after: &RunState) -> Option<Outward> {
    let parent = after.started.parent.clone()?;
    let outcome = match after.outcome.as_ref()? {
        Outcome::Completed(output) => ChildOutcome::Completed(output.clone()),
        Outcome::Failed(failure) => ChildOutcome::Failed(failure.clone()),
        Outcome::Cancelled => ChildOutcome::Cancelled,
        Outcome::Continued(_) => return None,
    };
    Some(Outward::ChildEnded { parent, outcome })
}
