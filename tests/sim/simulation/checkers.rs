//! What holds of every run of every seed: each checker has a name, and says which fact breaks it.

mod answers;
mod bodies;
mod children;
mod endings;
mod rows;
mod undo;
mod waits;

use super::observation::Observation;

/// A fact that breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) checker: &'static str,
    pub(super) fact: String,
}

/// One promise: its name, and the facts of an observation that break it.
type Checker = (&'static str, fn(&Observation) -> Vec<String>);

/// All of them.
const CHECKERS: &[Checker] = &[
    ("a result is recorded once", bodies::recorded_once),
    ("a recorded body never runs again", bodies::never_again),
    (
        "an attempt begins once unless it is cut short",
        bodies::one_beginning,
    ),
    (
        "nothing is acted on before it is durable",
        bodies::durable_first,
    ),
    ("what is acknowledged is stored", answers::stored),
    ("an event has its runs, once", answers::events_have_runs),
    ("a start key has one run", answers::keys_have_one_run),
    ("a signal is kept for its run", answers::signals_kept),
    (
        "an engine that is fenced out acknowledges nothing",
        answers::fenced,
    ),
    ("rows are what the journal says", rows::as_the_journal_says),
    ("runs that ended leave no rows", rows::none_left),
    ("no run is stuck", endings::none_stuck),
    (
        "runs end as their program says",
        endings::as_the_program_says,
    ),
    (
        "only who was asked is cancelled",
        endings::cancelled_if_asked,
    ),
    ("no wait ends early", waits::none_early),
    ("no event passes by a wait", waits::none_missed),
    (
        "an event is taken once, by who was there before it",
        waits::taken_once,
    ),
    ("a scope undoes once and in reverse", undo::in_reverse),
    (
        "children end with their parent if they are to",
        children::closed,
    ),
    ("abandoned children are let be", children::let_be),
];

/// Every fact that breaks a promise.
pub(super) fn check(observation: &Observation) -> Vec<Found> {
    let found = CHECKERS.iter().flat_map(|(checker, find)| {
        let facts = find(observation).into_iter();
        facts.map(|fact| Found { checker, fact })
    });
    found.collect()
}

/// The names of all checkers.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CHECKERS.iter().map(|(name, _)| *name)
}
