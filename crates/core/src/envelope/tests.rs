//! The envelope keeps what it is given and refuses everything else.

use super::*;
use crate::entry::{CancelRequested, RunCompleted};
use crate::payload::Payload;

fn sealed() -> Vec<u8> {
    let run = RunId::from_bytes([9; 16]);
    seal(
        ValueKind::JournalBlock,
        b"key",
        Some(run),
        Seq(3),
        b"some body",
    )
    .unwrap()
}

#[test]
fn a_sealed_value_opens_under_its_own_key() {
    let value = sealed();
    let opened = open(b"key", &value).unwrap();
    assert_eq!(opened.kind, ValueKind::JournalBlock);
    assert_eq!(opened.run, Some(RunId::from_bytes([9; 16])));
    assert_eq!((opened.seq, opened.body), (Seq(3), b"some body".as_slice()));
}

#[test]
fn a_value_read_under_another_key_is_damage() {
    assert_eq!(open(b"kez", &sealed()), Err(DecodeError::Checksum));
}

#[test]
fn every_flipped_bit_of_a_value_is_noticed() {
    let value = sealed();
    for bit in 0..value.len() * 8 {
        let mut damaged = value.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(open(b"key", &damaged).is_err(), "bit {bit} went unnoticed");
    }
}

#[test]
fn every_truncation_of_a_value_is_noticed() {
    let value = sealed();
    for length in 0..value.len() {
        assert!(
            open(b"key", &value[..length]).is_err(),
            "length {length} went unnoticed"
        );
    }
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let mut value = sealed();
    value[2] = FORMAT + 1;
    assert_eq!(
        open(b"key", &value),
        Err(DecodeError::NewerFormat { found: FORMAT + 1 })
    );
}

#[test]
fn a_block_gives_back_its_entries_with_their_numbers() {
    let at = Timestamp::from_ms(1_700_000_000_123);
    let entries: Vec<Entry> = [
        EntryBody::CancelRequested(CancelRequested {
            reason: "no longer wanted".into(),
        }),
        EntryBody::Resumed,
        EntryBody::RunCompleted(RunCompleted {
            output: Payload::from_json("{\"ok\":true}"),
        }),
    ]
    .into_iter()
    .zip(5..)
    .map(|(body, seq)| Entry {
        seq: Seq(seq),
        at,
        body,
    })
    .collect();
    let body = encode_block(&entries).unwrap();
    assert_eq!(decode_block(Seq(5), &body).unwrap(), entries);
}

#[test]
fn a_huge_length_inside_a_body_asks_for_no_memory() {
    let mut fields = vec![0xfd];
    fields.extend_from_slice(&u64::MAX.to_le_bytes());
    let refused: Result<RunCompleted, _> = decode_fields("RunCompleted", &fields);
    assert_eq!(
        refused,
        Err(DecodeError::Fields {
            what: "RunCompleted"
        })
    );
}
