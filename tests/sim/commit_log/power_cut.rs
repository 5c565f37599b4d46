//! Crashes and failing operations at every point of a log's life.

use super::author::{Author, Ledger, Move, OPTIONS, Stopped};
use std::io::ErrorKind;
use stepwell_commit_log::{Log, OpenError};
use stepwell_testkit::disk::{Fault, SimDisk, SplitMix64};

/// Many rollovers, records of every size, checkpoints that recycle, and two reopenings.
const LIFE: &[Move] = &[
    Move::Append(10),
    Move::Append(4056),
    Move::Append(4057),
    Move::Append(9000),
    Move::Append(0),
    Move::Append(20 << 10),
    Move::Append(3000),
    Move::Checkpoint(2),
    Move::Append(12_000),
    Move::Append(300),
    Move::Append(300),
    Move::Reopen,
    Move::Append(300),
    Move::Append(16_000),
    Move::Checkpoint(0),
    Move::Append(300),
    Move::Append(8000),
    Move::Append(300),
    Move::Append(12_000),
    Move::Checkpoint(1),
    Move::Append(5000),
    Move::Seal,
    Move::Append(300),
    Move::Append(300),
];

/// How many operations the whole life takes.
fn operations() -> u64 {
    Author::after(0, LIFE).disk.operations()
}

/// Lives with a fault at one operation, up to the error it causes.
fn live(at: u64, fault: Fault) -> Author {
    let mut author = Author::new(SimDisk::new(at), at);
    author.disk.fail_at(at, fault);
    match author.play(LIFE) {
        Ok(()) => assert_ne!(fault, Fault::Stop, "nothing failed at {at}"),
        Err(stopped) => stopped.refuse_corruption(),
    }
    author.log = None;
    author
}

/// Opens, writes, and has the power cut: what was acknowledged after the opening, and what the
/// opening showed, is there.
fn opens_and_keeps(disk: &SimDisk, ledger: &Ledger, seed: u64) {
    let mut author = Author::going_on(disk.clone(), ledger.clone(), seed);
    author.reopen().expect("open after the fault");
    author.append(700).expect("append after the fault");
    author.log = None;
    author.disk = author.disk.crash(seed);
    author.reopen().expect("open after the power cut");
    author.append(700).expect("append after the power cut");
}

#[test]
fn every_acknowledged_record_survives_a_power_cut_at_every_operation() {
    for at in 1..=operations() {
        let author = live(at, Fault::Stop);
        for seed in 0..4 {
            opens_and_keeps(&author.disk.crash(seed), &author.ledger, at * 100 + seed);
        }
    }
}

#[test]
fn what_is_acknowledged_after_a_kill_and_a_reopening_survives_a_power_cut() {
    for at in 1..=operations() {
        let author = live(at, Fault::Stop);
        for seed in 0..2 {
            opens_and_keeps(&author.disk.kill(), &author.ledger, at * 100 + seed);
        }
    }
}

#[test]
fn a_power_cut_during_the_opening_that_follows_a_kill_loses_nothing() {
    let mut random = SplitMix64::new(1);
    for at in 1..=operations() {
        let author = live(at, Fault::Stop);
        for _ in 0..3 {
            let seed = random.draw();
            let disk = author.disk.kill();
            let mut opening = Author::going_on(disk.clone(), author.ledger.clone(), seed);
            disk.fail_at(1 + random.below(40), Fault::Stop);
            if let Err(error) = opening.reopen() {
                Stopped::Open(error).refuse_corruption();
            }
            opens_and_keeps(&disk.crash(seed), &opening.ledger, random.draw());
        }
    }
}

#[test]
fn an_error_at_any_operation_loses_nothing_and_the_next_opening_repairs_it() {
    for at in 1..=operations() {
        let faults = [
            Fault::Once(ErrorKind::Other),
            Fault::ForEver(ErrorKind::Other),
            Fault::Once(ErrorKind::StorageFull),
            Fault::ForEver(ErrorKind::StorageFull),
        ];
        for (seed, fault) in (1..).zip(faults) {
            let author = live(at, fault);
            let seed = at * 100 + seed;
            // A process that ends by itself, and a machine that goes down with it.
            let disk = if (at + seed).is_multiple_of(2) {
                author.disk.kill()
            } else {
                author.disk.crash(seed)
            };
            opens_and_keeps(&disk, &author.ledger, seed);
        }
    }
}

#[test]
fn a_torn_record_is_dropped_whole() {
    let mut torn = 0;
    for seed in 0..200 {
        let mut author = Author::after(seed, &[Move::Append(100)]);
        author
            .disk
            .fail_at(author.disk.operations() + 2, Fault::Stop);
        author.append(19_000).expect_err("the sync is cut");
        let scan = Log::scan(&mut author.disk.crash(seed), &OPTIONS).expect("scan");
        author.ledger.check(&scan).expect("whole records alone");
        torn += u32::from(scan.torn_tail);
    }
    assert!(torn > 10, "hardly any record was torn: {torn}");
}

#[test]
fn a_failed_sync_poisons_the_log_although_the_next_sync_would_succeed() {
    let mut author = Author::after(1, &[Move::Append(100)]);
    let sync = author.disk.operations() + 2;
    author.disk.fail_at(sync, Fault::Once(ErrorKind::Other));
    // The author checks that a further append is refused.
    author.append(100).expect_err("the sync fails");
    let changes = author.disk.changes();
    author.checkpoint(0).expect_err("poisoned");
    let log = author.log.take().expect("an open log");
    log.seal(b"").expect_err("poisoned");
    assert_eq!(changes, author.disk.changes(), "a poisoned log wrote");
}

#[test]
fn a_creation_that_was_cut_short_can_be_done_again() {
    let whole = Author::after(0, &[]).disk.operations();
    let (mut missing, mut there) = (0, 0);
    for at in 1..=whole {
        for seed in 0..20 {
            let author = live(at, Fault::Stop);
            let mut disk = author.disk.crash(seed);
            match Log::scan(&mut disk, &OPTIONS) {
                Err(OpenError::Missing) => missing += 1,
                Ok(scan) => {
                    assert_eq!(scan.last.0, 0);
                    there += 1;
                }
                Err(error) => panic!("cut at {at}, seed {seed}: {error}"),
            }
        }
    }
    assert!(missing > 0 && there > 0, "{missing} missing, {there} there");
}

/// How many of many power cuts lose something on a disk that `lies`.
fn losses(lies: impl Fn(&SimDisk)) -> u64 {
    let mut lost = 0;
    for seed in 0..100 {
        let mut author = Author::new(SimDisk::new(seed), seed);
        lies(&author.disk);
        author.play(LIFE).expect("a lying disk fails nothing");
        let scan = Log::scan(&mut author.disk.crash(seed), &OPTIONS);
        let kept = scan.is_ok_and(|scan| author.ledger.check(&scan).is_ok());
        lost += u64::from(!kept);
    }
    lost
}

#[test]
fn the_check_sees_what_is_lost_when_byte_syncs_do_nothing() {
    let lost = losses(SimDisk::ignore_byte_syncs);
    assert!(lost > 50, "only {lost} of 100 power cuts lost anything");
}

#[test]
fn the_check_sees_what_is_lost_when_directory_syncs_do_nothing() {
    let lost = losses(SimDisk::ignore_name_syncs);
    assert!(lost > 50, "only {lost} of 100 power cuts lost anything");
    assert_eq!(losses(|_| {}), 0);
}
