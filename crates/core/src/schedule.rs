//! Schedule arithmetic: at which instants a cron expression in a time zone ticks, and which of
//! those are still worth a run when they were missed.
//!
//! An expression speaks of *civil* times, the ones on a clock on the wall. Twice a year in most
//! zones such a clock is put forward or back, and three rules say what then becomes of a tick:
//!
//! - **Gap** (the clock goes forward): a civil time that is left out ticks at the first instant
//!   after the gap. Several of them in one gap tick there once in all, together with the civil
//!   time of that instant itself if it matches too.
//! - **Overlap** (the clock goes back): a civil time that comes twice ticks the first time only.
//!   So `*/15 * * * *` is silent for the hour that is repeated, and `0 * * * *` waits two hours.
//! - **Order**: ticks strictly increase, so an instant never ticks twice.
//!
//! A daily schedule therefore ticks once for every civil day, which neither loses nor repeats the
//! work of a day. Debian's cron has these rules for expressions without `*` in minute and hour;
//! here they hold for every expression, so that nobody has to know which kind theirs is.
//!
//! The zones' rules come from the database compiled in with `jiff`, never from the machine, so
//! that two machines with one binary agree; a government that changes its clocks takes a new
//! release. All use of `jiff`'s civil time and zones in this crate is behind this module.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use std::fmt;

use crate::time::Timestamp;

mod due;
mod pattern;

pub use due::{Due, MISSED_TICKS_MAX, Missed, ON_TIME_MS, Overlap, due};
use pattern::Pattern;

/// How far ahead the next tick is sought, in years of the civil calendar.
pub const HORIZON_YEARS: i32 = 5;

/// Civil times given by a cron expression, in a time zone.
///
/// Two schedules are equal when their texts are.
#[derive(Clone)]
pub struct Schedule {
    expression: String,
    zone: String,
    /// What `expression` says.
    pattern: Pattern,
    /// What `zone` names.
    rules: TimeZone,
}

impl Schedule {
    /// Reads a cron expression and the name of a time zone.
    ///
    /// The expression has five fields with white space between them: minute (0 to 59), hour (0 to
    /// 23), day of the month (1 to 31), month (1 to 12 or `jan` to `dec`) and day of the week (0
    /// to 7 or `sun` to `sat`, where 0 and 7 are Sunday). A field is a list, with commas, of
    /// values, ranges `a-b`, steps through a range `a-b/n`, and `*` or `*/n` for all values or
    /// every n-th. Instead of the fields it may be `@hourly`, `@daily`, `@weekly`, `@monthly` or
    /// `@yearly`, which tick at the beginning of theirs; a week begins on Sunday. Case is ignored.
    ///
    /// As in Vixie cron, when both day fields are restricted, which is to say begin with something
    /// other than `*`, a day need match only one of them; else it must match both.
    ///
    /// The zone is a name of the IANA database such as `America/Los_Angeles`, or `UTC`.
    ///
    /// # Errors
    ///
    /// When either cannot be read, naming the part and what was expected in its place. A day that
    /// never comes, such as 30 February, is no error here: [`Schedule::next_after`] finds none.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, ScheduleError> {
        let pattern = Pattern::parse(expression)?;
        let rules = TimeZoneDatabase::bundled()
            .get(zone)
            .ok()
            .filter(|rules| !rules.is_unknown())
            .ok_or_else(|| ScheduleError::Zone {
                zone: zone.to_owned(),
            })?;
        Ok(Self {
            expression: expression.to_owned(),
            zone: zone.to_owned(),
            pattern,
            rules,
        })
    }

    /// The cron expression as it was given.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The name of the time zone as it was given.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The first tick strictly after `after`, by the rules of this module.
    ///
    /// `None` when the civil dates from that of `after` to the same date [`HORIZON_YEARS`] later
    /// have none. That is what bounds the work, and it means that a schedule for 29 February alone
    /// finds nothing for the three years after that of 2096, as 2100 is no leap year.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let until = self.date_at(after).saturating_add(HORIZON_YEARS.years());
        self.ticks_after(after, until).next()
    }

    /// The ticks strictly after `after` whose civil dates are not past `until`, in order.
    fn ticks_after(&self, after: Timestamp, until: Date) -> impl Iterator<Item = Timestamp> {
        // Ticks never go back while civil times go forward, in overlaps included. So no civil time
        // before that of `after` ticks after it; some from there on tick before it, in an overlap.
        let from = self.rules.to_datetime(to_jiff(after));
        let mut newest = after;
        self.pattern
            .civil_times(from, until)
            .filter_map(move |civil| {
                let tick = self.tick_at(civil).filter(|tick| *tick > newest)?;
                newest = tick;
                Some(tick)
            })
    }

    /// The civil date at an instant.
    fn date_at(&self, at: Timestamp) -> Date {
        self.rules.to_datetime(to_jiff(at)).date()
    }

    /// The instant at which a civil time ticks; `None` outside of what [`Timestamp`] can say.
    fn tick_at(&self, civil: DateTime) -> Option<Timestamp> {
        let candidates = self.rules.to_ambiguous_timestamp(civil);
        let tick = if let AmbiguousOffset::Gap { after, .. } = candidates.offset() {
            // By the clock as it is after the gap, a time within the gap is just before the change.
            let before_change = after.to_timestamp(civil).ok()?;
            self.rules
                .following(before_change)
                .find(|change| change.offset() == after)?
                .timestamp()
        } else {
            candidates.earlier().ok()?
        };
        u64::try_from(tick.as_millisecond())
            .ok()
            .map(Timestamp::from_ms)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.zone == other.zone
    }
}

impl Eq for Schedule {}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("expression", &self.expression)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

/// Why a schedule cannot be read; always the fault of who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression does not have five fields.
    #[error(
        "cron expression {expression:?} has {found} fields: expected five, which are minute, hour, \
         day of the month, month and day of the week"
    )]
    Fields {
        /// The whole expression.
        expression: String,
        /// How many fields it has.
        found: usize,
    },
    /// The expression begins with `@` and is none of those that may.
    #[error(
        "cron expression {expression:?} is not known: expected @hourly, @daily, @weekly, @monthly, \
         @yearly or five fields"
    )]
    Nickname {
        /// The whole expression.
        expression: String,
    },
    /// A field of the expression cannot be read.
    #[error(
        "cron expression {expression:?} has {text:?} as its {field} or a part of it: expected \
         {expected}"
    )]
    Field {
        /// The whole expression.
        expression: String,
        /// Which field, in words.
        field: &'static str,
        /// The part of the field, between commas, that cannot be read.
        text: String,
        /// What could stand in its place.
        expected: String,
    },
    /// The zone is not in the database.
    #[error(
        "time zone {zone:?} is not known: expected a name of the IANA database such as \
         \"America/Los_Angeles\", or \"UTC\""
    )]
    Zone {
        /// The name that was given.
        zone: String,
    },
}

/// An instant as `jiff` has it; later ones than it can say, from the year 10000 on, are its last.
fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    i64::try_from(at.as_ms())
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests;
