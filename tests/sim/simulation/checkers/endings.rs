//! How runs end: all of them, as their programs say, and cancelled if somebody asked.

use std::collections::BTreeSet;

use stepwell_core::run::{Next, Outcome, next};
use stepwell_core::{EntryBody, RunId};

use crate::simulation::follow::{Follower, Met};
use crate::simulation::interpreter::Go;
use crate::simulation::observation::{Cut, Observation};

/// At rest no run has work due, or a request or an event nobody took; in the end all have ended.
pub(super) fn none_stuck(observation: &Observation) -> Vec<String> {
    let mut facts: Vec<String> = observation.at_rest.iter().flat_map(stuck).collect();
    facts.extend(observation.cut_short.clone());
    if observation.cut_short.is_none() && !observation.last.is_over() {
        facts.push("runs are left that have not ended".to_owned());
    }
    facts
}

fn stuck(cut: &Cut) -> Vec<String> {
    let mut facts = Vec::new();
    for (run, stored, state) in cut.states() {
        let needs = next(state, cut.at);
        if matches!(needs, Next::Drive | Next::Expire | Next::Conclude) {
            facts.push(format!(
                "run {run} needs {needs:?} at {} and gets nothing",
                cut.at.as_ms()
            ));
        }
        if !stored.inbox.is_empty() {
            facts.push(format!("run {run} never took {:?}", stored.inbox));
        }
    }
    for row in &cut.deliveries {
        facts.push(format!("event {} is not handed out", row.event));
    }
    facts
}

/// Every run that ended came to what its program says.
pub(super) fn as_the_program_says(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    let mut facts = Vec::new();
    for (run, stored, state) in last.states() {
        let mut follower = Follower::new(last, *run, stored, state);
        let met = follower.whole(&observation.plan.programs);
        let fact = match (&state.outcome, met) {
            (_, Err(wrong)) => Some(wrong),
            (Some(Outcome::Completed(output)), Ok(Met::Said(said))) => {
                let wanted = serde_json::to_string(&said).unwrap();
                let same = output.as_json() == wanted;
                (!same).then(|| format!("it returned {output:?}, its program {wanted}"))
            }
            (Some(Outcome::Failed(_)), Ok(Met::Failed)) => None,
            (Some(Outcome::Continued(next)), Ok(Met::Continues(program))) => {
                let other = program_of(last, *next).is_none_or(|other| other != program);
                other.then(|| format!("it goes on as {next}, which is not of program {program}"))
            }
            (Some(Outcome::Cancelled) | None, Ok(_)) => None,
            (Some(outcome), Ok(met)) => Some(format!(
                "it ended as {outcome:?}, its program comes to {met:?}"
            )),
        };
        facts.extend(fact.map(|fact| format!("run {run}: {fact}")));
    }
    facts
}

/// The program of a run.
fn program_of(cut: &Cut, run: RunId) -> Option<usize> {
    let row = cut.events.get(&cut.state(run)?.started.event)?;
    let go: Go = serde_json::from_str(row.data.as_json()).ok()?;
    Some(go.program)
}

/// A run that was cancelled was asked to: by a client, or because of another run, or was late.
pub(super) fn cancelled_if_asked(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    // What is asked of a run is meant for what it goes on as.
    let asked = observation.asked_to_end.iter();
    let asked: BTreeSet<RunId> = asked
        .filter_map(|run| Some(last.goes_on_as(*run)?.run))
        .collect();
    let cancelled = last
        .states()
        .filter(|(_, _, state)| state.outcome == Some(Outcome::Cancelled));
    let unasked = cancelled.filter(|(run, stored, _)| {
        let by_client = asked.contains(run);
        let by_parent = stored.journal.iter().any(|entry| match &entry.body {
            EntryBody::CancelRequested(fields) => {
                fields.reason.starts_with("parent run ") || is_late(&fields.reason)
            }
            EntryBody::RunKilled(fields) => fields.reason.starts_with("parent run "),
            _ => false,
        });
        !by_client && !by_parent
    });
    unasked
        .map(|(run, ..)| format!("run {run} is cancelled and nobody asked for it"))
        .collect()
}

/// Whether a run is cancelled because a deadline of it has passed.
pub(super) fn is_late(reason: &str) -> bool {
    reason.starts_with("run did not ")
}
