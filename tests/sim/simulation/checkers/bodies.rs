//! Bodies and results: what is recorded once, what may run again, what comes before what.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_core::EntryBody;

use crate::simulation::observation::Observation;
use crate::simulation::world::Begun;

/// No step of any journal has two results.
pub(super) fn recorded_once(observation: &Observation) -> Vec<String> {
    let mut facts = Vec::new();
    for (run, stored) in &observation.last.runs {
        let mut results = BTreeSet::new();
        for entry in &stored.journal {
            let step = match &entry.body {
                EntryBody::StepSucceeded(fields) => &fields.step,
                EntryBody::StepFailed(fields) if fields.retry_at.is_none() => &fields.step,
                EntryBody::EventReceived(fields) => &fields.step,
                EntryBody::WaitTimedOut(fields) => &fields.step,
                _ => continue,
            };
            if !results.insert(step) {
                facts.push(format!(
                    "run {run}: {step} has a second result at {}",
                    entry.seq
                ));
            }
        }
    }
    facts
}

/// No body begins whose result is durable.
pub(super) fn never_again(observation: &Observation) -> Vec<String> {
    let begun = observation.begun.iter();
    let again = begun.filter(|begun| begun.recorded && !begun.fenced);
    again
        .map(|begun| {
            let (run, step, attempt) = (begun.run, &begun.step, begun.attempt);
            format!("run {run}: {step} began attempt {attempt} over its recorded result")
        })
        .collect()
}

/// Between two faults an attempt begins once: what it did is recorded, or something cut it short.
pub(super) fn one_beginning(observation: &Observation) -> Vec<String> {
    let mut attempts: BTreeMap<_, Vec<&Begun>> = BTreeMap::new();
    for one in observation.begun.iter().filter(|begun| !begun.fenced) {
        let attempt = (one.run, &one.step, one.attempt);
        attempts.entry(attempt).or_default().push(one);
    }
    let mut facts = Vec::new();
    for ((run, step, attempt), begun) in attempts {
        let (Some(first), Some(last)) = (begun.first(), begun.last()) else {
            continue;
        };
        let faults = last.epoch - first.epoch + u64::from(first.shaken);
        let times = begun.len() as u64;
        if times > 1 + faults {
            facts.push(format!(
                "run {run}: {step} began attempt {attempt} {times} times over {faults} faults"
            ));
        }
    }
    facts
}

/// When a body begins, everything its line rests on is durable.
pub(super) fn durable_first(observation: &Observation) -> Vec<String> {
    let begun = observation.begun.iter().filter(|begun| !begun.fenced);
    let early = begun.filter(|begun| !begun.not_durable.is_empty());
    early
        .map(|begun| {
            let (run, step, rests) = (begun.run, &begun.step, &begun.not_durable);
            format!("run {run}: {step} began while this was not durable: {rests:?}")
        })
        .collect()
}
