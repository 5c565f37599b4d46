//! The fake stores do what their pages say.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::Seq;
use stepwell_store::{CommitError, Durability, ReadError, Seen, Store as _};
use stepwell_testkit::scripts::Script;
use stepwell_testkit::wait::{peek, wait};
use stepwell_testkit::{CommitFault, Fate, FaultyStore, MemoryStore, SimStore, Strike, Turns};
use tokio::time::Instant;

use crate::engine::world::paused;

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

#[test]
fn a_dead_process_hears_of_no_commit_and_leaves_what_its_crash_says() {
    let left = |strike: Strike| {
        let (memory, fate) = (MemoryStore::held(), Fate::new());
        let store = SimStore::new(memory.clone(), Arc::clone(&fate), Turns::new());
        let mut script = Script::new(1);
        fate.strike(2, strike);
        wait(store.commit(script.start(store.fence(), Seen::OWNER))).unwrap();
        let mut struck = store.commit(script.step(store.fence(), 10));
        let mut after = store.commit(script.step(store.fence(), 10));
        assert!(fate.is_dead());
        assert_eq!((peek(&mut struck), peek(&mut after)), (None, None));
        assert!(store.journal(script.run()).is_err());
        let next = memory.crash();
        next.journal(script.run()).unwrap().len()
    };
    assert_eq!(left(Strike::CrashBefore), 1);
    assert_eq!(left(Strike::CrashAfter), 2);
}

#[test]
fn a_slow_commit_is_durable_after_its_time_and_told_of_after_more() {
    paused(async {
        let (memory, fate) = (MemoryStore::held(), Fate::new());
        let store = SimStore::new(memory.clone(), Arc::clone(&fate), Turns::new());
        fate.delay([40]);
        fate.tell_after(60);
        let mut script = Script::new(1);
        let began = Instant::now();
        let ticket = store.commit(script.start(store.fence(), Seen::OWNER));
        assert_eq!(memory.pending(), 1);
        assert_eq!(ticket.await, Ok(()));
        assert_eq!(began.elapsed(), Duration::from_millis(100));
        assert_eq!(memory.journal(script.run()).unwrap().len(), 1);
    });
}

#[test]
fn a_read_of_another_thread_waits_until_the_runtime_stands_still() {
    let turns = Turns::new();
    let still = Arc::clone(&turns);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .on_thread_park(move || still.standing_still())
        .build()
        .unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (calls, own) = (Arc::clone(&order), Arc::clone(&order));
    let there = Arc::clone(&turns);
    runtime.block_on(turns.over(async move {
        let called = tokio::task::spawn_blocking(move || {
            there.take(|| calls.lock().unwrap().push("call"));
        });
        // As long as there is something to do here, it is not the call's turn.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        own.lock().unwrap().push("runtime");
        called.await.unwrap();
    }));
    assert_eq!(*order.lock().unwrap(), ["runtime", "call"]);
}
