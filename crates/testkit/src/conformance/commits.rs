//! What one commit does, and what refuses it.

use stepwell_core::{Fence, Seq, Timestamp};
use stepwell_store::{Change, CommitError, Durability, InboxId, InboxRow, RunFilter, Seen, Store};

use super::{World, committed, due, fresh, is_out_of_sequence, journal, refused};
use crate::scripts::{Script, event_id, run_id};
use crate::wait::wait;

/// Reads made after a ticket see its commit, every part of it.
pub fn what_is_committed_is_read_back<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    assert_eq!(journal(&store, script.run()), script.entries());
    let event = store.event(&script.event()).expect("read the event");
    assert_eq!(event.expect("stored event").runs, [script.run()]);
    let head = store.head(script.run()).expect("read the head");
    assert_eq!(head.expect("stored head").run, script.run());
    assert_eq!(due(&store), [(Timestamp::ZERO, script.run())]);
    for bytes in [2, 100, 5_000] {
        committed(&store, script.step(fence, bytes));
        assert_eq!(journal(&store, script.run()), script.entries());
    }
    committed(&store, script.complete(fence));
    assert_eq!(journal(&store, script.run()), script.entries());
    assert_eq!(due(&store), []);
    let head = store.head(script.run()).expect("read the head");
    assert!(head.expect("stored head").ended_at.is_some());
    store.close().expect("close the store");
}

/// What was never stored is absent, not an error.
pub fn an_absent_thing_reads_as_absent<W: World>(world: &mut W) {
    let store = world.open();
    assert_eq!(journal(&store, run_id(9)), []);
    assert_eq!(store.head(run_id(9)).expect("read the head"), None);
    assert_eq!(store.event(&event_id(9)).expect("read the event"), None);
    let (look, _) = store.look_event(&event_id(9)).expect("look at the event");
    assert_eq!(look, None);
    assert_eq!(store.inbox(run_id(9)).expect("read the inbox"), []);
    assert_eq!(store.inbox_runs().expect("read inboxes"), []);
    assert_eq!(due(&store), []);
    let heads = store.runs(&RunFilter::default(), 10).expect("list runs");
    assert_eq!(heads, []);
    assert_eq!(store.failure(), None);
    store.close().expect("close the store");
}

/// One bad part refuses the whole commit.
pub fn a_refused_commit_changes_nothing<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut old = Script::new(1);
    committed(&store, old.start(fence, fresh(&store, 1)));
    let (mut new, mut late) = (Script::new(2), old.clone());
    let mut commit = new.start(fence, fresh(&store, 2));
    late.step(fence, 10);
    commit.appends.extend(late.step(fence, 10).appends);
    let inbox = Change::PutInbox(old.run(), InboxId(1), InboxRow::Resume);
    commit.changes.push(inbox);
    let refused = refused(&store, commit);
    assert!(matches!(refused, CommitError::OutOfSequence { run, .. } if run == old.run()));
    assert_eq!(journal(&store, new.run()), []);
    assert_eq!(journal(&store, old.run()), old.entries());
    assert_eq!(store.event(&new.event()).expect("read the event"), None);
    assert_eq!(store.inbox(old.run()).expect("read the inbox"), []);
    assert_eq!(due(&store), [(Timestamp::ZERO, old.run())]);
    // Nothing of it stands in the way of the same commits made rightly.
    new.forget_last();
    committed(&store, new.start(fence, fresh(&store, 2)));
    committed(&store, old.step(fence, 10));
    store.close().expect("close the store");
}

/// Only the store's own token is taken.
pub fn a_foreign_fence_is_refused<W: World>(world: &mut W) {
    let store = world.open();
    let current = store.fence();
    for found in [Fence(current.0 + 1), Fence(current.0.wrapping_sub(1))] {
        let mut script = Script::new(1);
        let told = refused(&store, script.start(found, Seen::default()));
        assert_eq!(told, CommitError::Fenced { current, found });
        assert_eq!(told.durability(), Durability::No);
    }
    assert_eq!(journal(&store, run_id(1)), []);
    store.close().expect("close the store");
}

/// A run that stands elsewhere than a commit expects refuses it.
pub fn a_run_elsewhere_refuses<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    committed(&store, script.step(fence, 10));
    let mut ahead = script.clone();
    ahead.step(fence, 10);
    is_out_of_sequence(&store, ahead.step(fence, 10), Seq(3));
    let mut again = script.clone();
    again.forget_last();
    is_out_of_sequence(&store, again.step(fence, 10), Seq(1));
    let mut twice = Script::new(1);
    let mut start = twice.start(fence, Seen::default());
    start.changes.clear();
    is_out_of_sequence(&store, start, Seq(0));
    let mut never = Script::new(7);
    never.start(fence, Seen::default());
    is_out_of_sequence(&store, never.step(fence, 10), Seq(1));
    assert_eq!(journal(&store, script.run()), script.entries());
    assert_eq!(journal(&store, never.run()), []);
    store.close().expect("close the store");
}

/// An event id is taken once, and the runs of the refused event are not created.
pub fn an_event_is_stored_once<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut first = Script::new(1);
    let seen = fresh(&store, 1);
    let ahead = store.commit(first.start(fence, seen));
    let (mut other, mut second) = (Script::new(2), Script::new(2));
    let mut commit = second.start(fence, seen);
    let (_, row) = Script::new(1).start_parts();
    commit.changes = vec![Change::NewEvent(row)];
    let id = event_id(1);
    assert_eq!(
        wait(store.commit(commit)),
        Err(CommitError::EventExists { id })
    );
    assert_eq!(wait(ahead), Ok(()));
    assert_eq!(journal(&store, run_id(2)), []);
    committed(&store, other.start(fence, fresh(&store, 2)));
    store.close().expect("close the store");
}

/// The same id twice in one commit is refused like twice in two.
pub fn one_commit_cannot_store_an_event_twice<W: World>(world: &mut W) {
    let store = world.open();
    let mut script = Script::new(1);
    let mut commit = script.start(store.fence(), fresh(&store, 1));
    commit.changes.push(commit.changes[0].clone());
    let id = event_id(1);
    assert_eq!(refused(&store, commit), CommitError::EventExists { id });
    assert_eq!(store.event(&event_id(1)).expect("read the event"), None);
    store.close().expect("close the store");
}

/// A look taken before the event was stored is never enough to store it again.
pub fn an_old_look_never_lets_an_event_in_twice<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let old = fresh(&store, 1);
    committed(&store, Script::new(1).start(fence, old));
    for nth in 10..200 {
        committed(&store, Script::new(nth).start(fence, fresh(&store, nth)));
    }
    let told = refused(&store, Script::new(1).start(fence, old));
    assert!(
        matches!(told, CommitError::EventExists { .. } | CommitError::Stale),
        "{told:?}"
    );
    assert!(told.retry());
    let (row, _) = store.look_event(&event_id(1)).expect("look at the event");
    assert!(row.is_some());
    store.close().expect("close the store");
}

/// Values of a mebibyte and more are like any other, also after reopening.
pub fn large_values_come_back_whole<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    for bytes in [4_000, 4_096, 4_097, 8_192, 100_000, 1 << 20, 3 << 20] {
        committed(&store, script.step(fence, bytes));
    }
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
    world.end(store);
    let store = world.open();
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// A commit over the limit says so and changes nothing.
pub fn a_commit_that_is_too_large_is_refused_whole<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    for bytes in [9 << 20, 20 << 20] {
        let told = refused(&store, script.step(fence, bytes));
        assert!(matches!(told, CommitError::TooLarge { .. }), "{told:?}");
        script.forget_last();
    }
    assert_eq!(journal(&store, script.run()), script.entries());
    committed(&store, script.step(fence, 10));
    store.close().expect("close the store");
}
