//! The seeds that every test run goes through, and what they have to come by.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::checkers::{Found, check};
use super::life::simulate;
use super::observation::Observation;
use super::plan::Plan;
use super::trace::{summary, whole};

/// Seeds an ordinary test run goes through.
const SEEDS: u64 = 1_000;

/// What came of many seeds.
#[derive(Default)]
struct Tally {
    failed: Vec<String>,
    /// In how many seeds each kind of thing happened.
    seen: BTreeMap<&'static str, u64>,
}

/// How many seeds there are, or the one to replay, from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs the seeds from 0 on, on as many threads as there are processors.
fn run_all(seeds: u64) -> Tally {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    // A panic of the simulation itself must not lose the seed.
                    let judged = std::panic::catch_unwind(|| {
                        let observation = simulate(Plan::draw(seed), false);
                        let found = check(&observation);
                        (observation, found)
                    });
                    let mut tally = tally.lock().unwrap();
                    match judged {
                        Ok((observation, found)) => tally.count(&observation, &found),
                        Err(_) => tally.failed.push(format!("seed {seed} panicked")),
                    }
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

impl Tally {
    fn count(&mut self, observation: &Observation, found: &[Found]) {
        for what in super::coverage::of(observation) {
            *self.seen.entry(what).or_insert(0) += 1;
        }
        if !found.is_empty() {
            self.failed.push(summary(observation, found));
        }
    }
}

#[test]
fn a_thousand_seeds_keep_every_promise() {
    if let Some(seed) = asked("STEPWELL_SIM_SEED") {
        let observation = simulate(Plan::draw(seed), true);
        let found = check(&observation);
        let told = whole(&observation);
        assert!(
            found.is_empty(),
            "{told}\n{}",
            summary(&observation, &found)
        );
        return;
    }
    let seeds = asked("STEPWELL_SIM_SEEDS").unwrap_or(SEEDS);
    let tally = run_all(seeds);
    let failed = tally.failed.len();
    let first: Vec<&str> = tally.failed.iter().take(5).map(String::as_str).collect();
    let first = first.join("\n");
    assert!(failed == 0, "{failed} of {seeds} seeds fail\n{first}");
    // Of few seeds nothing can be said.
    let rare = super::coverage::rare(&tally.seen, seeds);
    assert!(
        seeds < SEEDS || rare.is_empty(),
        "of {seeds} seeds too few have: {rare:#?}"
    );
}

#[test]
fn a_seed_is_the_same_every_time() {
    for seed in 0..40 {
        let first = simulate(Plan::draw(seed), false).bytes();
        let second = simulate(Plan::draw(seed), false).bytes();
        assert!(first == second, "seed {seed} came out otherwise");
        assert!(!first.is_empty());
    }
}
