//! Cron expressions: reading the five fields, and the civil times they match.
//!
//! Every field is a set of small numbers, kept as the bits of a word.

use jiff::civil::{Date, DateTime};
use std::iter;

use super::ScheduleError;

/// What a cron expression says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern {
    minutes: Set,
    hours: Set,
    days_of_month: Set,
    months: Set,
    /// From 0, Sunday, to 6.
    days_of_week: Set,
    /// Whether a day need match only one of the day fields, as both are restricted.
    either_day: bool,
}

impl Pattern {
    /// See [`super::Schedule::parse`] for what can be read.
    pub(super) fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let trimmed = expression.trim();
        let spelled_out = if trimmed.starts_with('@') {
            spell_out(trimmed).ok_or_else(|| ScheduleError::Nickname {
                expression: expression.to_owned(),
            })?
        } else {
            trimmed
        };
        let fields: Vec<&str> = spelled_out.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
            return Err(ScheduleError::Fields {
                expression: expression.to_owned(),
                found: fields.len(),
            });
        };
        let read = |field: &Field, text: &str| {
            field.read(text).map_err(|wrong| ScheduleError::Field {
                expression: expression.to_owned(),
                field: field.name,
                text: wrong.text,
                expected: wrong.expected,
            })
        };
        Ok(Self {
            minutes: read(&MINUTE, minute)?,
            hours: read(&HOUR, hour)?,
            days_of_month: read(&DAY_OF_MONTH, day_of_month)?,
            months: read(&MONTH, month)?,
            days_of_week: read(&DAY_OF_WEEK, day_of_week)?.sunday_as_zero(),
            either_day: !day_of_month.starts_with('*') && !day_of_week.starts_with('*'),
        })
    }

    /// The matching civil times from the minute of `from` to the end of `until`, in order.
    pub(super) fn civil_times(
        self,
        from: DateTime,
        until: Date,
    ) -> impl Iterator<Item = DateTime> + use<> {
        iter::successors(Some(from.date()), |date| date.tomorrow().ok())
            .take_while(move |date| *date <= until)
            .filter(move |date| self.matches_day(*date))
            .flat_map(move |date| {
                let first_day = date == from.date();
                let hours = if first_day {
                    self.hours.not_below(from.hour())
                } else {
                    self.hours
                };
                hours.values().flat_map(move |hour| {
                    let minutes = if first_day && hour == from.hour() {
                        self.minutes.not_below(from.minute())
                    } else {
                        self.minutes
                    };
                    minutes
                        .values()
                        .map(move |minute| date.at(hour, minute, 0, 0))
                })
            })
    }

    fn matches_day(self, date: Date) -> bool {
        let by_month = self.days_of_month.has(date.day());
        let by_week = self
            .days_of_week
            .has(date.weekday().to_sunday_zero_offset());
        let by_day = if self.either_day {
            by_month || by_week
        } else {
            by_month && by_week
        };
        by_day && self.months.has(date.month())
    }
}

/// The five fields that an expression beginning with `@` stands for.
fn spell_out(nickname: &str) -> Option<&'static str> {
    let known = [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
    ];
    known
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(nickname))
        .map(|(_, fields)| fields)
}

/// A set of numbers from 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

impl Set {
    const EMPTY: Self = Self(0);

    fn with(self, value: i8) -> Self {
        Self(self.0 | (1 << value))
    }

    fn has(self, value: i8) -> bool {
        self.0 & (1 << value) != 0
    }

    /// Its numbers from `least` on.
    fn not_below(self, least: i8) -> Self {
        Self(self.0 & (u64::MAX << least))
    }

    /// Its numbers, rising.
    fn values(self) -> impl Iterator<Item = i8> {
        (0..64).filter(move |value| self.has(*value))
    }

    /// The same days of the week, with Sunday written as 0 alone.
    fn sunday_as_zero(self) -> Self {
        if self.has(7) {
            Self(self.0 & !(1 << 7)).with(0)
        } else {
            self
        }
    }
}

/// What may stand in one field of an expression.
struct Field {
    /// The field in words, for messages.
    name: &'static str,
    least: i8,
    most: i8,
    /// Names of the values from `least` on, if they have any.
    names: &'static [&'static str],
}

const MINUTE: Field = Field {
    name: "minute",
    least: 0,
    most: 59,
    names: &[],
};

const HOUR: Field = Field {
    name: "hour",
    least: 0,
    most: 23,
    names: &[],
};

const DAY_OF_MONTH: Field = Field {
    name: "day of the month",
    least: 1,
    most: 31,
    names: &[],
};

const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};

const DAY_OF_WEEK: Field = Field {
    name: "day of the week",
    least: 0,
    most: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// A part of a field that cannot be read, and what could be.
struct Wrong {
    text: String,
    expected: String,
}

impl Field {
    /// The values a field's text stands for.
    fn read(&self, text: &str) -> Result<Set, Wrong> {
        text.split(',').try_fold(Set::EMPTY, |set, part| {
            let values = self.read_part(part).map_err(|expected| Wrong {
                text: part.to_owned(),
                expected,
            })?;
            Ok(Set(set.0 | values.0))
        })
    }

    /// The values of one part of a list, or what was expected instead of it.
    fn read_part(&self, part: &str) -> Result<Set, String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.read_step(step)?)),
            None => (part, None),
        };
        let (first, last) = if range == "*" {
            (self.least, self.most)
        } else if let Some((first, last)) = range.split_once('-') {
            (self.read_value(first)?, self.read_value(last)?)
        } else {
            let value = self.read_value(range)?;
            // Other crons disagree on whether a step from one value goes on to the field's end.
            if step.is_some() {
                return Err(format!(
                    "a range before the step, such as {value}-{}/n",
                    self.most
                ));
            }
            (value, value)
        };
        if first > last {
            return Err("a range that rises".to_owned());
        }
        Ok((first..=last)
            .step_by(step.unwrap_or(1))
            .fold(Set::EMPTY, Set::with))
    }

    fn read_step(&self, text: &str) -> Result<usize, String> {
        let most = usize::from((self.most - self.least).unsigned_abs()) + 1;
        // A wider step would match the first value alone, which is seldom what was meant.
        read_digits(text)
            .map(usize::from)
            .filter(|step| (1..=most).contains(step))
            .ok_or_else(|| format!("a step from 1 to {most}"))
    }

    fn read_value(&self, text: &str) -> Result<i8, String> {
        let named = (self.least..)
            .zip(self.names)
            .find(|(_, name)| name.eq_ignore_ascii_case(text))
            .map(|(value, _)| value);
        named
            .or_else(|| {
                read_digits(text)
                    .and_then(|value| i8::try_from(value).ok())
                    .filter(|value| (self.least..=self.most).contains(value))
            })
            .ok_or_else(|| self.expected())
    }

    fn expected(&self) -> String {
        let names = match self.names {
            [first, .., last] => format!(", names from {first} to {last}"),
            [] | [_] => String::new(),
        };
        format!(
            "numbers from {} to {}{names}, ranges a-b, lists a,b, steps a-b/n, * or */n",
            self.least, self.most
        )
    }
}

/// A number written in digits alone, unlike what the standard library takes.
fn read_digits(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
