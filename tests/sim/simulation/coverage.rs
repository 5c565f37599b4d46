//! What seeds come by: a simulation that no longer meets something tests it no longer.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::run::Outcome;
use stepwell_core::{Entry, EntryBody, ParentClose, StepKind, WaitOn};

use super::observation::Observation;

/// Each kind of thing with the share of seeds, in per mille, that have it at the least.
const WANTED: &[(&str, u64)] = &[
    ("asked again", 186),
    ("asleep", 114),
    ("body", 464),
    ("body of a fenced engine", 9),
    ("body tried again", 367),
    ("cancel", 147),
    ("clock back", 123),
    ("clock forward", 115),
    ("commit kept untold", 42),
    ("commit lost", 46),
    ("commit refused", 111),
    ("crash", 247),
    ("crash after a commit", 113),
    ("crash at rest", 120),
    ("crash before a commit", 73),
    ("drain", 166),
    ("event received", 314),
    ("event rejected", 83),
    ("failure", 107),
    ("fenced out", 143),
    ("fork join", 266),
    ("fork map", 228),
    ("fork race", 224),
    ("fork scope", 305),
    ("invoke", 160),
    ("invoke, abandoned", 89),
    ("invoke, closed with its parent", 165),
    ("judged wait", 207),
    ("kill", 9),
    ("now", 143),
    ("opening failed", 31),
    ("race won", 222),
    ("random", 189),
    ("read failed", 138),
    ("recovered", 47),
    ("recovered alone", 1),
    ("run", 447),
    ("run cancelled", 154),
    ("run completed", 468),
    ("run continued", 81),
    ("run failed", 145),
    ("scope failed", 202),
    ("scope given up", 47),
    ("second opener", 158),
    ("send", 295),
    ("send-signal", 49),
    ("signal", 170),
    ("signal received", 249),
    ("sleep", 336),
    ("start", 94),
    ("start, closed with its parent", 89),
    ("step failed for good", 350),
    ("step tried again", 368),
    ("undo", 141),
    ("wait", 314),
    ("wait for a signal", 261),
    ("wait timed out", 273),
];

/// The kinds of thing that happened in a seed.
pub(super) fn of(observation: &Observation) -> BTreeSet<&'static str> {
    let mut seen: BTreeSet<&'static str> = observation.seen.keys().copied().collect();
    for (_, stored, state) in observation.last.states() {
        seen.extend(stored.journal.iter().flat_map(of_entry));
        seen.insert(match &state.outcome {
            Some(Outcome::Completed(_)) => "run completed",
            Some(Outcome::Failed(_)) => "run failed",
            Some(Outcome::Cancelled) => "run cancelled",
            Some(Outcome::Continued(_)) => "run continued",
            None => "run not ended",
        });
    }
    if observation.begun.iter().any(|begun| begun.attempt > 1) {
        seen.insert("body tried again");
    }
    if observation.begun.iter().any(|begun| begun.fenced) {
        seen.insert("body of a fenced engine");
    }
    seen
}

fn of_entry(entry: &Entry) -> Vec<&'static str> {
    match &entry.body {
        EntryBody::StepSucceeded(fields) => vec![fields.kind.word()],
        EntryBody::StepFailed(fields) if fields.retry_at.is_none() => vec!["step failed for good"],
        EntryBody::StepFailed(_) => vec!["step tried again"],
        EntryBody::Recovered(fields) if fields.alone => vec!["recovered alone"],
        EntryBody::Recovered(_) => vec!["recovered"],
        EntryBody::CancelRequested(_) => vec!["cancel"],
        EntryBody::RunKilled(_) => vec!["kill"],
        EntryBody::WaitStarted(fields) => match &fields.on {
            WaitOn::Until => Vec::new(),
            WaitOn::Event { judged: true, .. } => vec!["judged wait"],
            WaitOn::Event { .. } => vec!["wait"],
            WaitOn::Signal { .. } => vec!["wait for a signal"],
        },
        EntryBody::WaitTimedOut(_) => vec!["wait timed out"],
        EntryBody::EventReceived(_) => vec!["event received"],
        EntryBody::EventRejected(_) => vec!["event rejected"],
        EntryBody::SignalReceived(_) => vec!["signal received"],
        EntryBody::ChildStarted(fields) => vec![match (fields.detached, fields.close) {
            (true, ParentClose::Cancel) => "start, closed with its parent",
            (true, ParentClose::Abandon) => "start",
            (false, ParentClose::Cancel) => "invoke, closed with its parent",
            (false, ParentClose::Abandon) => "invoke, abandoned",
        }],
        EntryBody::ForkStarted(fields) => vec![match fields.kind {
            StepKind::Join => "fork join",
            StepKind::Map => "fork map",
            StepKind::Race => "fork race",
            _ => "fork scope",
        }],
        EntryBody::BranchEnded(fields) if fields.value.is_some() => vec!["race won"],
        EntryBody::UndoStarted(fields) if fields.failure.is_none() => vec!["scope given up"],
        EntryBody::UndoStarted(_) => vec!["scope failed"],
        _ => Vec::new(),
    }
}

/// What too few of `seeds` seeds have.
pub(super) fn rare(seen: &BTreeMap<&'static str, u64>, seeds: u64) -> Vec<String> {
    let mut rare = Vec::new();
    for (what, per_mille) in WANTED {
        let times = seen.get(what).copied().unwrap_or(0);
        if times * 1_000 < per_mille * seeds {
            rare.push(format!("{what}: {times}"));
        }
    }
    rare
}
