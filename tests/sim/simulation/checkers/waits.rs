//! Waits: none ends before its instant, none misses an event, none takes one that is not its own.

use std::collections::BTreeSet;

use stepwell_core::run::{Awaiting, RunState, StepProgress};
use stepwell_core::{EntryBody, EventId, StepAddress, StepKind, Timestamp, WaitOn};

use super::endings::is_late;
use crate::simulation::observation::{Cut, Observation, StoredRun};

/// At rest no wait is open for an event that is there since its run began and that it has not seen.
pub(super) fn none_missed(observation: &Observation) -> Vec<String> {
    let mut facts = Vec::new();
    for cut in &observation.at_rest {
        let open = cut
            .states()
            .filter(|(_, _, state)| state.quarantined.is_none());
        for (run, _, state) in open {
            let missed = state
                .waiting
                .iter()
                .flat_map(|step| missed(cut, state, step));
            facts.extend(missed.map(|fact| format!("run {run}: {fact}")));
        }
    }
    facts
}

fn missed(cut: &Cut, state: &RunState, step: &StepAddress) -> Vec<String> {
    let Some(StepProgress::Waiting(wait)) = state.steps.get(step).map(|known| &known.progress)
    else {
        return Vec::new();
    };
    let Awaiting::On(WaitOn::Event { awaited, .. }) = &wait.on else {
        return Vec::new();
    };
    let there = cut.facts.get(&awaited.digest()).into_iter().flatten();
    let missed = there.filter(|(order, event)| {
        let seen = state.received.contains(event) || wait.rejected.contains(event);
        *order > state.started.since && !seen
    });
    missed
        .map(|(_, event)| format!("{step} waits for {awaited:?}, and {event} is there"))
        .collect()
}

/// An event satisfies one wait of a run at most, and none of a run that began after it.
pub(super) fn taken_once(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    let mut facts = Vec::new();
    for (run, stored, state) in last.states() {
        let mut taken: BTreeSet<&EventId> = BTreeSet::new();
        for entry in &stored.journal {
            let EntryBody::EventReceived(fields) = &entry.body else {
                continue;
            };
            let (step, event) = (&fields.step, &fields.event);
            let mut rows = last.facts.values().flatten();
            let order = rows.find(|(_, of)| of == event).map(|(order, _)| *order);
            if order.is_none_or(|order| order <= state.started.since) {
                facts.push(format!(
                    "run {run}: {step} took {event}, which came before the run"
                ));
            }
            if !taken.insert(event) {
                facts.push(format!(
                    "run {run}: {step} took {event}, which another wait had"
                ));
            }
        }
    }
    facts
}

/// Sleeps end, and waits give up, at their recorded instants or later.
pub(super) fn none_early(observation: &Observation) -> Vec<String> {
    let mut facts = Vec::new();
    for (run, stored) in &observation.last.runs {
        let until = |step: &StepAddress| -> Option<Timestamp> {
            let started = stored.journal.iter().find_map(|entry| match &entry.body {
                EntryBody::WaitStarted(fields) if fields.step == *step => Some(fields.until),
                _ => None,
            });
            started.flatten()
        };
        if is_cancelled_early(stored) {
            facts.push(format!("run {run} is cancelled before it is late"));
        }
        for entry in &stored.journal {
            let step = match &entry.body {
                EntryBody::StepSucceeded(fields) if fields.kind == StepKind::Sleep => &fields.step,
                EntryBody::WaitTimedOut(fields) => &fields.step,
                _ => continue,
            };
            let until = until(step);
            if until.is_none_or(|until| entry.at < until) {
                let at = entry.at.as_ms();
                facts.push(format!(
                    "run {run}: {step} ended at {at}, it was until {until:?}"
                ));
            }
        }
    }
    facts
}

fn is_cancelled_early(stored: &StoredRun) -> bool {
    let Ok(state) = &stored.state else {
        return false;
    };
    let deadlines = [state.started.start_by, state.started.finish_by];
    let first = deadlines.into_iter().flatten().min();
    stored.journal.iter().any(|entry| match &entry.body {
        EntryBody::CancelRequested(fields) if is_late(&fields.reason) => {
            first.is_none_or(|first| entry.at < first)
        }
        _ => false,
    })
}
