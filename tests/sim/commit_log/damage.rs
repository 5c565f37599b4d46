//! Damage to what must be there is reported with file and offset, and nothing is changed.

use super::author::{Author, Ledger, Move, OPTIONS, STORE};
use stepwell_commit_log::{Log, LogOptions, OpenError, Scan, StoreId};
use stepwell_testkit::disk::{SimDisk, SplitMix64};

const BLOCK: usize = 4096;

/// Three segments: one and a bit taken by the opening, the last with two records.
const THREE_SEGMENTS: &[Move] = &[
    Move::Append(5000),
    Move::Append(3000),
    Move::Append(5000),
    Move::Append(5000),
    Move::Append(5000),
    Move::Append(100),
    Move::Append(5000),
    Move::Append(200),
    Move::Append(300),
];

fn segments(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.names();
    names.retain(|name| name.ends_with(".segment"));
    names
}

fn scan(disk: &SimDisk) -> Result<Scan, OpenError> {
    let changes = disk.changes();
    let outcome = Log::scan(&mut disk.clone(), &OPTIONS);
    assert_eq!(changes, disk.changes(), "a scan changed something");
    outcome
}

/// Asserts that this file is named, with an offset at or before the damage.
fn assert_reported(outcome: Result<Scan, OpenError>, name: &str, damaged: usize) {
    match outcome {
        Err(OpenError::Corrupt { file, offset, .. }) => {
            assert_eq!(file, name, "damage at {damaged}");
            assert!(
                offset <= damaged as u64,
                "damage at {damaged}, not {offset}"
            );
        }
        other => panic!("damage at {damaged} of {name}: {other:?}"),
    }
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_header_or_record_is_reported() {
    let options = LogOptions {
        segment_bytes: 4 * BLOCK as u64,
        max_record_bytes: 4000,
    };
    let mut disk = SimDisk::new(1);
    let mut log = Log::create(disk.clone(), options, STORE, 1).expect("create");
    log.append(&[b"needed"]).expect("append");
    log.append(&[b"the end"]).expect("append");
    let name = &segments(&disk)[0];
    let mut random = SplitMix64::new(1);
    for offset in 0..2 * BLOCK {
        let bit = random.below(8) as u8;
        disk.flip(name, offset, bit);
        assert_reported(Log::scan(&mut disk, &options), name, offset);
        disk.flip(name, offset, bit);
    }
}

#[test]
fn a_flipped_bit_in_any_segment_is_reported_with_its_file() {
    let author = Author::after(1, THREE_SEGMENTS);
    let names = segments(&author.disk);
    assert_eq!(names.len(), 3);
    let report = scan(&author.disk).expect("scan").segments;
    let mut random = SplitMix64::new(1);
    for (at, name) in names.iter().enumerate() {
        let mut needed = report[at].bytes_used as usize;
        if at + 1 == names.len() {
            // The very last record might as well have been torn by a crash.
            needed -= BLOCK;
        }
        for offset in (0..needed).step_by(61) {
            let bit = random.below(8) as u8;
            author.disk.flip(name, offset, bit);
            assert_reported(scan(&author.disk), name, offset);
            author.disk.flip(name, offset, bit);
        }
    }
    let after = scan(&author.disk).expect("scan");
    author.ledger.check(&after).expect("as before");
}

#[test]
fn a_sealed_log_reports_damage_to_its_last_record_too() {
    let mut author = Author::after(2, &[Move::Append(100), Move::Append(5000)]);
    author
        .log
        .take()
        .expect("open")
        .seal(b"all of it")
        .expect("seal");
    let sealed = scan(&author.disk).expect("scan");
    assert_eq!(sealed.seal.as_deref(), Some(&b"all of it"[..]));
    let name = &segments(&author.disk)[0];
    for offset in (2 * BLOCK..4 * BLOCK).step_by(7) {
        author.disk.flip(name, offset, 3);
        assert_reported(scan(&author.disk), name, offset);
        author.disk.flip(name, offset, 3);
    }
}

#[test]
fn damage_that_reaches_into_the_last_record_is_reported_by_its_head() {
    let author = Author::after(2, &[Move::Append(100), Move::Append(5000)]);
    let name = &segments(&author.disk)[0];
    author.disk.flip(name, BLOCK + 8, 0);
    author.disk.flip(name, 3 * BLOCK + 100, 0);
    assert_reported(scan(&author.disk), name, BLOCK);
}

#[test]
fn a_damaged_seal_reads_as_no_seal_and_costs_no_record() {
    let mut author = Author::after(2, &[Move::Append(100), Move::Append(5000)]);
    author
        .log
        .take()
        .expect("open")
        .seal(b"all of it")
        .expect("seal");
    author
        .disk
        .flip(&segments(&author.disk)[0], 4 * BLOCK + 50, 0);
    let scan = scan(&author.disk).expect("scan");
    assert_eq!((scan.seal, scan.torn_tail), (None, true));
    assert_eq!(scan.last.0, 2);
}

#[test]
fn a_flipped_bit_anywhere_never_changes_what_is_read() {
    let author = Author::after(3, THREE_SEGMENTS);
    let mut random = SplitMix64::new(3);
    for _ in 0..2000 {
        let disk = &author.disk;
        let names = disk.names();
        let name = &names[random.below(names.len() as u64) as usize];
        let offset = random.below(OPTIONS.segment_bytes) as usize;
        let bit = random.below(8) as u8;
        disk.flip(name, offset, bit);
        read_is_right_or_short_by_one(scan(disk), &author.ledger);
        disk.flip(name, offset, bit);
    }
}

/// The last record alone may be missing, and only that.
fn read_is_right_or_short_by_one(outcome: Result<Scan, OpenError>, ledger: &Ledger) {
    let mut short = ledger.clone();
    short.unknown = short.records.pop();
    match outcome {
        Ok(scan) => short.check(&scan).expect("what is read is right"),
        Err(OpenError::Corrupt { .. }) => {}
        Err(error) => panic!("expected corruption: {error}"),
    }
}

#[test]
fn zeroed_stale_and_misdirected_blocks_are_reported() {
    let author = Author::after(4, THREE_SEGMENTS);
    let disk = author.disk.clone();
    let names = segments(&disk);
    for name in &names {
        for other in &names {
            for block in 0..OPTIONS.segment_bytes as usize / BLOCK {
                let here = block * BLOCK..(block + 1) * BLOCK;
                let whole = disk.bytes(name).expect("a segment");
                let misdirected = disk.bytes(other).expect("a segment")[BLOCK..2 * BLOCK].to_vec();
                for wrong in [vec![0; BLOCK], misdirected] {
                    disk.damage(name, |bytes| bytes[here.clone()].copy_from_slice(&wrong));
                    read_is_right_or_short_by_one(scan(&disk), &author.ledger);
                }
                disk.damage(name, |bytes| *bytes = whole);
            }
        }
    }
}

#[test]
fn a_record_that_follows_another_history_is_reported() {
    // The same salt and the same numbers; the second records differ, so the third ones do not
    // follow the same chain, although their checksums fit. A lost write looks like this.
    let [here, there] = [200, 201].map(|length| {
        let script = [Move::Append(100), Move::Append(length), Move::Append(300)];
        Author::after(10, &script).disk
    });
    let name = &segments(&here)[0];
    let foreign = there.bytes(name).expect("a segment");
    let third = 3 * BLOCK..4 * BLOCK;
    here.damage(name, |bytes| {
        bytes[third.clone()].copy_from_slice(&foreign[third.clone()])
    });
    assert_reported(scan(&here), name, third.start);
}

#[test]
fn a_missing_segment_is_reported_wherever_it_was() {
    for at in 0..3 {
        let disk = Author::after(5, THREE_SEGMENTS).disk;
        let name = &segments(&disk)[at];
        disk.lose(name);
        let outcome = scan(&disk);
        assert!(
            matches!(outcome, Err(OpenError::Corrupt { .. })),
            "{name}: {outcome:?}"
        );
    }
}

#[test]
fn a_log_without_its_segments_is_corrupt_and_not_missing() {
    let disk = Author::after(5, THREE_SEGMENTS).disk;
    for name in segments(&disk) {
        disk.lose(&name);
    }
    assert!(!disk.names().is_empty(), "the spares are there");
    assert!(matches!(scan(&disk), Err(OpenError::Corrupt { .. })));
    let created = Log::create(disk, OPTIONS, STORE, 1);
    assert!(matches!(created, Err(OpenError::Exists { .. })));
}

#[test]
fn a_segment_cut_short_is_reported_with_its_length() {
    for at in 0..3 {
        let disk = Author::after(6, THREE_SEGMENTS).disk;
        let name = &segments(&disk)[at];
        for length in [0, 100, BLOCK, 3 * BLOCK, OPTIONS.segment_bytes as usize - 1] {
            let whole = disk.bytes(name).expect("a segment");
            disk.damage(name, |bytes| bytes.truncate(length));
            assert_reported(scan(&disk), name, length);
            disk.damage(name, |bytes| *bytes = whole);
        }
    }
}

#[test]
fn segments_in_each_others_place_are_reported() {
    let disk = Author::after(7, THREE_SEGMENTS).disk;
    let names = segments(&disk);
    let (first, second) = (disk.bytes(&names[0]), disk.bytes(&names[1]));
    disk.damage(&names[0], |bytes| *bytes = second.expect("a segment"));
    disk.damage(&names[1], |bytes| *bytes = first.expect("a segment"));
    assert_reported(scan(&disk), &names[0], 0);
}

#[test]
fn a_segment_of_another_store_is_reported() {
    let disk = Author::after(8, THREE_SEGMENTS).disk;
    let other = SimDisk::new(8);
    drop(Log::create(other.clone(), OPTIONS, StoreId([7; 16]), 8));
    let names = segments(&disk);
    let foreign = other.bytes(&segments(&other)[0]).expect("a segment");
    disk.damage(&names[0], |bytes| *bytes = foreign);
    let outcome = scan(&disk);
    assert!(
        matches!(outcome, Err(OpenError::Corrupt { .. })),
        "{outcome:?}"
    );
}

#[test]
fn damage_refuses_to_be_taken_over_by_an_older_opening() {
    // The opening is cut after it counts and before the old files are let go: both are there.
    let mut author = Author::after(9, &[Move::Append(100), Move::Append(200)]);
    let old = segments(&author.disk)[0].clone();
    let old_bytes = author.disk.bytes(&old).expect("a segment");
    author.reopen().expect("open");
    author.append(300).expect("append");
    author.append(400).expect("append");
    let spare = author
        .disk
        .names()
        .into_iter()
        .find(|name| name.ends_with(".spare"));
    author
        .disk
        .damage(&spare.clone().expect("a spare"), |bytes| *bytes = old_bytes);
    stepwell_commit_log::Disk::rename(&mut author.disk, &spare.expect("a spare"), &old)
        .expect("put the old segment back");
    author
        .ledger
        .check(&scan(&author.disk).expect("scan"))
        .expect("the newer one counts");
    let new = segments(&author.disk)[1].clone();
    for offset in [10, BLOCK + 10, 2 * BLOCK + 10, 3 * BLOCK + 10] {
        author.disk.flip(&new, offset, 0);
        assert_reported(scan(&author.disk), &new, offset);
        author.disk.flip(&new, offset, 0);
    }
}
