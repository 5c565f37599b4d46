//! A run forked from another: which of its results it is begun with, and what is done anew.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Illegal, fold};
use crate::entry::{Entry, EntryBody, ParentClose, RunStarted, StepKind};
use crate::ids::{RunId, Seq, StepAddress, is_within};
use crate::time::Timestamp;

/// What forking a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkPlan {
    /// The journal the new run is begun with.
    pub kept: Vec<Entry>,
    /// Steps whose results it has.
    pub keeps: Vec<StepAddress>,
    /// What the other run did from there on, which this one does anew if its code comes to it.
    pub again: Vec<Again>,
}

/// A step that is done anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// The step.
    pub step: StepAddress,
    /// What kind of call it is.
    pub kind: StepKind,
    /// Whether it had succeeded: its effect is there, and would be there a second time.
    pub succeeded: bool,
    /// The database that holds the effect, for a transaction.
    pub database: Option<String>,
}

/// A run cannot be forked there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotFork {
    /// The journal does not speak of the step.
    #[error("journal has no step {step}")]
    NoSuchStep {
        /// The step.
        step: StepAddress,
    },
    /// What was recorded before the step does not stand by itself.
    #[error("what was recorded before step {step} does not stand by itself: {illegal}")]
    Tangled {
        /// The step.
        step: StepAddress,
        /// The first entry that cannot follow.
        illegal: Illegal,
    },
}

/// The journal `entries` up to the first word of `from`, as the beginning of `run`, which is
/// `started` at `now`.
///
/// Kept are the steps that had a result by then, and the forks around them. Whatever was under way
/// (attempts, waits, children) is asked for again by the code. Pauses, cancellations and failures
/// of code are the other run's own. A detached child stays the other's: this one's end does not
/// cancel it.
///
/// # Errors
/// The step is not there, or the beginning is nothing that could have been written by itself.
pub fn fork_at(
    entries: &[Entry],
    from: &StepAddress,
    run: RunId,
    started: RunStarted,
    now: Timestamp,
) -> Result<ForkPlan, CannotFork> {
    let first = entries
        .iter()
        .position(|entry| about(&entry.body).is_some_and(|(step, _)| step == from));
    let cut = first.ok_or_else(|| CannotFork::NoSuchStep { step: from.clone() })?;
    let before = entries.get(..cut).unwrap_or_default();
    let done = with_results(before);
    let start = EntryBody::RunStarted(started);
    let retries: Vec<(Seq, &StepAddress)> = before
        .iter()
        .flat_map(|entry| retried(entry).iter().map(|step| (entry.seq, step)))
        .collect();
    let bodies = before.iter().filter_map(|entry| {
        let later = retries.iter().filter(|(seq, _)| *seq >= entry.seq);
        let again: Vec<_> = later.map(|(_, step)| *step).collect();
        keep(&entry.body, &done, &again, now)
    });
    let kept: Vec<Entry> = std::iter::once(start)
        .chain(bodies)
        .zip(0..)
        .map(|(body, seq)| Entry {
            seq: Seq(seq),
            at: now,
            body,
        })
        .collect();
    fold(run, &kept).map_err(|illegal| CannotFork::Tangled {
        step: from.clone(),
        illegal,
    })?;
    Ok(ForkPlan {
        kept,
        keeps: in_order(before, &done),
        again: done_anew(entries, &done),
    })
}

/// The steps whose last word in `entries` is a result, and every fork.
fn with_results(entries: &[Entry]) -> BTreeSet<StepAddress> {
    let mut done = BTreeSet::new();
    for entry in entries {
        for step in retried(entry) {
            done.remove(step);
        }
        if is_result(&entry.body) {
            done.extend(about(&entry.body).map(|(step, _)| step.clone()));
        }
    }
    done
}

fn is_result(body: &EntryBody) -> bool {
    if let EntryBody::StepFailed(fields) = body {
        return fields.retry_at.is_none();
    }
    if let EntryBody::ChildStarted(fields) = body {
        return fields.detached;
    }
    matches!(
        body,
        EntryBody::StepSucceeded(_)
            | EntryBody::WaitTimedOut(_)
            | EntryBody::EventReceived(_)
            | EntryBody::ForkStarted(_)
    )
}

/// The steps an entry has tried again.
fn retried(entry: &Entry) -> &[StepAddress] {
    if let EntryBody::Retried(fields) = &entry.body {
        return &fields.steps;
    }
    &[]
}

/// The entry as the new run has it, if it has it. There nothing failed for good that was tried
/// `again` later: it was one more attempt, and the branches around it did not end.
fn keep(
    body: &EntryBody,
    done: &BTreeSet<StepAddress>,
    again: &[&StepAddress],
    now: Timestamp,
) -> Option<EntryBody> {
    if let EntryBody::BranchEnded(fields) = body {
        let line = fields.fork.branch_path(fields.branch);
        let revived = again.iter().any(|step| is_within(&step.branch, &line));
        return (!revived).then(|| body.clone());
    }
    let Some((step, kind)) = about(body) else {
        let kept = matches!(
            body,
            EntryBody::SignalReceived(_) | EntryBody::Patched(_) | EntryBody::UndoStarted(_)
        );
        return kept.then(|| body.clone());
    };
    let begun_anew = again.contains(&step) && !kind.is_attempted();
    if !done.contains(step) || begun_anew {
        return None;
    }
    let mut kept = body.clone();
    if let EntryBody::ChildStarted(child) = &mut kept
        && child.detached
    {
        child.close = ParentClose::Abandon;
    }
    if let EntryBody::StepFailed(failed) = &mut kept
        && again.contains(&step)
    {
        failed.retry_at.get_or_insert(now);
    }
    Some(kept)
}

/// The steps of `done`, in the order of their first entry.
fn in_order(entries: &[Entry], done: &BTreeSet<StepAddress>) -> Vec<StepAddress> {
    let mut seen = BTreeSet::new();
    entries
        .iter()
        .filter_map(|entry| about(&entry.body))
        .filter(|(step, _)| done.contains(*step) && seen.insert(*step))
        .map(|(step, _)| step.clone())
        .collect()
}

/// The steps `entries` speak of that are not `done`, in the order of their first entry.
fn done_anew(entries: &[Entry], done: &BTreeSet<StepAddress>) -> Vec<Again> {
    let mut anew: Vec<Again> = Vec::new();
    let mut places: BTreeMap<&StepAddress, usize> = BTreeMap::new();
    for entry in entries {
        let Some((step, kind)) = about(&entry.body).filter(|(step, _)| !done.contains(*step))
        else {
            continue;
        };
        let place = *places.entry(step).or_insert(anew.len());
        if place == anew.len() {
            anew.push(Again {
                step: step.clone(),
                kind,
                succeeded: false,
                database: None,
            });
        }
        let Some(again) = anew.get_mut(place) else {
            continue;
        };
        if let EntryBody::StepSucceeded(fields) = &entry.body {
            again.succeeded = true;
            again.database.clone_from(&fields.database);
        }
        again.succeeded |= matches!(&entry.body, EntryBody::ChildStarted(_));
    }
    anew
}

/// The step an entry is the first or a further word of, with its kind.
fn about(body: &EntryBody) -> Option<(&StepAddress, StepKind)> {
    match body {
        EntryBody::StepSucceeded(fields) => Some((&fields.step, fields.kind)),
        EntryBody::StepFailed(fields) => Some((&fields.step, fields.kind)),
        EntryBody::Recovered(fields) => fields.step.as_ref().map(|(step, kind)| (step, *kind)),
        EntryBody::WaitStarted(fields) => Some((&fields.step, fields.on.kind())),
        EntryBody::WaitTimedOut(fields) => Some((&fields.step, StepKind::WaitFor)),
        EntryBody::EventOffered(fields) => Some((&fields.step, StepKind::WaitFor)),
        EntryBody::EventReceived(fields) => Some((&fields.step, StepKind::WaitFor)),
        EntryBody::EventRejected(fields) => Some((&fields.step, StepKind::WaitFor)),
        EntryBody::ChildStarted(fields) => {
            let kind = if fields.detached {
                StepKind::Start
            } else {
                StepKind::Invoke
            };
            Some((&fields.step, kind))
        }
        EntryBody::ForkStarted(fields) => Some((&fields.step, fields.kind)),
        EntryBody::RunStarted(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::SignalReceived(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::RunContinued(_)
        | EntryBody::RunKilled(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_) => None,
    }
}
