//! The fake stores do what their pages say.

use stepwell_core::Seq;
use stepwell_store::{CommitError, Durability, ReadError, Seen, Store as _};
use stepwell_testkit::scripts::Script;
use stepwell_testkit::wait::{peek, wait};
use stepwell_testkit::{CommitFault, FaultyStore, MemoryStore};

#[test]
fn a_held_commit_is_ordered_and_not_durable() {
    let store = MemoryStore::held();
    let mut script = Script::new(1);
    let mut first = store.commit(script.start(store.fence(), Seen::OWNER));
    let mut second = store.commit(script.step(store.fence(), 10));
    let mut refused = store.commit(Script::new(1).start(store.fence(), Seen::OWNER));
    assert_eq!(peek(&mut first), None);
    assert_eq!(
        peek(&mut refused),
        None,
        "a refusal waits for what it rests on"
    );
    assert_eq!(store.journal(script.run()).unwrap(), []);
    store.sync();
    assert_eq!(
        (peek(&mut first), peek(&mut second)),
        (Some(Ok(())), Some(Ok(())))
    );
    let id = script.event();
    assert_eq!(
        peek(&mut refused),
        Some(Err(CommitError::EventExists { id }))
    );
    assert_eq!(store.journal(script.run()).unwrap(), script.entries());
    assert_eq!(store.pressure().syncs, 1);
}

#[test]
fn a_crash_loses_what_was_ordered_and_fences_the_old_opening_out() {
    let store = MemoryStore::held();
    let mut script = Script::new(1);
    drop(store.commit(script.start(store.fence(), Seen::OWNER)));
    store.sync();
    let lost = store.commit(script.step(store.fence(), 10));
    let next = store.crash();
    let told = wait(lost).unwrap_err();
    assert_eq!(told.durability(), Durability::Unknown);
    script.forget_last();
    assert_eq!(next.journal(script.run()).unwrap(), script.entries());
    let mut zombie = script.clone();
    let told = wait(store.commit(zombie.step(store.fence(), 10))).unwrap_err();
    assert!(matches!(told, CommitError::Fenced { .. }), "{told:?}");
    let ticket = next.commit(script.step(next.fence(), 10));
    next.sync();
    assert_eq!(wait(ticket), Ok(()));
}

#[test]
fn a_failed_memory_store_and_a_damaged_run_say_so() {
    let store = MemoryStore::new();
    let mut script = Script::new(1);
    wait(store.commit(script.start(store.fence(), Seen::OWNER))).unwrap();
    store.damage(script.run(), Seq(0), "rubbed out");
    let damaged = store.journal(script.run()).unwrap_err();
    assert!(
        matches!(damaged, ReadError::Damaged { seq: Seq(0), .. }),
        "{damaged:?}"
    );
    store.fail("unplugged");
    let told = wait(store.commit(script.step(store.fence(), 10))).unwrap_err();
    let why = "unplugged".to_owned();
    assert_eq!(told, CommitError::Failed { why });
    assert_eq!(store.failure().as_deref(), Some("unplugged"));
}

#[test]
fn a_fault_strikes_the_chosen_commit_and_the_outcome_is_as_promised() {
    let kept = |fault: CommitFault| {
        let store = FaultyStore::new(MemoryStore::new());
        let mut script = Script::new(1);
        store.fail_commit(2, fault);
        wait(store.commit(script.start(store.fence(), Seen::OWNER))).unwrap();
        let told = wait(store.commit(script.step(store.fence(), 10))).unwrap_err();
        let after = wait(store.commit(script.step(store.fence(), 10)));
        let there = store.inner().journal(script.run()).unwrap().len();
        (
            told.durability(),
            there,
            after.is_err(),
            store.failure().is_some(),
        )
    };
    let refuse = CommitFault::Refuse(CommitError::Full);
    assert_eq!(kept(refuse), (Durability::No, 1, true, false));
    assert_eq!(
        kept(CommitFault::Lose),
        (Durability::Unknown, 1, true, true)
    );
    assert_eq!(
        kept(CommitFault::KeepUntold),
        (Durability::Unknown, 2, true, true)
    );
}

#[test]
fn tickets_held_back_are_told_on_release_and_reads_fail_when_told_to() {
    let store = FaultyStore::new(MemoryStore::new());
    store.hold_tickets();
    let mut script = Script::new(1);
    let mut ticket = store.commit(script.start(store.fence(), Seen::OWNER));
    assert_eq!(peek(&mut ticket), None);
    assert_eq!(store.journal(script.run()).unwrap().len(), 1);
    store.release_tickets();
    assert_eq!(peek(&mut ticket), Some(Ok(())));
    store.fail_reads_from(2);
    assert!(matches!(
        store.journal(script.run()),
        Err(ReadError::Failed { .. })
    ));
    assert_eq!(store.counts(), (1, 2));
}
