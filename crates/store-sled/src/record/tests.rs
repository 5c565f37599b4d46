//! What is encoded is decoded, and nothing else is.

use stepwell_store::RowOp;

use super::{Change, RecordError, changes, commits, encode_commit, head};

fn rows() -> Vec<RowOp> {
    vec![
        RowOp {
            key: b"jrun".to_vec(),
            value: Some(b"a block".to_vec()),
        },
        RowOp {
            key: b"arun".to_vec(),
            value: None,
        },
        RowOp {
            key: b"e".to_vec(),
            value: Some(Vec::new()),
        },
    ]
}

fn record() -> Vec<u8> {
    let first = encode_commit(&rows()).unwrap();
    let second = encode_commit(&rows()[1..2]).unwrap();
    [&head(7, 2)[..], &first, &second].concat()
}

#[test]
fn what_is_encoded_is_decoded() {
    let commits = commits(&record()).unwrap();
    assert_eq!(commits.len(), 2);
    let put = |key: &'static [u8], value: &'static [u8]| Change {
        key,
        value: Some(value),
    };
    let delete = |key: &'static [u8]| Change { key, value: None };
    assert_eq!(
        changes(&commits[0]).unwrap(),
        [put(b"jrun", b"a block"), delete(b"arun"), put(b"e", b"")]
    );
    assert_eq!(changes(&commits[1]).unwrap(), [delete(b"arun")]);
}

#[test]
fn the_layout_is_the_documented_one() {
    let commit = encode_commit(&rows()[..2]).unwrap();
    let expected = [
        &31u32.to_le_bytes()[..],
        &2u32.to_le_bytes(),
        &[1, 4, 0, 7, 0, 0, 0],
        b"jrun",
        b"a block",
        &[2, 4, 0],
        b"arun",
    ]
    .concat();
    assert_eq!(commit.len(), expected.len());
    assert_eq!(commit[4..], expected[4..]);
    assert_eq!(head(0x0102, 3), [1, 2, 1, 0, 0, 3, 0, 0, 0]);
}

#[test]
fn every_cut_of_a_record_is_refused() {
    let whole = record();
    for end in 0..whole.len() {
        let cut = commits(&whole[..end]);
        assert!(cut.is_err(), "cut at {end}: {cut:?}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(commits(&longer), Err(RecordError::Length));
}

#[test]
fn a_later_format_and_an_unknown_change_are_named() {
    let mut newer = record();
    newer[0] = 2;
    assert_eq!(commits(&newer), Err(RecordError::NewerFormat { found: 2 }));
    let mut unknown = encode_commit(&rows()).unwrap();
    unknown[8] = 9;
    assert_eq!(changes(&unknown), Err(RecordError::Change { found: 9 }));
}
