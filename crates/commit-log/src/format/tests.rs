//! The format, pinned: what one version wrote, every later version reads.
//!
//! The expected bytes come from a separate program, written from the module documentation alone.

use super::*;

const ORIGIN: Origin = Origin {
    store: StoreId(*b"the only store !"),
    opening: 3,
    salt: 0x0123_4567_89ab_cdef,
};

const HEADER: &str = "53544550574c4f47010000007549fb17746865206f6e6c792073746f7265202103000000\
                      00000000efcdab8967452301090000000000000005000000000000005f016809ca8959ee\
                      004000000000000001000000";
const DATA: &str =
    "6461746154fa3c14090000000000000005000000000000001373833abc6df16b0a000000b424cb15";
const CHECKPOINT: &str =
    "63686b7062b9a0460a00000000000000050000000000000080e9945f0fa7ffe90d000000154dda40";
const SEAL: &str =
    "7365616c7814576f0b000000000000000500000000000000882215d00cba4da688130000984249ef";
const FOOTER: &str =
    "5354455057454e44397c45690000000009000000000000000c00000000000000882215d00cba4da6";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base() -> Link {
    Link {
        serial: 9,
        last: RecordNumber(4),
        chain: ORIGIN.first_chain(),
    }
}

fn header() -> SegmentHeader {
    SegmentHeader {
        origin: ORIGIN,
        base: base(),
        segment_bytes: 16_384,
        complete: true,
    }
}

#[test]
fn a_segment_header_has_the_documented_bytes() {
    let block = header().encode();
    assert_eq!(hex(&block[..84]), HEADER);
    assert_eq!(block[84..], [0; BLOCK - 84]);
    assert_eq!(SegmentHeader::decode(&block), Ok(header()));
}

#[test]
fn records_and_the_footer_have_the_documented_bytes() {
    let salted = ORIGIN.salted();
    let mut buffer = Vec::new();
    let link = encode_record(
        &mut buffer,
        &salted,
        base(),
        Kind::Data,
        &[b"hello", b", log"],
    );
    assert_eq!(hex(&buffer[..HEAD]), DATA);
    assert_eq!(buffer[HEAD..HEAD + 10], *b"hello, log");
    assert_eq!(buffer.len(), BLOCK);
    let settled = 4_u64.to_le_bytes();
    let parts: [&[u8]; 2] = [&settled, b"state"];
    let link = encode_record(&mut buffer, &salted, link, Kind::Checkpoint, &parts);
    assert_eq!(hex(&buffer[..HEAD]), CHECKPOINT);
    let link = encode_record(&mut buffer, &salted, link, Kind::Seal, &[&[b'x'; 5000]]);
    assert_eq!(hex(&buffer[..HEAD]), SEAL);
    assert_eq!(buffer.len(), 2 * BLOCK);
    let footer = Footer {
        base_serial: 9,
        next_serial: link.serial,
        next_chain: link.chain,
    };
    let block = footer.encode(&salted);
    assert_eq!(hex(&block[..40]), FOOTER);
    assert_eq!(Footer::decode(&block, &salted, 9), Some(footer));
}

#[test]
fn what_is_written_is_read_and_follows() {
    let salted = ORIGIN.salted();
    let mut buffer = Vec::new();
    let mut link = base();
    for (kind, length) in [
        (Kind::Data, 0),
        (Kind::Data, 4056),
        (Kind::Checkpoint, 4057),
        (Kind::Data, 100_000),
        (Kind::Seal, 1),
    ] {
        let content = vec![7; length];
        let after = encode_record(&mut buffer, &salted, link, kind, &[&content]);
        let Found::Record(record) = read_record(&buffer, &salted) else {
            panic!("{kind:?} of {length} bytes is not read");
        };
        assert_eq!((record.kind, record.content), (Some(kind), &content[..]));
        assert_eq!(record.space(), buffer.len());
        assert_eq!(record.follow(link), Ok(after));
        record.follow(after).expect_err("it does not follow itself");
        let elsewhere = Link { chain: 1, ..link };
        record.follow(elsewhere).expect_err("another history");
        link = after;
    }
    assert_eq!((link.serial, link.last), (14, RecordNumber(7)));
}

#[test]
fn a_record_of_another_opening_store_or_salt_is_nothing() {
    let mut buffer = Vec::new();
    encode_record(
        &mut buffer,
        &ORIGIN.salted(),
        base(),
        Kind::Data,
        &[b"here"],
    );
    let store = StoreId([1; 16]);
    for other in [
        Origin { store, ..ORIGIN },
        Origin {
            opening: 4,
            ..ORIGIN
        },
        Origin { salt: 1, ..ORIGIN },
    ] {
        assert!(matches!(
            read_record(&buffer, &other.salted()),
            Found::Nothing
        ));
    }
}

#[test]
fn a_record_that_is_cut_short_is_its_head_alone() {
    let salted = ORIGIN.salted();
    let mut buffer = Vec::new();
    encode_record(&mut buffer, &salted, base(), Kind::Data, &[&[7; 9000]]);
    let cut = read_record(&buffer[..2 * BLOCK], &salted);
    assert!(matches!(cut, Found::HeadOnly { serial: 9 }));
    let whole = buffer.len();
    buffer[whole - 1] = 1;
    let padding = read_record(&buffer, &salted);
    assert!(matches!(padding, Found::HeadOnly { serial: 9 }));
    assert!(matches!(read_record(&[], &salted), Found::Nothing));
    assert!(matches!(read_record(&[0; BLOCK], &salted), Found::Nothing));
}

#[test]
fn a_record_of_an_unknown_kind_is_found_and_refused() {
    let salted = ORIGIN.salted();
    let mut buffer = Vec::new();
    encode_record(&mut buffer, &salted, base(), Kind::Data, &[b"later"]);
    buffer[0..4].copy_from_slice(b"late");
    let sum = salted.sum([&buffer[0..4], &buffer[8..HEAD]]);
    buffer[4..8].copy_from_slice(&sum.to_le_bytes());
    let Found::Record(record) = read_record(&buffer, &salted) else {
        panic!("the checksums fit");
    };
    record.follow(base()).expect_err("nobody knows what it is");
}

#[test]
fn a_later_format_is_told_from_damage() {
    let mut block = header().encode();
    block[8] = 2;
    assert!(matches!(
        SegmentHeader::decode(&block),
        Err(HeaderError::Damaged(_))
    ));
    let sum = header_sum(&block);
    block[12..16].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&block), Err(HeaderError::Newer(2)));
}

#[test]
fn a_footer_left_by_an_earlier_use_of_the_file_does_not_count() {
    let salted = ORIGIN.salted();
    let footer = Footer {
        base_serial: 9,
        next_serial: 12,
        next_chain: 1,
    };
    let mut block = footer.encode(&salted);
    assert_eq!(Footer::decode(&block, &salted, 12), None);
    block[100] = 1;
    assert_eq!(Footer::decode(&block, &salted, 9), None);
}
