//! Runs started by runs: closed with their parent where they are to be, and let be otherwise.

use stepwell_core::run::Outcome;
use stepwell_core::{Entry, EntryBody, ParentClose, RunId};

use crate::simulation::observation::{Cut, Observation};

/// At rest no child goes on whose parent has ended and was to close it.
pub(super) fn closed(observation: &Observation) -> Vec<String> {
    let cuts = observation.at_rest.iter().chain([&observation.last]);
    let mut facts: Vec<String> = cuts.flat_map(left_open).collect();
    facts.dedup();
    facts
}

fn left_open(cut: &Cut) -> Vec<String> {
    let mut facts = Vec::new();
    for (run, stored, state) in cut.states() {
        let ended = matches!(
            state.outcome,
            Some(Outcome::Completed(_) | Outcome::Failed(_) | Outcome::Cancelled)
        );
        for (child, close) in children(&stored.journal) {
            let Some(theirs) = cut.runs.get(&child) else {
                facts.push(format!("run {run} started {child}, which is not stored"));
                continue;
            };
            let goes_on = theirs.head.ended_at.is_none();
            let told = theirs.journal.iter().any(|entry| closes(&entry.body));
            if ended && close == ParentClose::Cancel && goes_on && !told {
                facts.push(format!(
                    "run {child} goes on although its parent {run} has ended"
                ));
            }
        }
    }
    facts
}

/// No parent has a child cancelled that was to be abandoned.
pub(super) fn let_be(observation: &Observation) -> Vec<String> {
    let mut facts = Vec::new();
    for (run, stored) in &observation.last.runs {
        for (child, close) in children(&stored.journal) {
            let theirs = observation.last.runs.get(&child);
            let of_parent = format!("parent run {run} ");
            let told = theirs.is_some_and(|theirs| {
                let mut reasons = theirs.journal.iter().filter_map(reason);
                reasons.any(|reason| reason.starts_with(&of_parent))
            });
            if close == ParentClose::Abandon && told {
                facts.push(format!("run {child} was to be let be by its parent {run}"));
            }
        }
    }
    facts
}

fn children(journal: &[Entry]) -> impl Iterator<Item = (RunId, ParentClose)> {
    journal.iter().filter_map(|entry| match &entry.body {
        EntryBody::ChildStarted(fields) => Some((fields.run, fields.close)),
        _ => None,
    })
}

fn closes(entry: &EntryBody) -> bool {
    matches!(
        entry,
        EntryBody::CancelRequested(_) | EntryBody::RunKilled(_)
    )
}

fn reason(entry: &Entry) -> Option<&str> {
    match &entry.body {
        EntryBody::CancelRequested(fields) => Some(&fields.reason),
        EntryBody::RunKilled(fields) => Some(&fields.reason),
        _ => None,
    }
}
