//! Lengths of time as people write them: `500ms`, `90s`, `10m`, `1h30m`, `7d`.

use std::time::Duration;

/// The units, longest names first where one begins like another, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a length; for a command line's options.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let refused = || "expected a length such as 500ms, 90s, 10m, 1h30m or 7d".to_owned();
    let mut rest = text;
    let mut sum_ms = 0_u64;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let unit = |(name, ms)| Some((after.strip_prefix(name)?, ms));
        let (after, unit_ms) = UNITS.into_iter().find_map(unit).ok_or_else(refused)?;
        let part_ms = number.checked_mul(unit_ms);
        let longer = part_ms.and_then(|part| sum_ms.checked_add(part));
        sum_ms = longer.ok_or_else(refused)?;
        rest = after;
    }
    Ok(Duration::from_millis(sum_ms))
}

/// A length in the words [`span`] reads.
pub(crate) fn words(length: Duration) -> String {
    let mut rest = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for unit in ["d", "h", "m", "s", "ms"] {
        let unit_ms = UNITS.into_iter().find(|(name, _)| *name == unit);
        let unit_ms = unit_ms.map_or(1, |(_, ms)| ms);
        if rest >= unit_ms {
            text.push_str(&format!("{}{unit}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_by_its_units_and_written_alike() {
        for (text, ms) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
        ] {
            let length = Duration::from_millis(ms);
            assert_eq!(span(text), Ok(length), "{text}");
            assert_eq!(span(&words(length)), Ok(length), "{text}");
        }
        assert_eq!(words(Duration::from_millis(5_400_000)), "1h30m");
        assert_eq!(span(&words(Duration::ZERO)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_length_without_a_unit_or_out_of_bounds_is_refused() {
        for wrong in [
            "",
            "10",
            "m",
            "10x",
            "1.5h",
            "-1s",
            "10m ",
            "99999999999999999999d",
        ] {
            assert!(span(wrong).is_err(), "{wrong:?}");
        }
    }
}
