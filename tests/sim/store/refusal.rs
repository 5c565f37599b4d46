//! When tickets resolve and with what: refusals, failures, a full disk.

use std::io::ErrorKind;

use stepwell_commit_log::{Log, StoreId};
use stepwell_core::Seq;
use stepwell_store::{Commit, CommitError, Durability, Seen, Ticket};
use stepwell_store_sled::table::Table;
use stepwell_store_sled::{Core, Options, found, scan};
use stepwell_testkit::disk::{Fault, SimDisk};
use stepwell_testkit::scripts::{Script, event_id};
use stepwell_testkit::wait::peek;

use super::life::small_segments;
use super::table::{SimTable, TableFault};

/// The store over simulated disk and table.
pub(super) type SimCore = Core<SimDisk, SimTable>;

/// A store just made, and open.
pub(super) fn opened(options: &Options) -> (SimDisk, SimTable, SimCore) {
    let (disk, table) = (SimDisk::new(1), SimTable::default());
    drop(Log::create(disk.clone(), options.log, StoreId([7; 16]), 1).unwrap());
    found(&table).unwrap();
    let core = reopened(&disk, &table, options);
    (disk, table, core)
}

fn reopened(disk: &SimDisk, table: &SimTable, options: &Options) -> SimCore {
    let scan = scan(&mut disk.clone(), options).unwrap();
    Core::open(disk.clone(), &scan, table.clone(), options.clone(), 2).unwrap()
}

fn start(core: &SimCore, nth: u64) -> (Script, Commit) {
    let mut script = Script::new(nth);
    let (_, seen) = core.look_event(&event_id(nth)).unwrap();
    let commit = script.start(core.fence(), seen);
    (script, commit)
}

fn said(tickets: &mut [Ticket]) -> Vec<Option<Result<(), CommitError>>> {
    tickets.iter_mut().map(peek).collect()
}

#[test]
fn a_refusal_waits_for_the_sync_of_what_it_rests_on() {
    let (_, _, mut core) = opened(&small_segments());
    let (_, first) = start(&core, 1);
    let mut tickets = [core.commit(&first), core.commit(&first)];
    assert_eq!(said(&mut tickets), [None, None]);
    core.step_commit();
    let id = event_id(1);
    let refused = Err(CommitError::EventExists { id });
    assert_eq!(said(&mut tickets), [Some(Ok(())), Some(refused)]);
}

#[test]
fn a_refusal_that_rests_on_a_failed_sync_is_not_told() {
    let (disk, _, mut core) = opened(&small_segments());
    let (mut script, first) = start(&core, 1);
    let step = script.step(core.fence(), 10);
    disk.fail_at(disk.operations() + 2, Fault::Once(ErrorKind::Other));
    let mut tickets = [core.commit(&first), core.commit(&first), core.commit(&step)];
    core.step_commit();
    let said = said(&mut tickets);
    let durability = said.iter().map(|told| match told {
        Some(Err(error)) => error.durability(),
        told => panic!("expected a failure, got {told:?}"),
    });
    let durability: Vec<Durability> = durability.collect();
    assert_eq!(
        durability,
        [Durability::Unknown, Durability::No, Durability::Unknown]
    );
    assert!(
        matches!(said[1], Some(Err(CommitError::Failed { .. }))),
        "{said:?}"
    );
}

#[test]
fn a_failed_sync_stops_all_writing_until_reopened() {
    let options = small_segments();
    let (disk, table, mut core) = opened(&options);
    let (mut script, first) = start(&core, 1);
    let mut ticket = [core.commit(&first)];
    core.drain();
    assert_eq!(said(&mut ticket), [Some(Ok(()))]);
    disk.fail_at(disk.operations() + 2, Fault::Once(ErrorKind::Other));
    let step = core.commit(&script.step(core.fence(), 10));
    core.step_commit();
    assert!(core.failure().is_some());
    let later = core.commit(&script.step(core.fence(), 10));
    let operations = disk.operations();
    core.drain();
    core.step_checkpoint();
    core.drain();
    assert_eq!(
        disk.operations(),
        operations,
        "the failed log was touched again"
    );
    let said = said(&mut [step, later]);
    assert!(
        matches!(said[0], Some(Err(CommitError::Unknown { .. }))),
        "{said:?}"
    );
    assert!(
        matches!(said[1], Some(Err(CommitError::Failed { .. }))),
        "{said:?}"
    );
    // What was settled is still read.
    assert_eq!(core.journal(script.run()).unwrap().len(), 1);
    core.close(|_| panic!("a failed store must not be sealed"))
        .unwrap_err();
    disk.heal();
    let mut core = reopened(&disk, &table, &options);
    let there = core.journal(script.run()).unwrap().len();
    while script.entries().len() > there {
        script.forget_last();
    }
    let mut ticket = [core.commit(&script.step(core.fence(), 10))];
    core.drain();
    assert_eq!(said_one(&mut ticket), Ok(()));
}

fn said_one(ticket: &mut [Ticket; 1]) -> Result<(), CommitError> {
    peek(&mut ticket[0]).unwrap()
}

#[test]
fn a_table_that_fails_stops_all_writing() {
    let (_, table, mut core) = opened(&small_segments());
    let (mut script, first) = start(&core, 1);
    table.fail_at(table.operations() + 1, TableFault::Once);
    let mut ticket = [core.commit(&first)];
    core.drain();
    assert_eq!(
        said_one(&mut ticket),
        Ok(()),
        "what is in the log is durable"
    );
    assert!(core.failure().is_some());
    let mut later = [core.commit(&script.step(core.fence(), 10))];
    core.drain();
    assert!(matches!(
        said_one(&mut later),
        Err(CommitError::Failed { .. })
    ));
    // The answer that would rest on what is not settled is refused, not guessed.
    core.journal(script.run()).unwrap_err();
}

#[test]
fn a_full_disk_refuses_commits_until_there_is_room_and_nothing_is_half() {
    let options = small_segments();
    let (disk, _, mut core) = opened(&options);
    let (mut script, first) = start(&core, 1);
    let mut ticket = [core.commit(&first)];
    core.drain();
    assert_eq!(said_one(&mut ticket), Ok(()));
    disk.set_free_bytes(0);
    let refused = loop {
        let mut ticket = [core.commit(&script.step(core.fence(), 9_000))];
        core.drain();
        match said_one(&mut ticket) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refused, CommitError::Full);
    assert_eq!(core.failure(), None);
    script.forget_last();
    assert_eq!(core.journal(script.run()).unwrap(), script.entries());
    // A checkpoint gives segments back: the very same step is then let in.
    core.step_checkpoint();
    core.drain();
    let mut ticket = [core.commit(&script.step(core.fence(), 9_000))];
    core.drain();
    assert_eq!(said_one(&mut ticket), Ok(()));
    assert_eq!(core.journal(script.run()).unwrap(), script.entries());
}

#[test]
fn a_look_older_than_what_left_the_overlay_is_stale() {
    let options = small_segments();
    let (_, _, mut core) = opened(&options);
    let (_, old) = core
        .look_event(&event_id(1))
        .map(|look| ((), look.1))
        .unwrap();
    let mut script = Script::new(1);
    drop(core.commit(&script.start(core.fence(), old)));
    core.drain();
    for nth in 10..40 {
        let (_, commit) = start(&core, nth);
        drop(core.commit(&commit));
        core.drain();
    }
    // The overlay holds eight keys: event 1 left it, and only the age of the look tells.
    let mut again = [core.commit(&Script::new(1).start(core.fence(), old))];
    core.drain();
    assert_eq!(said_one(&mut again), Err(CommitError::Stale));
    // A run that left it is found in the table.
    let mut behind = script.clone();
    behind.forget_last();
    let mut wrong = behind.start(core.fence(), Seen::default());
    wrong.changes.clear();
    let mut wrong = [core.commit(&wrong)];
    let mut right = [core.commit(&script.step(core.fence(), 10))];
    core.drain();
    let out = CommitError::OutOfSequence {
        run: script.run(),
        expected: Seq(0),
    };
    assert_eq!(said_one(&mut wrong), Err(out));
    assert_eq!(said_one(&mut right), Ok(()));
}

#[test]
fn damage_in_the_table_names_run_and_entry_and_leaves_others_alone() {
    let (_, table, mut core) = opened(&small_segments());
    let mut scripts = Vec::new();
    for nth in 1..4 {
        let (mut script, first) = start(&core, nth);
        drop(core.commit(&first));
        for bytes in [10, 9_000, 10] {
            drop(core.commit(&script.step(core.fence(), bytes)));
        }
        scripts.push(script);
    }
    core.drain();
    let (first, second) = (scripts[0].run(), scripts[1].run());
    let key = stepwell_store::keys::journal(first, Seq(1));
    let mut value = table.get(&key).unwrap().unwrap();
    value[60] ^= 4;
    table.tamper(&key, Some(value));
    let part = stepwell_store::keys::part(&stepwell_store::keys::journal(second, Seq(2)), 1);
    table.tamper(&part, None);
    let found = core.verify().unwrap();
    let named: Vec<String> = found.damage.iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            format!(
                "journal of run {first} is damaged at entry 1: checksum of value does not hold"
            ),
            format!("journal of run {second} is damaged at entry 2: part 1 is missing"),
        ]
    );
    core.journal(first).unwrap_err();
    assert_eq!(
        core.journal(scripts[2].run()).unwrap(),
        scripts[2].entries()
    );
    // A run that vanishes whole leaves no row behind that could be damaged: the count tells.
    for seq in 0..4 {
        table.tamper(&stepwell_store::keys::journal(second, Seq(seq)), None);
    }
    table.tamper(&stepwell_store::keys::head(second), None);
    let found = core.verify().unwrap();
    assert_eq!(found.damage[0].to_string(), "2 runs where 3 were created");
}
