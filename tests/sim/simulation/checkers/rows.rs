//! The rows beside the journals: in every durable moment what the journals say, at the end none.

use std::collections::BTreeSet;

use stepwell_core::run::due_at;
use stepwell_store::RunHead;

use crate::simulation::observation::{Cut, Observation, StoredRun};

/// Head, agenda and waits of every run are what the fold of its journal says.
pub(super) fn as_the_journal_says(observation: &Observation) -> Vec<String> {
    let cuts = observation.cuts.iter().chain(&observation.at_rest);
    let all = cuts.chain([&observation.last]);
    let mut facts: Vec<String> = all.flat_map(of_cut).collect();
    facts.dedup();
    facts
}

fn of_cut(cut: &Cut) -> Vec<String> {
    let mut facts = Vec::new();
    for (run, stored) in &cut.runs {
        match of_run(stored) {
            Ok(()) => {}
            Err(fact) => facts.push(format!("run {run}: {fact}")),
        }
    }
    facts
}

fn of_run(stored: &StoredRun) -> Result<(), String> {
    let state = stored
        .state
        .as_ref()
        .map_err(|why| format!("journal does not fold: {why}"))?;
    let due: Vec<_> = due_at(state).into_iter().collect();
    if stored.agenda != due {
        return Err(format!(
            "agenda holds {:?}, it is due {due:?}",
            stored.agenda
        ));
    }
    let waits: BTreeSet<_> = stored.waits.iter().collect();
    let listening: BTreeSet<_> = state.listening.keys().collect();
    if waits != listening {
        return Err(format!(
            "rows of waits {waits:?}, it waits for {listening:?}"
        ));
    }
    let head = &stored.head;
    let fresh = RunHead::of(state);
    // A head is written when lists would show something else: not for each step.
    let ended = fresh.status.ended() || head.status.ended();
    let same = (head.ended_at.is_some(), head.wake_at) == (fresh.ended_at.is_some(), fresh.wake_at);
    if !same || (ended && head.status != fresh.status) {
        return Err(format!("head is {head:?}, the journal says {fresh:?}"));
    }
    Ok(())
}

/// Once every run has ended nothing is on any agenda, in any inbox, waited for, or on its way.
pub(super) fn none_left(observation: &Observation) -> Vec<String> {
    let last = &observation.last;
    if !last.is_over() {
        return Vec::new();
    }
    let mut facts = Vec::new();
    for (run, stored) in &last.runs {
        if !stored.inbox.is_empty() {
            facts.push(format!(
                "run {run} has ended with requests {:?}",
                stored.inbox
            ));
        }
    }
    for row in &last.deliveries {
        facts.push(format!("event {} is still on its way", row.event));
    }
    facts
}
