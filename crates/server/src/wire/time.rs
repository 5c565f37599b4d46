//! Instants on the wire: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stepwell_core::Timestamp;

/// An instant, written such as `2026-11-22T08:55:04.120Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl FromStr for Instant {
    type Err = jiff::Error;

    /// Reads an instant with any offset from UTC; one before 1970 is read as 1970.
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let at: jiff::Timestamp = text.parse()?;
        let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Ok(Self(Timestamp::from_ms(ms)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0.as_ms()).unwrap_or(i64::MAX);
        // Past the last instant that has a date, the last is shown.
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        f.pad(&format!("{at:.3}"))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_with_milliseconds() {
        let at = Instant(Timestamp::from_ms(1_795_337_704_120));
        let json = serde_json::to_string(&at).unwrap();
        assert_eq!(json, r#""2026-11-22T08:55:04.120Z""#);
        assert_eq!(serde_json::from_str::<Instant>(&json).unwrap(), at);
    }

    #[test]
    fn an_instant_is_read_with_any_offset() {
        let at: Instant = "2026-11-22T09:55:04.12+01:00".parse().unwrap();
        assert_eq!(at.0.as_ms(), 1_795_337_704_120);
        assert!("2026-11-22".parse::<Instant>().is_err());
    }

    #[test]
    fn an_instant_that_has_no_date_is_written_as_the_last_one() {
        let shown = Instant(Timestamp::from_ms(u64::MAX)).to_string();
        assert!(shown.starts_with("9999-12-30"), "{shown}");
    }
}
