//! The names of the log's files: a file's name says what it is, and only a synced name counts.
//!
//! A *segment* holds records of the opening and from the serial in its name; nothing but appends
//! and one footer ever changes it. A *spare* is a recycled or ready-made file whose bytes mean
//! nothing. A *fresh* file is still being filled: whatever stopped half-way left it.

use std::fmt;

/// A file of the log, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileName {
    /// `<opening>-<serial of its first record>.segment`, both as 16 hex digits.
    Segment {
        /// The opening that wrote it.
        opening: u64,
        /// The serial its first record has, or would have.
        serial: u64,
    },
    /// `<number>.spare`, as 16 hex digits.
    Spare(u64),
    /// `<number>.fresh`, as 16 hex digits.
    Fresh(u64),
}

impl FileName {
    /// Reads a name; `None` if the file is none of the log's.
    pub(crate) fn parse(name: &str) -> Option<FileName> {
        let (stem, kind) = name.split_once('.')?;
        let parsed = match kind {
            "segment" => {
                let (opening, serial) = stem.split_once('-')?;
                FileName::Segment {
                    opening: u64::from_str_radix(opening, 16).ok()?,
                    serial: u64::from_str_radix(serial, 16).ok()?,
                }
            }
            "spare" => FileName::Spare(u64::from_str_radix(stem, 16).ok()?),
            "fresh" => FileName::Fresh(u64::from_str_radix(stem, 16).ok()?),
            _ => return None,
        };
        // One spelling a file: signs, capitals or fewer digits are somebody else's.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Segment { opening, serial } => {
                write!(f, "{opening:016x}-{serial:016x}.segment")
            }
            FileName::Spare(number) => write!(f, "{number:016x}.spare"),
            FileName::Fresh(number) => write!(f, "{number:016x}.fresh"),
        }
    }
}

/// The files of a log directory, sorted into their kinds; files of others are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// Opening and first serial of every segment, ascending.
    pub(crate) segments: Vec<(u64, u64)>,
    /// Numbers of the spares, ascending.
    pub(crate) spares: Vec<u64>,
    /// Numbers of the unfinished files, ascending.
    pub(crate) fresh: Vec<u64>,
}

impl Files {
    /// Sorts the names of a directory.
    pub(crate) fn sort(names: &[String]) -> Files {
        let mut files = Files::default();
        for name in names {
            match FileName::parse(name) {
                Some(FileName::Segment { opening, serial }) => {
                    files.segments.push((opening, serial));
                }
                Some(FileName::Spare(number)) => files.spares.push(number),
                Some(FileName::Fresh(number)) => files.fresh.push(number),
                None => {}
            }
        }
        files.segments.sort_unstable();
        files.spares.sort_unstable();
        files.fresh.sort_unstable();
        files
    }

    /// A number that neither a spare nor a fresh file has, nor any above it.
    pub(crate) fn next_number(&self) -> u64 {
        let spare = self.spares.last().copied().unwrap_or(0);
        let fresh = self.fresh.last().copied().unwrap_or(0);
        spare.max(fresh) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for name in [
            FileName::Segment {
                opening: 3,
                serial: u64::MAX,
            },
            FileName::Spare(0),
            FileName::Fresh(0x1f),
        ] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for name in [
            "lock",
            "",
            ".spare",
            "1.spare",
            "000000000000001F.spare",
            "+00000000000001f.spare",
            "000000000000001f.spare.bak",
            "000000000000001f.segment",
            "0000000000000001-1.segment",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
