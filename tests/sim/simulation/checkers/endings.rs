//! How runs end: all of them, as their programs say, and no wait before its instant.

use stepwell_core::run::{Next, Outcome, next};
use stepwell_core::{EntryBody, StepAddress, StepKind, Timestamp};

use crate::simulation::follow::{Follower, Met};
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
            (Some(Outcome::Cancelled) | None, Ok(_)) => None,
            (Some(outcome), Ok(met)) => Some(format!(
                "it ended as {outcome:?}, its program comes to {met:?}"
            )),
        };
        facts.extend(fact.map(|fact| format!("run {run}: {fact}")));
    }
    facts
}

/// A run that was cancelled was asked to: by a client, or because of another run.
pub(super) fn cancelled_if_asked(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    let cancelled = last
        .states()
        .filter(|(_, _, state)| state.outcome == Some(Outcome::Cancelled));
    let unasked = cancelled.filter(|(run, stored, _)| {
        let by_client = observation.asked_to_end.contains(run);
        let by_parent = stored.journal.iter().any(|entry| match &entry.body {
            EntryBody::CancelRequested(fields) => fields.reason.starts_with("parent run "),
            EntryBody::RunKilled(fields) => fields.reason.starts_with("parent run "),
            _ => false,
        });
        !by_client && !by_parent
    });
    unasked
        .map(|(run, ..)| format!("run {run} is cancelled and nobody asked for it"))
        .collect()
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
