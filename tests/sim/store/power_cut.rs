//! Power cuts, kills and failing operations at every point of a store's life.

use std::io::ErrorKind;

use stepwell_store_sled::{OpenError, Options};
use stepwell_testkit::disk::Fault;

use super::life::{Life, Move, drawn, large_segments, small_segments};
use super::table::TableFault;

/// Every kind of move, in a life short enough to be cut at every operation.
const SHORT: &[Move] = &[
    Move::Start,
    Move::Write,
    Move::Step(0, 40),
    Move::StartMany(2),
    Move::Wait(2),
    Move::Write,
    Move::Settle,
    Move::Step(0, 5_000),
    Move::Step(0, 300),
    Move::Wait(1),
    Move::Write,
    Move::Checkpoint,
    Move::Wait(1),
    Move::Step(1, 9_000),
    Move::Write,
    Move::Settle,
    Move::Settle,
    Move::Step(2, 9_000),
    Move::Write,
    Move::Checkpoint,
    Move::Step(1, 9_000),
    Move::Write,
    Move::Settle,
    Move::Settle,
    Move::Step(0, 9_000),
    Move::Write,
    Move::Checkpoint,
    Move::Write,
    Move::Wait(1),
    Move::End(2),
    Move::Step(0, 40),
    Move::Write,
    Move::End(1),
    Move::Step(0, 40),
];

/// A commit that settles in several batches, between small ones.
const LARGE: &[Move] = &[
    Move::Start,
    Move::Step(0, 40),
    Move::Write,
    Move::Step(0, 700_000),
    Move::Write,
    Move::Step(0, 40),
    Move::Write,
    Move::StartMany(400),
    Move::Wait(7),
    Move::Write,
    Move::Settle,
    Move::Settle,
    Move::Checkpoint,
    Move::Settle,
    Move::Settle,
    Move::Step(0, 40),
    Move::Write,
];

/// How a machine stops.
#[derive(Debug, Clone, Copy)]
enum End {
    PowerCut,
    Kill,
    KillThenPowerCut,
}

const ENDS: [End; 3] = [End::PowerCut, End::Kill, End::KillThenPowerCut];

/// Stops the life by `end`, opens, checks, acts, has the power cut, and checks again.
fn goes_on(mut life: Life, end: End, seed: u64) -> Result<(), String> {
    match end {
        End::PowerCut => life.cut_power(seed),
        End::Kill => life.kill(),
        End::KillThenPowerCut => {
            life.kill();
            // Opened on what only the page cache may have, and acted upon.
            reopen(&mut life)?;
            act(&mut life)?;
            life.cut_power(seed);
        }
    }
    reopen(&mut life)?;
    act(&mut life)?;
    life.cut_power(seed.wrapping_add(1));
    reopen(&mut life)
}

fn reopen(life: &mut Life) -> Result<(), String> {
    life.open().map_err(|error| error.to_string())?;
    life.check()
}

fn act(life: &mut Life) -> Result<(), String> {
    let moves = [Move::Start, Move::Step(0, 40), Move::Write, Move::Settle];
    let played = life.play(&moves) && life.finish();
    played
        .then_some(())
        .ok_or_else(|| "store failed".to_owned())
}

/// A life with a fault of the disk, up to where it stops.
fn with_disk_fault(options: &Options, moves: &[Move], at: u64, fault: Fault) -> Life {
    let mut life = Life::new(options.clone(), at);
    life.disk.fail_at(at, fault);
    if let Ok(()) = opened(&mut life) {
        life.play(moves);
    }
    life.disk.heal();
    life
}

fn with_table_fault(options: &Options, moves: &[Move], at: u64, fault: TableFault) -> Life {
    let mut life = Life::new(options.clone(), at);
    life.table.fail_at(at, fault);
    if let Ok(()) = opened(&mut life) {
        life.play(moves);
    }
    life
}

/// Opening under a fault may fail, but never as damage.
fn opened(life: &mut Life) -> Result<(), OpenError> {
    let opened = life.open();
    assert!(
        !matches!(opened, Err(OpenError::Corrupt { .. })),
        "{opened:?}"
    );
    opened
}

fn operations(options: &Options, moves: &[Move]) -> (u64, u64) {
    let mut life = Life::new(options.clone(), 0);
    life.open().unwrap();
    assert!(life.play(moves));
    life.check_after_drain();
    (life.disk.operations(), life.table.operations())
}

impl Life {
    fn check_after_drain(&mut self) {
        self.core().drain();
        self.play(&[]);
        self.check().unwrap();
    }
}

#[test]
fn a_machine_stopped_at_any_disk_operation_keeps_what_was_acknowledged() {
    let options = small_segments();
    let (disk, _) = operations(&options, SHORT);
    assert!(disk > 50, "the life is too short to mean anything: {disk}");
    for at in 1..=disk {
        for end in ENDS {
            for seed in 0..3 {
                let life = with_disk_fault(&options, SHORT, at, Fault::Stop);
                let kept = goes_on(life, end, seed);
                assert_eq!(kept, Ok(()), "operation {at}, {end:?}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_machine_stopped_at_any_table_operation_keeps_what_was_acknowledged() {
    for (options, moves) in [(small_segments(), SHORT), (large_segments(), LARGE)] {
        let (_, table) = operations(&options, moves);
        for at in 1..=table {
            for end in ENDS {
                let life = with_table_fault(&options, moves, at, TableFault::Stop);
                let kept = goes_on(life, end, at);
                assert_eq!(kept, Ok(()), "operation {at}, {end:?}");
            }
        }
    }
}

#[test]
fn a_failing_disk_operation_loses_nothing_that_was_acknowledged() {
    let options = small_segments();
    let (disk, _) = operations(&options, SHORT);
    for at in 1..=disk {
        let kinds = [ErrorKind::Other, ErrorKind::StorageFull];
        for kind in kinds {
            for fault in [Fault::Once(kind), Fault::ForEver(kind)] {
                let life = with_disk_fault(&options, SHORT, at, fault);
                let kept = goes_on(life, End::PowerCut, at);
                assert_eq!(kept, Ok(()), "operation {at}, {fault:?}");
            }
        }
    }
}

#[test]
fn a_failing_table_operation_loses_nothing_that_was_acknowledged() {
    for (options, moves) in [(small_segments(), SHORT), (large_segments(), LARGE)] {
        let (_, table) = operations(&options, moves);
        for at in 1..=table {
            for fault in [TableFault::Once, TableFault::ForEver] {
                let life = with_table_fault(&options, moves, at, fault);
                let kept = goes_on(life, End::PowerCut, at);
                assert_eq!(kept, Ok(()), "operation {at}, {fault:?}");
            }
        }
    }
}

#[test]
fn a_failing_disk_operation_during_reopening_leaves_a_store_that_opens() {
    let options = small_segments();
    let mut life = Life::new(options, 1);
    life.open().unwrap();
    assert!(life.play(SHORT) && life.finish());
    life.kill();
    let (disk, table, ledger) = (life.disk.clone(), life.table.clone(), life.ledger.clone());
    life.open().unwrap();
    let operations = life.disk.operations();
    for at in 1..=operations {
        for fault in [Fault::Stop, Fault::ForEver(ErrorKind::Other)] {
            let mut life = Life::new(small_segments(), at);
            (life.disk, life.table) = (disk.kill(), table.kill());
            life.ledger = ledger.clone();
            life.disk.fail_at(at, fault);
            if opened(&mut life).is_ok() {
                // Only what is read for nobody's sake may fail unseen.
                assert_eq!(life.check(), Ok(()));
            }
            life.disk.heal();
            let kept = goes_on(life, End::PowerCut, at);
            assert_eq!(kept, Ok(()), "operation {at}, {fault:?}");
        }
    }
}

#[test]
fn drawn_lives_survive_power_cuts_and_kills_over_many_openings() {
    for seed in 0..150 {
        let mut life = Life::new(small_segments(), seed);
        for opening in 0..4 {
            life.open().unwrap();
            let kept = life.check();
            assert_eq!(kept, Ok(()), "seed {seed}, opening {opening}");
            assert!(life.play(&drawn(seed * 10 + opening, 60)));
            match (seed + opening) % 3 {
                0 => life.cut_power(seed),
                1 => life.kill(),
                _ => {
                    life.close().unwrap();
                    life.cut_power(seed);
                }
            }
        }
        life.open().unwrap();
        assert_eq!(life.check(), Ok(()), "seed {seed}");
    }
}

#[test]
fn no_value_and_no_batch_outgrows_its_bound() {
    let mut life = Life::new(large_segments(), 1);
    life.open().unwrap();
    assert!(life.play(LARGE) && life.finish());
    life.core().drain();
    let (batch, value) = life.table.largest();
    assert!(batch <= 256 * 1024, "{batch}");
    assert!(batch > 128 * 1024, "{batch}");
    assert!(value <= 4096, "{value}");
}

#[test]
fn a_log_that_does_not_sync_is_caught_losing_what_it_acknowledged() {
    let mut caught = 0;
    for seed in 0..40 {
        let mut life = Life::new(small_segments(), seed);
        life.disk.ignore_byte_syncs();
        life.open().unwrap();
        life.play(&drawn(seed, 60));
        life.cut_power(seed);
        let reopened = reopen(&mut life);
        caught += u64::from(reopened.is_err());
    }
    assert!(caught > 20, "only {caught} of 40 power cuts were noticed");
}

#[test]
fn a_barrier_that_does_not_sync_is_caught_as_corruption() {
    let (mut lost, mut intact) = (0, 0);
    for seed in 0..60 {
        let mut life = Life::new(small_segments(), seed);
        life.table.ignore_barriers();
        life.open().unwrap();
        assert!(life.play(&drawn(seed, 60)));
        life.cut_power(seed);
        match life.open() {
            Err(OpenError::Corrupt { file, what, .. }) => {
                assert_eq!(file, "gen-1");
                assert!(what.contains("settled"), "{what}");
                lost += 1;
            }
            Err(error) => panic!("seed {seed}: {error}"),
            Ok(()) => {
                // The suffix lost lay behind the checkpoint: the log has it.
                assert_eq!(life.check(), Ok(()), "seed {seed}");
                intact += 1;
            }
        }
    }
    assert!(
        lost > 20,
        "only {lost} of 60 were noticed, {intact} were intact"
    );
}

#[test]
fn a_log_that_lost_what_the_table_holds_is_corruption() {
    let mut caught = 0;
    for seed in 0..20 {
        let mut life = Life::new(small_segments(), seed);
        life.disk.ignore_byte_syncs();
        life.open().unwrap();
        life.play(&[Move::Start, Move::Write, Move::Step(0, 40), Move::Write]);
        life.play(&[Move::Settle, Move::Settle]);
        // The disk loses what it was not made to keep; the table happens to keep everything.
        let table = life.table.kill();
        life.cut_power(seed);
        life.table = table;
        match life.open() {
            Err(OpenError::Corrupt { .. }) => caught += 1,
            Err(error) => panic!("seed {seed}: {error}"),
            Ok(()) => assert_eq!(life.check(), Ok(()), "seed {seed}"),
        }
    }
    assert!(caught > 5, "only {caught} of 20 were noticed");
}
