//! A seed told to a person: its program, its history, its faults, and what came of them.

use std::fmt::Write as _;

use super::checkers::Found;
use super::observation::Observation;
use crate::engine::world::in_words;

/// What to do with a seed that failed, in a few lines.
pub(super) fn summary(observation: &Observation, found: &[Found]) -> String {
    let seed = observation.plan.seed;
    let mut text = format!("seed {seed} breaks {} promise(s)\n", found.len());
    for Found { checker, fact } in found.iter().take(8) {
        writeln!(text, "  {checker}: {fact}").unwrap();
    }
    writeln!(text, "replay it: just sim {seed}").unwrap();
    text
}

/// Everything there is to know of a seed.
pub(super) fn whole(observation: &Observation) -> String {
    let plan = &observation.plan;
    let mut text = format!("seed {}\n", plan.seed);
    for (number, program) in plan.programs.iter().enumerate() {
        writeln!(text, "program {number}").unwrap();
        for op in &program.ops {
            writeln!(text, "  {op:?}").unwrap();
        }
    }
    writeln!(text, "history").unwrap();
    for (at, act) in &plan.acts {
        writeln!(text, "  {at} ms: {act:?}").unwrap();
    }
    writeln!(text, "faults").unwrap();
    for (at, turn) in &plan.turns {
        writeln!(text, "  {at} ms: {turn:?}").unwrap();
    }
    for (nth, strike) in &plan.strikes {
        writeln!(text, "  commit {nth}: {strike:?}").unwrap();
    }
    writeln!(text, "  reads that fail: {:?}", plan.failing_reads).unwrap();
    writeln!(text, "  commits take {:?} ms", plan.delays_ms).unwrap();
    writeln!(text, "what happened").unwrap();
    for line in &observation.lines {
        writeln!(text, "  {line}").unwrap();
    }
    for (run, stored) in &observation.last.runs {
        writeln!(text, "run {run} of event {}", stored.head.event).unwrap();
        for (entry, word) in stored.journal.iter().zip(in_words(&stored.journal)) {
            writeln!(text, "  {:>4} {} {word}", entry.seq, entry.at.as_ms()).unwrap();
        }
    }
    text
}
