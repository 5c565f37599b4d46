//! Golden values of every format: read by this build, and the last written by it bit for bit.
//!
//! `fixtures/journals/vN/NAME.hex` holds rows as format N stores them, key and value; `NAME.txt`
//! says what they mean, in the words of today's types. A value in there was written to somebody's
//! disk, so no `.hex` file is ever changed: what cannot be read any more is a bug in the reader,
//! and what is written differently is another format, with a number and a directory of its own.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect_file;
use stepwell_core::Entry;
use stepwell_core::envelope::{self, ValueKind};

use files::{directory, fixtures, open, to_hex};

mod exports;
pub(crate) mod files;
mod meaning;
mod samples;

#[test]
fn format_1_is_read_as_it_was_meant() {
    is_read_as_it_was_meant(1);
}

#[test]
fn format_2_is_read_as_it_was_meant() {
    is_read_as_it_was_meant(2);
}

#[test]
fn format_3_is_read_as_it_was_meant() {
    is_read_as_it_was_meant(3);
}

#[test]
fn every_format_has_fixtures_and_they_are_of_that_format() {
    for format in 1..=envelope::FORMAT {
        for (name, rows) in fixtures(format) {
            for row in &rows {
                assert_eq!(open(row).unwrap().format, format, "{name} of v{format}");
            }
        }
    }
}

#[test]
fn the_last_format_is_written_bit_for_bit() {
    for (name, rows) in samples::all() {
        let path = directory(envelope::FORMAT).join(format!("{name}.hex"));
        let written = to_hex(&rows);
        let stored = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}: should be\n{written}", path.display()));
        assert!(
            stored == written,
            "{name} is written as\n{written}\nnot as\n{stored}"
        );
    }
}

#[test]
fn there_is_a_sample_for_every_fixture() {
    let stored = fixtures(envelope::FORMAT).into_iter();
    let stored: BTreeSet<String> = stored.map(|(name, _)| name).collect();
    let samples: BTreeSet<String> = samples::all().into_iter().map(|(name, _)| name).collect();
    assert_eq!(stored, samples);
}

#[test]
fn what_an_earlier_format_says_reads_as_what_the_last_says_of_the_same() {
    let last: BTreeMap<_, _> = fixtures(envelope::FORMAT).into_iter().collect();
    for (name, rows) in (1..envelope::FORMAT).flat_map(fixtures) {
        assert_eq!(
            meaning::of_rows(&rows),
            meaning::of_rows(&last[&name]),
            "{name}"
        );
    }
}

#[test]
fn every_kind_of_entry_and_of_value_has_a_fixture() {
    for (format, last_value, last_entry) in [(1, 8, 11), (2, 12, 23), (3, 12, 26)] {
        let mut values = BTreeSet::new();
        let mut entries = BTreeSet::new();
        for row in fixtures(format).iter().flat_map(|(_, rows)| rows) {
            let opened = open(row).unwrap();
            values.insert(opened.kind as u8);
            if opened.kind == ValueKind::JournalBlock {
                let block = envelope::decode_block(format, opened.seq, opened.body);
                entries.extend(block.unwrap().iter().map(kind_of));
            }
        }
        assert_eq!(values, (1..=last_value).collect(), "kinds of value");
        assert_eq!(entries, (1..=last_entry).collect(), "kinds of entry");
    }
}

#[test]
fn a_golden_value_with_any_bit_flipped_is_damage() {
    let all = (1..=envelope::FORMAT).flat_map(fixtures);
    for (name, rows) in all {
        for row in rows {
            let value = row.value.as_ref().unwrap();
            for bit in 0..value.len() * 8 {
                let mut value = value.clone();
                value[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    envelope::open(&row.key, &value).is_err(),
                    "{name}: bit {bit} went unnoticed"
                );
            }
        }
    }
}

fn is_read_as_it_was_meant(format: u8) {
    for (name, rows) in fixtures(format) {
        let meant = expect_file![directory(format).join(format!("{name}.txt"))];
        meant.assert_eq(&meaning::of_rows(&rows));
    }
}

/// The first byte of an entry in its block.
fn kind_of(entry: &Entry) -> u8 {
    envelope::encode_block(std::slice::from_ref(entry)).unwrap()[0]
}
