//! The opening that rewrites: cut anywhere, cut again while it is made good, it shows the same.

use super::author::{Author, Move, OPTIONS};
use stepwell_commit_log::{Log, Scan};
use stepwell_testkit::disk::{Fault, SimDisk, SplitMix64};

/// A tail of several segments, with spares and recycled segments beside it.
const LONG_TAIL: &[Move] = &[
    Move::Append(9000),
    Move::Append(9000),
    Move::Append(9000),
    Move::Append(9000),
    Move::Checkpoint(1),
    Move::Append(9000),
    Move::Append(18_000),
    Move::Append(50),
    Move::Append(9000),
    Move::Append(9000),
    Move::Append(50),
];

fn scan(disk: &SimDisk) -> Scan {
    Log::scan(&mut disk.kill(), &OPTIONS).expect("scan")
}

/// Tries to open, up to the operation where the disk stops.
fn open_until(disk: &SimDisk, at: u64, salt: u64) -> SimDisk {
    let mut disk = disk.kill();
    disk.fail_at(at, Fault::Stop);
    if let Ok(scan) = Log::scan(&mut disk, &OPTIONS) {
        // Whether it returns depends on where it is cut.
        drop(Log::take_over(disk.clone(), OPTIONS, scan, salt));
    }
    disk
}

fn operations_of_opening(disk: &SimDisk) -> u64 {
    open_until(disk, u64::MAX, 1).operations()
}

fn assert_same(before: &Scan, disk: &SimDisk, what: &str) {
    let after = scan(disk);
    assert_eq!(before.tail, after.tail, "{what}");
    assert_eq!(before.checkpoint, after.checkpoint, "{what}");
    assert_eq!(before.last, after.last, "{what}");
    assert!(before.opening <= after.opening, "{what}");
}

#[test]
fn an_opening_cut_at_every_operation_leaves_the_same_records() {
    let base = Author::after(3, LONG_TAIL).disk;
    let before = scan(&base);
    assert!(before.segments.len() > 3 && before.tail.len() == 7);
    for at in 1..=operations_of_opening(&base) {
        let cut = open_until(&base, at, at);
        assert_same(&before, &cut.kill(), "killed");
        for seed in 0..20 {
            assert_same(&before, &cut.crash(seed), "cut");
        }
    }
}

#[test]
fn an_opening_cut_while_an_earlier_cut_is_made_good_leaves_the_same_records() {
    let base = Author::after(4, LONG_TAIL).disk;
    let before = scan(&base);
    let mut random = SplitMix64::new(4);
    for first in 1..=operations_of_opening(&base) {
        let cut = open_until(&base, first, random.draw());
        // After a power cut, and after a kill that leaves bytes which are not durable.
        for again in [cut.crash(random.draw()), cut.kill()] {
            let operations = operations_of_opening(&again);
            for _ in 0..5 {
                let second = 1 + random.below(operations);
                let cut = open_until(&again, second, random.draw());
                assert_same(&before, &cut.crash(random.draw()), "cut twice");
            }
        }
    }
}

#[test]
fn what_a_kill_left_unsynced_is_durable_once_the_opening_returns() {
    for seed in 0..100 {
        let mut author = Author::after(seed, &[Move::Append(100)]);
        // The write of the second record is done, its sync is not.
        author
            .disk
            .fail_at(author.disk.operations() + 2, Fault::Stop);
        author.append(9000).expect_err("the sync is cut");
        let mut disk = author.disk.kill();
        let seen = Log::scan(&mut disk, &OPTIONS).expect("scan");
        assert_eq!(seen.last.0, 2, "a kill keeps what was written");
        drop(Log::take_over(disk.clone(), OPTIONS, &seen, seed).expect("open"));
        assert_same(&seen, &disk.crash(seed), "after the power cut");
    }
}

#[test]
fn what_a_failed_sync_forgot_is_durable_once_the_opening_returns() {
    for seed in 0..100 {
        let mut author = Author::after(seed, &[Move::Append(100)]);
        let sync = author.disk.operations() + 2;
        let fault = Fault::Once(std::io::ErrorKind::Other);
        author.disk.fail_at(sync, fault);
        author.append(9000).expect_err("the sync fails");
        let mut disk = author.disk.clone();
        let seen = Log::scan(&mut disk, &OPTIONS).expect("scan");
        assert_eq!(seen.last.0, 2, "the page cache shows what was written");
        drop(Log::take_over(disk.clone(), OPTIONS, &seen, seed).expect("open"));
        assert_same(&seen, &disk.crash(seed), "after the power cut");
    }
}

#[test]
fn openings_only_grow_even_when_they_are_cut() {
    let mut disk = Author::after(5, &[Move::Append(100)]).disk;
    let mut returned = 0;
    let mut random = SplitMix64::new(5);
    for _ in 0..200 {
        let operations = operations_of_opening(&disk);
        disk = open_until(&disk, 1 + random.below(operations), random.draw());
        disk = disk.crash(random.draw());
        let seen = scan(&disk);
        let log = Log::take_over(disk.clone(), OPTIONS, &seen, random.draw()).expect("open");
        assert!(log.opening() > returned);
        returned = log.opening();
    }
}

#[test]
fn reopening_again_and_again_does_not_fill_the_directory() {
    let mut author = Author::after(6, LONG_TAIL);
    for _ in 0..50 {
        author.reopen().expect("open");
        author.append(9000).expect("append");
        author.checkpoint(3).expect("checkpoint");
    }
    let files = author.disk.names().len();
    assert!(files < 16, "{files} files: {:?}", author.disk.names());
}
