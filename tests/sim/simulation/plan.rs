//! Everything a seed says before anything runs: programs, what is done from outside, what goes
//! wrong.

use std::ops::Range;

use stepwell_store::CommitError;
use stepwell_testkit::faulty::CommitFault;
use stepwell_testkit::sim_store::{Strike, Vice};

use super::dice::Dice;
use super::program::{self, KEYS, Programs};

/// What is done from outside, by clients of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Events that start runs, by their numbers and programs, in one request.
    Go(Vec<(u64, usize)>),
    /// An event that may be waited for.
    Tell {
        id: u64,
        key: u64,
        amount: u64,
    },
    /// A start under a key.
    Start {
        key: u64,
        program: usize,
        terms: Terms,
    },
    /// A signal to a run.
    Signal {
        to: Whom,
        number: u64,
    },
    Cancel(Whom),
    Kill(Whom),
}

/// On which terms a run starts, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) delay: Option<u64>,
    pub(super) start_within: Option<u64>,
    pub(super) finish_within: Option<u64>,
}

/// A run, as somebody knows it who did not see it start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// That of a `Go` with this number.
    Event(u64),
    /// That under a key.
    Key(u64),
}

/// What becomes of the engine while a history goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is shut down in order, with so long for bodies.
    Drain { limit_ms: u64 },
    /// It dies where it stands.
    Crash,
    /// Another opens the store while it runs on.
    SecondOpener { keeps_ordered: bool },
    /// Time passes at once, as after a suspended machine wakes up.
    Asleep { ms: u64 },
}

/// Between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) down_ms: u64,
    /// How far the wall clock is set forward, or back.
    pub(super) jump_ms: i64,
    /// Whether ordered commits that were not durable are kept.
    pub(super) keeps_ordered: bool,
    /// Whether the file of marks survives.
    pub(super) keeps_marks: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) programs: Programs,
    /// With the milliseconds after the beginning, in order.
    pub(super) acts: Vec<(u64, Act)>,
    pub(super) turns: Vec<(u64, Turn)>,
    pub(super) strikes: Vec<(u64, Strike)>,
    pub(super) failing_reads: Vec<Range<u64>>,
    pub(super) delays_ms: Vec<u64>,
    pub(super) gaps: Vec<Gap>,
    pub(super) marks: bool,
    /// What the store does wrong on purpose.
    pub(super) vice: Option<Vice>,
    pub(super) shards: usize,
    /// How many runs a shard drives at a time, and how long they are kept at hand.
    pub(super) driven: usize,
    pub(super) linger_ms: u64,
    pub(super) hot_wait_ms: u64,
    pub(super) horizon_s: u64,
    /// How long tickets keep what they know to themselves.
    pub(super) told_after_ms: u64,
}

/// How long a history is, in milliseconds.
const HISTORY_MS: u64 = 120_000;

/// Processes there are at most before all faults end.
pub(super) const GAPS: usize = 8;

impl Plan {
    pub(super) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let programs = program::draw(&mut dice.apart());
        let acts = draw_acts(&mut dice.apart(), programs.len());
        let mut faults = dice.apart();
        let quiet = faults.chance(10);
        let mut plan = Self {
            seed,
            programs,
            acts,
            turns: Vec::new(),
            strikes: Vec::new(),
            failing_reads: Vec::new(),
            delays_ms: draw_delays(&mut faults),
            gaps: (0..GAPS).map(|_| draw_gap(&mut faults)).collect(),
            marks: faults.chance(50),
            vice: None,
            shards: usize::try_from(faults.within(1..=2)).unwrap(),
            driven: if faults.chance(20) { 2 } else { 1_024 },
            linger_ms: faults.pick(&[0, 50, 50, 5_000]),
            hot_wait_ms: faults.pick(&[0, 1_000, 1_000, 100_000]),
            horizon_s: faults.pick(&[5, 600]),
            told_after_ms: faults.pick(&[0, 0, 0, 1, 30, 900]),
        };
        if !quiet {
            plan.turns = draw_turns(&mut faults);
            plan.strikes = draw_strikes(&mut faults);
            plan.failing_reads = draw_reads(&mut faults);
        }
        plan
    }
}

fn draw_acts(dice: &mut Dice, programs: usize) -> Vec<(u64, Act)> {
    let mut acts = Vec::new();
    let at = |dice: &mut Dice| {
        if dice.chance(30) {
            // Close together, so that they meet.
            dice.within(0..=2_000)
        } else {
            dice.below(HISTORY_MS)
        }
    };
    let program = |dice: &mut Dice| usize::try_from(dice.below(programs as u64)).unwrap();
    let goes = dice.within(1..=3);
    for id in 0..goes {
        let go = Act::Go(vec![(id, program(dice))]);
        acts.push((dice.within(0..=10_000), go));
    }
    if dice.chance(25) {
        let several = (goes..goes + 3).map(|id| (id, program(dice))).collect();
        acts.push((at(dice), Act::Go(several)));
    }
    for _ in 0..dice.below(3) {
        let (key, program) = (dice.below(KEYS), program(dice));
        let terms = Terms {
            delay: dice.chance(30).then(|| dice.within(1..=100_000)),
            start_within: dice.chance(15).then(|| dice.within(1..=60_000)),
            finish_within: dice.chance(25).then(|| dice.within(1..=200_000)),
        };
        let start = Act::Start {
            key,
            program,
            terms,
        };
        acts.push((at(dice), start));
    }
    for id in 0..dice.within(2..=8) {
        let (key, amount) = (dice.below(KEYS), dice.below(100));
        acts.push((at(dice), Act::Tell { id, key, amount }));
    }
    let whom = |dice: &mut Dice| {
        if dice.chance(70) {
            Whom::Event(dice.below(goes))
        } else {
            Whom::Key(dice.below(KEYS))
        }
    };
    for number in 0..dice.below(4) {
        let to = whom(dice);
        let number = 1_000 + number;
        acts.push((at(dice), Act::Signal { to, number }));
    }
    if dice.chance(30) {
        let act = Act::Cancel(whom(dice));
        acts.push((at(dice), act));
    }
    if dice.chance(10) {
        let act = Act::Kill(whom(dice));
        acts.push((at(dice), act));
    }
    let again = sent_again(dice, &acts);
    acts.extend(again);
    acts.sort_by_key(|(when, _)| *when);
    acts
}

/// What is sent again, in the same words: some of it at once, some late.
fn sent_again(dice: &mut Dice, acts: &[(u64, Act)]) -> Vec<(u64, Act)> {
    let mut again = Vec::new();
    for (when, act) in acts.iter().filter(|(_, act)| act.is_repeatable()) {
        if !dice.chance(25) {
            continue;
        }
        let at_once = dice.chance(40);
        let later = if at_once { 0 } else { dice.below(HISTORY_MS) };
        again.push((when + later, act.clone()));
    }
    again
}

fn draw_delays(dice: &mut Dice) -> Vec<u64> {
    let slow = match dice.below(4) {
        0 => 0,
        1 => 3,
        2 => 40,
        _ => 700,
    };
    (0..13)
        .map(|_| {
            if slow == 0 || dice.chance(30) {
                0
            } else {
                dice.within(1..=slow)
            }
        })
        .collect()
}

fn draw_gap(dice: &mut Dice) -> Gap {
    let down_ms = if dice.chance(50) {
        dice.within(0..=500)
    } else {
        dice.within(500..=90_000)
    };
    let far = i64::try_from(dice.within(1..=7_200_000)).unwrap();
    let jump_ms = match dice.below(10) {
        0 | 1 => far,
        2 | 3 => -far,
        _ => 0,
    };
    Gap {
        down_ms,
        jump_ms,
        keeps_ordered: dice.chance(50),
        keeps_marks: dice.chance(80),
    }
}

fn draw_turns(dice: &mut Dice) -> Vec<(u64, Turn)> {
    let mut turns: Vec<(u64, Turn)> = (0..dice.below(4))
        .map(|_| {
            let turn = match dice.below(10) {
                0..3 => Turn::Drain {
                    limit_ms: dice.pick(&[0, 100, 10_000]),
                },
                3..5 => Turn::Crash,
                5..8 => Turn::SecondOpener {
                    keeps_ordered: dice.chance(50),
                },
                _ => Turn::Asleep {
                    ms: dice.within(1_000..=4_000_000),
                },
            };
            (dice.below(HISTORY_MS), turn)
        })
        .collect();
    turns.sort_by_key(|(when, _)| *when);
    turns
}

fn draw_strikes(dice: &mut Dice) -> Vec<(u64, Strike)> {
    (0..dice.below(4))
        .map(|_| {
            let strike = match dice.below(10) {
                0..2 => Strike::CrashBefore,
                2..5 => Strike::CrashAfter,
                5..8 => Strike::Disk(CommitFault::Refuse(CommitError::Stale)),
                8 => Strike::Disk(CommitFault::Lose),
                _ => Strike::Disk(CommitFault::KeepUntold),
            };
            let latest = dice.pick(&[20, 60, 150]);
            (dice.within(1..=latest), strike)
        })
        .collect()
}

fn draw_reads(dice: &mut Dice) -> Vec<Range<u64>> {
    (0..dice.below(4))
        .map(|_| {
            let from = dice.within(1..=400);
            from..from + dice.within(1..=4)
        })
        .collect()
}
