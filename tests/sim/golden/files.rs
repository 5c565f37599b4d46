//! Fixtures as files: rows as text that people can compare.

use std::fmt::Write as _;
use std::path::PathBuf;

use stepwell_core::envelope::{self, DecodeError, Opened};
use stepwell_store::RowOp;

/// Where the fixtures of a format are.
pub(crate) fn directory(format: u8) -> PathBuf {
    let all = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals");
    all.join(format!("v{format}"))
}

/// Every fixture of a format by name, in the order of names.
pub(crate) fn fixtures(format: u8) -> Vec<(String, Vec<RowOp>)> {
    let directory = directory(format);
    let mut fixtures: Vec<(String, Vec<RowOp>)> = std::fs::read_dir(&directory)
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
        directory.display()
    );
    fixtures
}

/// Rows as text: `key` and `value` lines, values on several lines of 32 bytes.
pub(crate) fn to_hex(rows: &[RowOp]) -> String {
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

/// The envelope of a row.
pub(crate) fn open(row: &RowOp) -> Result<Opened<'_>, DecodeError> {
    envelope::open(&row.key, row.value.as_deref().unwrap())
}
