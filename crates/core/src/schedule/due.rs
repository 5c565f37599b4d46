//! Which ticks are due, and what becomes of those that were missed.

use jiff::ToSpan;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

use super::{HORIZON_YEARS, Schedule};
use crate::time::Timestamp;

/// Up to how long before `now` the newest due tick is on time rather than missed, in milliseconds.
pub const ON_TIME_MS: u64 = 60_000;

/// Most ticks given by one call of [`due`], the newest ones.
pub const MISSED_TICKS_MAX: usize = 1_000;

/// How long before `now` a tick is forgotten, not even counted, in milliseconds: what bounds the
/// work after a long absence, to the minutes of as many years as the next tick is sought in.
const FORGOTTEN_MS: u64 = HORIZON_YEARS.unsigned_abs() as u64 * 366 * 24 * 3_600 * 1_000;

/// What to do with ticks that passed while nobody looked: the engine was down, or too slow.
///
/// It never touches a tick that is on time, see [`due`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missed {
    /// Let them go.
    Skip,
    /// Give the newest due tick, however late, for all of them.
    Latest,
    /// Give each that is not too old.
    All {
        /// Up to how long before `now` a tick is given, in milliseconds.
        within_ms: u64,
    },
}

impl Missed {
    /// The word for it in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Latest => "latest",
            Self::All { .. } => "all",
        }
    }
}

/// What to do with a tick while the run of an earlier one has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlap {
    /// Start its run beside the earlier one.
    Allow,
    /// Start no run for it.
    Skip,
    /// Cancel the earlier run and start its own.
    CancelPrevious,
}

impl Overlap {
    /// The word for it in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::CancelPrevious => "cancel-previous",
        }
    }
}

/// The answer of [`due`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The ticks that deserve a run, rising.
    pub ticks: Vec<Timestamp>,
    /// How many due ticks are not among them.
    pub skipped: u64,
    /// What `last` is from here on: the newest due tick, given or skipped, or `last` itself when
    /// none was due. So it moves, and needs storing, only when a tick was due; and a clock that
    /// runs ahead for a while takes no tick from later days with it.
    pub considered: Timestamp,
}

/// The ticks after `last` up to and including `now` that `missed` lets through.
///
/// The newest of them is *on time* when it is at most [`ON_TIME_MS`] before `now`, and is given
/// whatever `missed` says; all others were missed. No more than the newest [`MISSED_TICKS_MAX`]
/// are given, and those more than about five years before `now` are not even counted.
///
/// When `now` is before `last`, as the clock was set back, nothing is due: what has been considered
/// stays considered. Whoever changes the expression or the zone of a schedule begins with `last` at
/// that instant, lest ticks be found missed that nobody had asked for.
#[must_use]
pub fn due(schedule: &Schedule, last: Timestamp, now: Timestamp, missed: Missed) -> Due {
    let age_ms = |tick: &Timestamp| now.as_ms().saturating_sub(tick.as_ms());
    let remembered = Timestamp::from_ms(now.as_ms().saturating_sub(FORGOTTEN_MS));
    let (newest, count) = newest_ticks(schedule, last.max(remembered), now);
    let considered = newest.last().copied().unwrap_or(last);
    let on_time = |tick: &Timestamp| *tick == considered && age_ms(tick) <= ON_TIME_MS;
    let ticks: Vec<Timestamp> = newest
        .into_iter()
        .filter(|tick| {
            on_time(tick)
                || match missed {
                    Missed::Skip => false,
                    Missed::Latest => *tick == considered,
                    Missed::All { within_ms } => age_ms(tick) <= within_ms,
                }
        })
        .collect();
    Due {
        skipped: count.saturating_sub(ticks.len() as u64),
        ticks,
        considered,
    }
}

/// The newest [`MISSED_TICKS_MAX`] ticks after `after` up to and including `now`, rising, and how
/// many there are in all.
fn newest_ticks(schedule: &Schedule, after: Timestamp, now: Timestamp) -> (Vec<Timestamp>, u64) {
    let mut newest = VecDeque::new();
    let mut count = 0;
    // In an overlap around midnight, the first pass has ticks on the civil day after that of `now`.
    let until = schedule.date_at(now).saturating_add(1.day());
    let ticks = schedule.ticks_after(after, until);
    for tick in ticks.take_while(|tick| *tick <= now) {
        count += 1;
        newest.push_back(tick);
        if newest.len() > MISSED_TICKS_MAX {
            newest.pop_front();
        }
    }
    (newest.into(), count)
}
