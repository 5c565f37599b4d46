//! A full or read-only disk: nothing is acknowledged falsely, and what must get through does.

use super::author::{Author, Move, OPTIONS, STORE};
use stepwell_commit_log::{AppendError, Durable, Log, OpenError};
use stepwell_testkit::disk::SimDisk;

/// Appends until the disk is full.
fn fill(author: &mut Author) {
    author.disk.set_free_bytes(0);
    for _ in 0..1000 {
        match author.append(9000) {
            Ok(()) => {}
            Err(error @ AppendError::Full { .. }) => {
                assert_eq!(error.durable(), Durable::No);
                return;
            }
            Err(other) => panic!("expected a full disk: {other}"),
        }
    }
    panic!("the disk never became full");
}

#[test]
fn a_full_disk_leaves_the_log_usable_and_a_checkpoint_makes_room() {
    let mut author = Author::after(1, &[Move::Append(100)]);
    fill(&mut author);
    // A small one still fits into the segment.
    author.append(1000).expect("append what fits");
    author.append(9000).expect_err("still full");
    author
        .checkpoint(0)
        .expect("a checkpoint may use the reserve");
    author.append(9000).expect("append after the checkpoint");
    author.disk = author.disk.crash(1);
    author.reopen().expect("open on a full disk");
}

#[test]
fn the_reserve_lets_through_what_has_to() {
    let mut author = Author::after(2, &[Move::Append(100)]);
    fill(&mut author);
    let record = super::author::content(author.ledger.records.len() as u64 + 1, 9000);
    let log = author.log.as_mut().expect("open");
    log.append_reserved(&[&record]).expect("use the reserve");
    author.ledger.records.push(record);
    assert_eq!(author.log.as_ref().expect("open").spares(), 0);
    author
        .log
        .take()
        .expect("open")
        .seal(b"full")
        .expect("seal");
    let mut disk = author.disk.crash(2);
    let scan = Log::scan(&mut disk, &OPTIONS).expect("a full disk can be read");
    author.ledger.check(&scan).expect("all is there");
    assert_eq!(scan.seal.as_deref(), Some(&b"full"[..]));
    // No spare is left to write the tail into.
    let opened = Log::take_over(disk.clone(), OPTIONS, &scan, 2);
    assert!(matches!(opened, Err(OpenError::Full { .. })), "{opened:?}");
    disk = disk.crash(3);
    disk.set_free_bytes(1 << 20);
    author.disk = disk;
    author.reopen().expect("open once space is back");
    author.append(9000).expect("append once space is back");
}

#[test]
fn an_opening_on_a_full_disk_works_from_the_spares() {
    let mut author = Author::after(3, &[Move::Append(100), Move::Append(200)]);
    author.disk.set_free_bytes(0);
    author.reopen().expect("open");
    author.append(300).expect("append");
}

#[test]
fn a_creation_on_a_full_disk_leaves_nothing_behind() {
    for free in [0, 1000, OPTIONS.segment_bytes - 1] {
        let disk = SimDisk::new(4);
        disk.set_free_bytes(free);
        let created = Log::create(disk.clone(), OPTIONS, STORE, 4);
        assert!(
            matches!(created, Err(OpenError::Full { .. })),
            "{created:?}"
        );
        assert_eq!(disk.names(), Vec::<String>::new());
    }
}

#[test]
fn a_log_is_created_where_nothing_but_its_segment_fits() {
    let disk = SimDisk::new(5);
    disk.set_free_bytes(OPTIONS.segment_bytes);
    let mut log = Log::create(disk, OPTIONS, STORE, 5).expect("create");
    log.append(&[b"small"]).expect("append");
    assert_eq!(log.spares(), 0);
}

#[test]
fn a_read_only_disk_can_be_scanned_and_not_taken_over() {
    let author = Author::after(6, &[Move::Append(100)]);
    author.disk.set_read_only(true);
    let scan = Log::scan(&mut author.disk.clone(), &OPTIONS).expect("scan");
    author.ledger.check(&scan).expect("all is there");
    let opened = Log::take_over(author.disk.clone(), OPTIONS, scan, 6);
    assert!(
        matches!(opened, Err(OpenError::ReadOnly { .. })),
        "{opened:?}"
    );
}

#[test]
fn space_is_given_back_after_a_busy_time() {
    let mut author = Author::after(7, &[]);
    for _ in 0..100 {
        author.append(9000).expect("append");
    }
    let busy = author.disk.names().len();
    author.checkpoint(0).expect("checkpoint");
    let quiet = author.disk.names().len();
    assert!(busy > 40 && quiet < 12, "{busy} files, then {quiet}");
}
