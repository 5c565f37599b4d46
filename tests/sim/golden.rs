//! Golden values of every released format: read by this build, and written by it bit for bit.
//!
//! `fixtures/journals/v1/NAME.hex` holds rows as format 1 stores them, key and value; `NAME.txt`
//! says what they mean, in the words of today's types. A value in there was written to somebody's
//! disk, so no `.hex` file is ever changed: what cannot be read any more is a bug in the reader,
//! and what is written differently is another format, with a number and a directory of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use expect_test::expect_file;
use stepwell_core::envelope::{self, DecodeError, Opened, ValueKind};
use stepwell_core::run::fold;
use stepwell_core::{Entry, EntryBody, Payload, RunId, Seq};
use stepwell_store::{EventRow, InboxRow, RowOp, RunHead, keys};

mod samples;

#[test]
fn format_1_is_read_as_it_was_meant() {
    for (name, rows) in fixtures() {
        let mut text = String::new();
        for row in &rows {
            text.push_str(&meaning(row));
        }
        if let Some(state) = state_of(&rows) {
            let status = state.status(state.changed_at);
            writeln!(text, "folds to {status}, next entry {}", state.next_seq).unwrap();
            for (address, step) in &state.steps {
                writeln!(text, "step {address}: {step:?}").unwrap();
            }
        }
        expect_file![directory().join(format!("{name}.txt"))].assert_eq(&text);
    }
}

#[test]
fn format_1_is_written_bit_for_bit() {
    assert_eq!(
        envelope::FORMAT,
        1,
        "a later format needs fixtures of its own"
    );
    for (name, rows) in samples::all() {
        let path = directory().join(format!("{name}.hex"));
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
    let stored: BTreeSet<String> = fixtures().into_iter().map(|(name, _)| name).collect();
    let samples: BTreeSet<String> = samples::all().into_iter().map(|(name, _)| name).collect();
    assert_eq!(stored, samples);
}

#[test]
fn every_kind_of_entry_and_of_value_has_a_fixture() {
    let mut values = BTreeSet::new();
    let mut entries = BTreeSet::new();
    for row in fixtures().iter().flat_map(|(_, rows)| rows) {
        let opened = open(row).unwrap();
        values.insert(opened.kind as u8);
        if opened.kind == ValueKind::JournalBlock {
            for entry in envelope::decode_block(opened.seq, opened.body).unwrap() {
                entries.insert(kind_of(&entry));
            }
        }
    }
    assert_eq!(values, (1..=8).collect(), "kinds of value");
    assert_eq!(entries, (1..=11).collect(), "kinds of entry");
}

#[test]
fn a_golden_value_with_any_bit_flipped_is_damage() {
    for (name, rows) in fixtures() {
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

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals/v1")
}

/// Every fixture by name, in the order of names.
fn fixtures() -> Vec<(String, Vec<RowOp>)> {
    let mut fixtures: Vec<(String, Vec<RowOp>)> = std::fs::read_dir(directory())
        .unwrap()
        .filter_map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem()?.to_str()?.to_owned();
            let is_rows = path.extension()? == "hex";
            is_rows.then(|| (name, from_hex(&std::fs::read_to_string(&path).unwrap())))
        })
        .collect();
    fixtures.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(
        !fixtures.is_empty(),
        "no fixtures in {}",
        directory().display()
    );
    fixtures
}

/// Rows as text: `key` and `value` lines, values on several lines of 32 bytes.
fn to_hex(rows: &[RowOp]) -> String {
    let mut text = String::new();
    for row in rows {
        writeln!(text, "key {}", hex::encode(&row.key)).unwrap();
        writeln!(text, "value").unwrap();
        for line in row.value.as_ref().unwrap().chunks(32) {
            writeln!(text, "  {}", hex::encode(line)).unwrap();
        }
    }
    text
}

fn from_hex(text: &str) -> Vec<RowOp> {
    let mut rows: Vec<RowOp> = Vec::new();
    for line in text.lines() {
        if let Some(key) = line.strip_prefix("key ") {
            rows.push(RowOp {
                key: hex::decode(key).unwrap(),
                value: Some(Vec::new()),
            });
        } else if let Some(bytes) = line.strip_prefix("  ") {
            let value = rows.last_mut().unwrap().value.as_mut().unwrap();
            value.extend(hex::decode(bytes).unwrap());
        } else {
            assert_eq!(line, "value", "a line of a fixture");
        }
    }
    rows
}

fn open(row: &RowOp) -> Result<Opened<'_>, DecodeError> {
    envelope::open(&row.key, row.value.as_deref().unwrap())
}

/// What a row says, in words.
fn meaning(row: &RowOp) -> String {
    let opened = open(row).unwrap();
    let mut text = format!("{:?} of {}\n", opened.kind, meaning_of_key(&row.key));
    if let Some(run) = opened.run {
        writeln!(text, "belongs to run {run}").unwrap();
    }
    match opened.kind {
        ValueKind::JournalBlock => {
            for entry in envelope::decode_block(opened.seq, opened.body).unwrap() {
                writeln!(text, "{entry:#?}").unwrap();
                if let Some(payload) = payload_of(&entry) {
                    writeln!(text, "payload {}", payload.as_json()).unwrap();
                }
            }
        }
        ValueKind::RunHead => {
            let head: RunHead = envelope::decode_fields("head", opened.body).unwrap();
            writeln!(text, "{head:#?}").unwrap();
        }
        ValueKind::Event => {
            let event: EventRow = envelope::decode_fields("event", opened.body).unwrap();
            writeln!(text, "{event:#?}").unwrap();
            for payload in std::iter::once(&event.data).chain(&event.user) {
                writeln!(text, "payload {}", payload.as_json()).unwrap();
            }
        }
        ValueKind::Inbox => {
            let request: InboxRow = envelope::decode_fields("request", opened.body).unwrap();
            writeln!(text, "{request:#?}").unwrap();
        }
        ValueKind::Agenda | ValueKind::Chunked | ValueKind::Chunk | ValueKind::Store => {
            writeln!(text, "body {:?}", hex::encode(opened.body)).unwrap();
        }
    }
    text
}

fn meaning_of_key(key: &[u8]) -> String {
    match key[0] {
        keys::AGENDA => {
            let (at, run) = keys::parse_agenda(key).unwrap();
            format!("agenda of run {run} at {at}")
        }
        keys::INBOX => {
            let (run, id) = keys::parse_inbox(key).unwrap();
            format!("request {:?} to run {run}", id.0)
        }
        keys::JOURNAL => {
            let (run, first) = keys::parse_journal(key).unwrap();
            format!("journal of run {run} from entry {first}")
        }
        keys::HEAD => format!("head of run {}", keys::parse_head(key).unwrap()),
        keys::PART => {
            let number = u32::from_be_bytes(key[1..5].try_into().unwrap());
            format!("part {number} of {}", meaning_of_key(&key[5..]))
        }
        first => format!(
            "{} {}",
            char::from(first),
            String::from_utf8_lossy(&key[1..])
        ),
    }
}

fn payload_of(entry: &Entry) -> Option<&Payload> {
    match &entry.body {
        EntryBody::StepSucceeded(fields) => Some(&fields.output),
        EntryBody::RunCompleted(fields) => Some(&fields.output),
        EntryBody::RunStarted(_)
        | EntryBody::StepFailed(_)
        | EntryBody::Recovered(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed => None,
    }
}

/// The first byte of an entry in its block.
fn kind_of(entry: &Entry) -> u8 {
    envelope::encode_block(std::slice::from_ref(entry)).unwrap()[0]
}

/// The state, where the rows hold a journal from its first entry on.
fn state_of(rows: &[RowOp]) -> Option<stepwell_core::run::RunState> {
    let mut journal: Vec<Entry> = Vec::new();
    let mut run: Option<RunId> = None;
    for row in rows {
        let opened = open(row).unwrap();
        if opened.kind == ValueKind::JournalBlock {
            run = run.or(opened.run);
            journal.extend(envelope::decode_block(opened.seq, opened.body).unwrap());
        }
    }
    if journal.first()?.seq != Seq::FIRST {
        return None;
    }
    Some(fold(run.unwrap(), &journal).unwrap())
}
