//! What a run's journal says beside its status: what it waits for, who asked it to end, its kin.

use std::collections::BTreeMap;

use stepwell_core::entry::ForkedFrom;
use stepwell_core::run::{Awaiting, Outcome, RunState, StepProgress};
use stepwell_core::{Entry, EntryBody, RunId, StepAddress, Timestamp, WaitOn};
use stepwell_store::InboxRow;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it waits for; nothing once it has ended or while it is quarantined.
    pub waits: Vec<OpenWait>,
    /// It is cancelled when its code has not recorded anything by then.
    pub start_by: Option<Timestamp>,
    /// It is cancelled when it has not ended by then.
    pub finish_by: Option<Timestamp>,
    /// The last request to end it, also once it has ended.
    pub end_asked: Option<EndAsked>,
    /// The run that waits for it.
    pub parent: Option<RunId>,
    /// The runs it started, in the order it did.
    pub children: Vec<RunId>,
    /// The run it goes on as.
    pub continued_as: Option<RunId>,
    /// The run it was forked from, and the first step that it did anew.
    pub forked_from: Option<ForkedFrom>,
    /// The request of a person that keeps it from going on, while it does.
    pub paused: Option<PauseAsked>,
}

/// A request to pause a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseAsked {
    /// Since when the run is paused; `None` while it has not taken the request up.
    pub at: Option<Timestamp>,
    /// The reason given, possibly nothing.
    pub reason: String,
}

/// One thing a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWait {
    /// The step; `None` when the whole run waits.
    pub step: Option<StepAddress>,
    /// For what.
    pub on: WaitedFor,
    /// Since when.
    pub since: Timestamp,
    /// The instant it is for, or its deadline.
    pub until: Option<Timestamp>,
}

/// What a wait is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitedFor {
    /// The instant before which its code may not begin.
    Start,
    /// The next attempt, after one that failed.
    Retry,
    /// Time or something that is sent.
    On(WaitOn),
    /// The end of a child.
    Child(RunId),
}

/// A request to end a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndAsked {
    /// When the run took it up; `None` while it has not.
    pub at: Option<Timestamp>,
    /// The reason given, possibly nothing.
    pub reason: String,
    /// Whether it is to end where it stands, without undoing anything.
    pub kill: bool,
}

/// The standing of a run in `state`, which is the fold of `journal`; `inbox` was read before it, so
/// that a request on its way from one to the other is in either.
pub(crate) fn standing(state: &RunState, journal: &[Entry], inbox: &[InboxRow]) -> Standing {
    let untouched = state.outcome.is_some() || state.quarantined.is_some();
    let children = journal.iter().filter_map(|entry| match &entry.body {
        EntryBody::ChildStarted(child) => Some(child.run),
        _ => None,
    });
    Standing {
        waits: if untouched {
            Vec::new()
        } else {
            waits(state, journal)
        },
        start_by: state.started.start_by,
        finish_by: state.started.finish_by,
        end_asked: end_asked(journal, inbox),
        parent: state.started.parent.as_ref().map(|parent| parent.run),
        children: children.collect(),
        continued_as: match state.outcome {
            Some(Outcome::Continued(next)) => Some(next),
            Some(Outcome::Completed(_) | Outcome::Failed(_) | Outcome::Cancelled) | None => None,
        },
        forked_from: state.started.forked.clone(),
        paused: paused(state, inbox),
    }
}

/// The pause of a run that has one, else the request for one that it has yet to take up.
fn paused(state: &RunState, inbox: &[InboxRow]) -> Option<PauseAsked> {
    if state.outcome.is_some() {
        return None;
    }
    if let Some(pause) = &state.paused {
        return Some(PauseAsked {
            at: Some(pause.at),
            reason: pause.reason.clone(),
        });
    }
    let last = inbox.iter().rev().find_map(|row| match row {
        InboxRow::Pause { reason } => Some(Some(reason)),
        InboxRow::Resume => Some(None),
        _ => None,
    });
    last.flatten().map(|reason| PauseAsked {
        at: None,
        reason: reason.clone(),
    })
}

fn waits(state: &RunState, journal: &[Entry]) -> Vec<OpenWait> {
    let whole = |on, since, until| OpenWait {
        step: None,
        on,
        since,
        until: Some(until),
    };
    if state.cancel.is_none() {
        if let (false, Some(at)) = (state.code_began(), state.started.start_at) {
            return vec![whole(WaitedFor::Start, state.started_at, at)];
        }
        if let Some(at) = state.code_retry_at {
            return vec![whole(WaitedFor::Retry, state.changed_at, at)];
        }
    }
    let began = began(journal);
    let open = state.steps.iter().filter_map(|(step, known)| {
        let (on, until) = match &known.progress {
            StepProgress::Waiting(wait) => match &wait.on {
                Awaiting::On(on) => (WaitedFor::On(on.clone()), wait.until),
                Awaiting::Child(run) => (WaitedFor::Child(*run), wait.until),
            },
            StepProgress::Open {
                retry_at: Some(retry_at),
            } => (WaitedFor::Retry, Some(*retry_at)),
            StepProgress::Open { retry_at: None }
            | StepProgress::Forked(_)
            | StepProgress::Done(_) => return None,
        };
        if state.stands_still(&step.branch) {
            return None;
        }
        Some(OpenWait {
            step: Some(step.clone()),
            on,
            since: began.get(step).copied().unwrap_or(state.changed_at),
            until,
        })
    });
    let mut open: Vec<_> = open.collect();
    open.sort_by_key(|wait| wait.since);
    open
}

/// When each step began what it waits for, as far as it waits.
fn began(journal: &[Entry]) -> BTreeMap<&StepAddress, Timestamp> {
    let mut began = BTreeMap::new();
    for entry in journal {
        let step = match &entry.body {
            EntryBody::WaitStarted(wait) => &wait.step,
            EntryBody::ChildStarted(child) => &child.step,
            EntryBody::StepFailed(failed) => &failed.step,
            _ => continue,
        };
        began.insert(step, entry.at);
    }
    began
}

/// A kill comes behind every request to cancel, whether it was taken up or not.
fn end_asked(journal: &[Entry], inbox: &[InboxRow]) -> Option<EndAsked> {
    let taken_up = journal.iter().rev().find_map(|entry| match &entry.body {
        EntryBody::RunKilled(killed) => Some((&killed.reason, true, entry.at)),
        EntryBody::CancelRequested(cancel) => Some((&cancel.reason, false, entry.at)),
        _ => None,
    });
    let left = inbox.iter().rev().find_map(|row| match row {
        InboxRow::Kill { reason } => Some((reason, true)),
        InboxRow::Cancel { reason } if taken_up.is_none() => Some((reason, false)),
        InboxRow::Cancel { .. }
        | InboxRow::Resume
        | InboxRow::Event { .. }
        | InboxRow::Signal { .. }
        | InboxRow::Pause { .. }
        | InboxRow::Retry { .. }
        | InboxRow::Quarantine { .. }
        | InboxRow::ChildEnded { .. } => None,
    });
    match (taken_up, left) {
        (Some((reason, kill, at)), None) => Some(EndAsked {
            at: Some(at),
            reason: reason.clone(),
            kill,
        }),
        (_, Some((reason, kill))) => Some(EndAsked {
            at: None,
            reason: reason.clone(),
            kill,
        }),
        (None, None) => None,
    }
}
