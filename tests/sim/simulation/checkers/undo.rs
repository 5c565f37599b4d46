//! Scopes: what they did is undone once and in reverse, or not at all.

use stepwell_core::run::{Outcome, RunState};
use stepwell_core::{EntryBody, StepAddress, StepKind};

use crate::simulation::follow::{Follower, Met, Trip};
use crate::simulation::observation::{Observation, StoredRun};

/// See the checker's name. A run that was killed undoes nothing more.
pub(super) fn in_reverse(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    let mut facts = Vec::new();
    for (run, stored, state) in last.states() {
        let mut follower = Follower::new(last, *run, stored, state);
        if follower.whole(&observation.plan.programs).is_err() {
            // What is recorded is not this program's, which another checker says.
            continue;
        }
        for trip in &follower.trips {
            if let Err(fact) = of_trip(stored, state, trip) {
                facts.push(format!("run {run}: {fact}"));
            }
        }
    }
    facts
}

fn of_trip(stored: &StoredRun, state: &RunState, trip: &Trip) -> Result<(), String> {
    let Trip {
        scope,
        undoable,
        met,
    } = trip;
    let began = stored.journal.iter().any(|entry| match &entry.body {
        EntryBody::UndoStarted(fields) => fields.scope == *scope,
        _ => false,
    });
    let line = scope.undo_path();
    let undone: Vec<&str> = stored
        .journal
        .iter()
        .filter_map(|entry| match &entry.body {
            EntryBody::StepSucceeded(fields)
                if fields.kind == StepKind::Undo && fields.step.branch == line =>
            {
                Some(&*fields.step.name)
            }
            _ => None,
        })
        .collect();
    let reverse = undoable.iter().rev().map(|step: &StepAddress| &*step.name);
    let wanted: Vec<&str> = reverse.collect();
    let killed = stored
        .journal
        .iter()
        .any(|entry| matches!(entry.body, EntryBody::RunKilled(_)));
    let whole = if !began {
        // A body that failed, or a run that was cancelled in the middle of it, has to undo.
        let open = state.open_scopes.contains(scope);
        let cut = open && state.outcome == Some(Outcome::Cancelled);
        if (*met == Met::Failed || cut) && !killed && state.outcome.is_some() {
            return Err(format!("{scope} undoes nothing of {wanted:?}"));
        }
        undone.is_empty()
    } else if killed || state.outcome.is_none() {
        wanted.starts_with(&undone)
    } else {
        wanted == undone
    };
    if whole {
        return Ok(());
    }
    Err(format!(
        "{scope} undid {undone:?}, which should be {wanted:?}"
    ))
}
