//! What a caller sees: numbers, limits, counters, recycling.

use super::author::{Author, Move, OPTIONS, STORE, content};
use stepwell_commit_log::{AppendError, Log, LogOptions, OpenError, RecordNumber};
use stepwell_testkit::disk::SimDisk;

#[test]
fn a_record_costs_one_write_and_one_sync() {
    let mut log = Log::create(SimDisk::new(1), OPTIONS, STORE, 1).expect("create");
    for length in [0, 1, 4056, 4057] {
        let before = log.counters();
        log.append(&[&content(1, length)]).expect("append");
        let after = log.counters();
        assert_eq!(after.writes - before.writes, 1);
        assert_eq!(after.syncs - before.syncs, 1);
        assert_eq!(after.dir_syncs, before.dir_syncs);
        assert_eq!(after.bytes_appended - before.bytes_appended, length as u64);
    }
}

#[test]
fn a_log_in_steady_use_recycles_its_segments() {
    let mut author = Author::after(2, &[]);
    for _ in 0..30 {
        author.append(9000).expect("append");
        author.checkpoint(0).expect("checkpoint");
    }
    let made = author
        .log
        .as_ref()
        .expect("open")
        .counters()
        .segments_created;
    for _ in 0..100 {
        author.append(9000).expect("append");
        author.checkpoint(0).expect("checkpoint");
    }
    let log = author.log.as_ref().expect("open");
    assert_eq!(log.counters().segments_created, made);
    assert!(log.segments().len() <= 2, "{:?}", log.segments());
}

#[test]
fn stale_records_of_a_recycled_segment_are_never_read() {
    // All records are of one size, so the stale ones lie exactly where the next one would go.
    let mut author = Author::after(3, &[]);
    for round in 0..60 {
        author.append(100).expect("append");
        if round % 4 == 3 {
            author.checkpoint(1).expect("checkpoint");
        }
        let scan = Log::scan(&mut author.disk.crash(round), &OPTIONS).expect("scan");
        author.ledger.check(&scan).expect("no more and no less");
        assert!(!scan.torn_tail);
    }
}

#[test]
fn stale_records_of_an_earlier_opening_are_never_read() {
    let mut author = Author::after(4, &[]);
    for _ in 0..20 {
        for _ in 0..7 {
            author.append(100).expect("append");
        }
        author.checkpoint(0).expect("checkpoint");
        author.reopen().expect("open");
    }
}

#[test]
fn numbers_go_on_across_openings_and_checkpoints() {
    let script = [
        Move::Append(1),
        Move::Checkpoint(0),
        Move::Reopen,
        Move::Append(2),
    ];
    let mut author = Author::after(5, &script);
    author.reopen().expect("open");
    let log = author.log.as_mut().expect("open");
    assert_eq!(
        (log.last(), log.settled()),
        (RecordNumber(2), RecordNumber(1))
    );
    assert_eq!(log.opening(), 3);
    assert_eq!(log.append(&[b"third"]).expect("append"), RecordNumber(3));
}

#[test]
fn a_record_beyond_the_limit_is_refused_and_changes_nothing() {
    let mut author = Author::after(6, &[Move::Append(100)]);
    let changes = author.disk.changes();
    let log = author.log.as_mut().expect("open");
    let refused = log.append(&[&vec![0; 20 << 10], b"x"]);
    assert!(matches!(
        refused,
        Err(AppendError::TooLarge {
            bytes: 20_481,
            limit: 20_480
        })
    ));
    let refused = log.checkpoint(RecordNumber(1), &vec![0; 70 << 10]);
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })));
    assert_eq!(changes, author.disk.changes());
    author
        .append(20 << 10)
        .expect("append as much as is allowed");
}

#[test]
fn a_checkpoint_neither_goes_back_nor_ahead() {
    let mut author = Author::after(7, &[Move::Append(1), Move::Append(1), Move::Checkpoint(1)]);
    let log = author.log.as_mut().expect("open");
    for settled in [0, 3] {
        let refused = log.checkpoint(RecordNumber(settled), b"");
        assert!(matches!(
            refused,
            Err(AppendError::SettledOutOfRange { .. })
        ));
    }
    author.checkpoint(1).expect("the same number again");
    author.checkpoint(0).expect("the last number");
}

#[test]
fn a_log_is_not_created_twice() {
    let author = Author::after(8, &[]);
    let again = Log::create(author.disk.clone(), OPTIONS, STORE, 8);
    assert!(matches!(again, Err(OpenError::Exists { .. })));
}

#[test]
fn an_empty_directory_holds_no_log() {
    let outcome = Log::scan(&mut SimDisk::new(9), &OPTIONS);
    assert!(matches!(outcome, Err(OpenError::Missing)));
}

#[test]
fn other_segment_sizes_read_what_the_earlier_ones_wrote() {
    let author = Author::after(
        10,
        &[Move::Append(9000), Move::Append(9000), Move::Append(9000)],
    );
    let mut disk = author.disk.clone();
    for (segment_bytes, max_record_bytes) in [(20 << 10, 9000), (64 << 10, 9000), (1 << 20, 1)] {
        let options = LogOptions {
            segment_bytes,
            max_record_bytes,
        };
        let scan = Log::scan(&mut disk, &options).expect("scan");
        author.ledger.check(&scan).expect("all is there");
        drop(Log::take_over(disk.clone(), options, scan, segment_bytes).expect("open"));
    }
    let options = LogOptions {
        segment_bytes: 16 << 10,
        max_record_bytes: 1000,
    };
    let scan = Log::scan(&mut disk, &options).expect("scan");
    let refused = Log::take_over(disk, options, scan, 1);
    assert!(
        matches!(refused, Err(OpenError::Options { .. })),
        "{refused:?}"
    );
}
