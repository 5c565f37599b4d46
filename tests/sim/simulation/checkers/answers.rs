//! What was acknowledged, and what came of it.

use stepwell_core::{Entry, EntryBody, EventId, RunId, StepKind};

use crate::simulation::observation::Observation;
use crate::simulation::world::Acknowledged;

/// When an answer leaves, what it says is in the store; events and runs are there at the end, too.
pub(super) fn stored(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    let missing = observation.answers.iter().filter(|answer| {
        let kept = match &answer.what {
            Acknowledged::Event(id) => last.events.contains_key(id),
            Acknowledged::Start(_, run)
            | Acknowledged::Signal(run, _)
            | Acknowledged::Cancel(run)
            | Acknowledged::Kill(run) => last.runs.contains_key(run),
        };
        !answer.stored || !kept
    });
    missing
        .map(|answer| format!("{:?} was acknowledged and is not stored", answer.what))
        .collect()
}

/// Every stored event that starts runs has one, and no run but that came from it.
pub(super) fn events_have_runs(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    let mut facts = Vec::new();
    for (id, row) in &last.events {
        let wanted = usize::from(row.name != "sim/fact");
        let runs = runs_from(observation, id);
        if row.runs.len() != wanted || runs != row.runs {
            let name = &row.name;
            facts.push(format!(
                "event {id} ({name}) names runs {:?}; those that came from it: {runs:?}",
                row.runs
            ));
        }
    }
    for (run, stored) in &last.runs {
        if !last.events.contains_key(&stored.head.event) {
            facts.push(format!("run {run} came from no stored event"));
        }
    }
    facts
}

/// The answers to starts under one key name the one run that has it.
pub(super) fn keys_have_one_run(observation: &Observation) -> Vec<String> {
    let mut facts = Vec::new();
    for answer in &observation.answers {
        let Acknowledged::Start(event, run) = &answer.what else {
            continue;
        };
        let runs = runs_from(observation, event);
        if runs != [*run] {
            facts.push(format!("start {event} answered {run}; it has {runs:?}"));
        }
    }
    facts
}

/// At rest a signal that was acknowledged is in the journal of its run, unless that has ended.
pub(super) fn signals_kept(observation: &Observation) -> Vec<String> {
    let mut facts = Vec::new();
    for cut in &observation.at_rest {
        for answer in observation.answers.iter().take(cut.answered) {
            let Acknowledged::Signal(run, number) = &answer.what else {
                continue;
            };
            let Some(stored) = cut.runs.get(run) else {
                continue;
            };
            let open = stored.head.ended_at.is_none();
            if open && !stored.journal.iter().any(|entry| brings(entry, *number)) {
                facts.push(format!("run {run} never got signal {number}"));
            }
        }
    }
    facts
}

/// Whether an entry is the arrival of the signal with this number.
fn brings(entry: &Entry, number: u64) -> bool {
    match &entry.body {
        EntryBody::SignalReceived(fields) => fields.data.as_json() == number.to_string(),
        EntryBody::StepSucceeded(fields) => {
            fields.kind == StepKind::Signal && fields.output.as_json() == number.to_string()
        }
        _ => false,
    }
}

/// See the checker's name.
pub(super) fn fenced(observation: &Observation) -> Vec<String> {
    let answers = observation.fenced_answers.iter();
    answers
        .map(|event| format!("event {event} was acknowledged by an engine that was fenced out"))
        .collect()
}

fn runs_from(observation: &Observation, event: &EventId) -> Vec<RunId> {
    let runs = observation.last.runs.iter();
    let from = runs.filter(
        |(_, stored)| match stored.journal.first().map(|e| &e.body) {
            Some(EntryBody::RunStarted(fields)) => fields.event == *event,
            _ => false,
        },
    );
    from.map(|(run, _)| *run).collect()
}
