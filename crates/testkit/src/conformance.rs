//! The conformance suite: what every store must do, as one function for each promise.
//!
//! A [`World`] says how stores of a kind are opened, closed and ended;
//! [`conformance_tests`](crate::conformance_tests) makes a test of every function here.
#![expect(
    clippy::expect_used,
    reason = "a conformance suite fails by panicking, as the tests it becomes do"
)]

use std::sync::Barrier;

use stepwell_core::run::RunStatus;
use stepwell_core::{Fence, RunId, Seq, Timestamp};
use stepwell_store::{
    AgendaChange, Change, Commit, CommitError, Durability, InboxId, InboxRow, RunFilter, Seen,
    Store, Ticket,
};

use crate::scripts::{Script, WORKFLOW, event_id, run_id};
use crate::wait::wait;

/// One place where a store of some kind lives, over several openings.
pub trait World {
    /// The kind of store.
    type Store: Store;

    /// Opens the store; the opening before was closed or ended.
    fn open(&mut self) -> Self::Store;

    /// Ends an opening without closing it, as the death of its process does.
    fn end(&mut self, store: Self::Store);

    /// Opens a second time while `store` is open: `None` when that is refused.
    fn open_beside(&mut self, store: &Self::Store) -> Option<Self::Store>;
}

/// Makes one test of every promise, in the place where it stands; `$world` makes a fresh world.
#[macro_export]
macro_rules! conformance_tests {
    ($world:expr) => {
        $crate::conformance_tests!(@each $world;
            what_is_committed_is_read_back
            an_absent_thing_reads_as_absent
            a_refused_commit_changes_nothing
            a_foreign_fence_is_refused
            a_run_elsewhere_refuses
            an_event_is_stored_once
            one_commit_cannot_store_an_event_twice
            an_old_look_never_lets_an_event_in_twice
            commits_are_ordered_as_they_were_made
            a_refusal_refuses_all_that_rests_on_it
            a_closed_store_reopens_with_everything
            a_store_that_was_ended_reopens_with_everything_acknowledged
            refusals_hold_after_reopening
            a_second_opening_shuts_one_out
            large_values_come_back_whole
            a_commit_that_is_too_large_is_refused_whole
            the_agenda_is_ordered_and_moves
            a_run_set_aside_keeps_its_journal_and_leaves_the_agenda
            requests_wait_in_order_until_deleted
            runs_are_listed_newest_first
            many_runs_are_listed_page_by_page
            a_closed_store_takes_no_commit
            a_dropped_ticket_changes_nothing
            concurrent_writers_of_one_event_let_one_in
            pressure_counts_what_was_made_durable
        );
    };
    (@each $world:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::$name(&mut $world);
            }
        )*
    };
}

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

/// Commits made without waiting take their places in that order.
pub fn commits_are_ordered_as_they_were_made<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut scripts: Vec<Script> = (0..4).map(Script::new).collect();
    let mut tickets: Vec<Ticket> = Vec::new();
    for script in &mut scripts {
        let seen = fresh(&store, 99);
        tickets.push(store.commit(script.start(fence, seen)));
    }
    for round in 0..25 {
        for script in &mut scripts {
            tickets.push(store.commit(script.step(fence, 10 + round)));
        }
    }
    for ticket in tickets {
        assert_eq!(wait(ticket), Ok(()));
    }
    for script in &scripts {
        assert_eq!(journal(&store, script.run()), script.entries());
    }
    store.close().expect("close the store");
}

/// After one refusal of a run, everything ordered behind it for that run is refused too.
pub fn a_refusal_refuses_all_that_rests_on_it<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    let mut ahead = script.clone();
    let mut missing = ahead.step(fence, 10);
    missing.fence = Fence(fence.0 + 5);
    let tickets = [missing, ahead.step(fence, 10), ahead.complete(fence)];
    let tickets = tickets.map(|commit| store.commit(commit));
    for ticket in tickets {
        let told = wait(ticket).expect_err("refused commit");
        assert_eq!(told.durability(), Durability::No);
    }
    assert_eq!(journal(&store, script.run()), script.entries());
    committed(&store, script.step(fence, 10));
    store.close().expect("close the store");
}

/// A clean close loses nothing, and the next opening has a higher fence.
pub fn a_closed_store_reopens_with_everything<W: World>(world: &mut W) {
    reopens_with_everything(world, |_, store| store.close().expect("close the store"));
}

/// So does the death of the process, for what was acknowledged.
pub fn a_store_that_was_ended_reopens_with_everything_acknowledged<W: World>(world: &mut W) {
    reopens_with_everything(world, |world, store| world.end(store));
}

fn reopens_with_everything<W: World>(world: &mut W, end: impl Fn(&mut W, W::Store)) {
    let mut scripts: Vec<Script> = (0..5).map(Script::new).collect();
    let mut fence = Fence(0);
    for opening in 0..3 {
        let store = world.open();
        assert!(
            store.fence() > fence,
            "fence of opening {opening} did not grow"
        );
        fence = store.fence();
        for script in &mut scripts {
            if opening == 0 {
                let nth = u64::from_be_bytes(script.run().to_bytes()[8..].try_into().expect("8"));
                committed(&store, script.start(fence, fresh(&store, nth)));
            }
            assert_eq!(journal(&store, script.run()), script.entries());
            committed(&store, script.step(fence, 3_000));
            committed(&store, script.step(fence, 10));
        }
        end(world, store);
    }
    let store = world.open();
    for script in &scripts {
        assert_eq!(journal(&store, script.run()), script.entries());
        let event = store.event(&script.event()).expect("read the event");
        assert!(event.is_some());
    }
    let places = scripts.iter().map(|script| (Timestamp::ZERO, script.run()));
    assert_eq!(due(&store), places.collect::<Vec<_>>());
    store.close().expect("close the store");
}

/// Preconditions are checked against what an earlier opening made durable.
pub fn refusals_hold_after_reopening<W: World>(world: &mut W) {
    let store = world.open();
    let old = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(old, fresh(&store, 1)));
    committed(&store, script.step(old, 10));
    store.close().expect("close the store");
    world.end(store);
    let store = world.open();
    let fence = store.fence();
    let mut zombie = script.clone();
    let told = refused(&store, zombie.step(old, 10));
    assert!(matches!(told, CommitError::Fenced { .. }), "{told:?}");
    let mut again = script.clone();
    again.forget_last();
    is_out_of_sequence(&store, again.step(fence, 10), Seq(1));
    let told = refused(&store, Script::new(1).start(fence, Seen::default()));
    assert!(
        matches!(told, CommitError::EventExists { .. } | CommitError::Stale),
        "{told:?}"
    );
    let (row, _) = store.look_event(&event_id(1)).expect("look at the event");
    assert!(row.is_some());
    committed(&store, script.step(fence, 10));
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// Two openings never both write.
pub fn a_second_opening_shuts_one_out<W: World>(world: &mut W) {
    let store = world.open();
    let mut script = Script::new(1);
    committed(&store, script.start(store.fence(), fresh(&store, 1)));
    let Some(second) = world.open_beside(&store) else {
        // The second was refused: the first goes on as if nothing had happened.
        committed(&store, script.step(store.fence(), 10));
        store.close().expect("close the store");
        return;
    };
    let mut zombie = script.clone();
    let told = refused(&store, zombie.step(store.fence(), 10));
    assert!(matches!(told, CommitError::Fenced { .. }), "{told:?}");
    committed(&second, script.step(second.fence(), 10));
    assert_eq!(journal(&second, script.run()), script.entries());
    second.close().expect("close the store");
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

/// The agenda is read earliest first, in pages, and a run that moves leaves its old place.
pub fn the_agenda_is_ordered_and_moves<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let at = |ms| Timestamp::from_ms(ms);
    let mut scripts: Vec<Script> = (0..6).map(Script::new).collect();
    for (nth, script) in scripts.iter_mut().enumerate() {
        let seen = fresh(&store, nth as u64);
        let mut commit = script.start(fence, seen);
        let instant = [5, 3, u64::MAX, 0, 3, 1 << 40][nth];
        commit.appends[0].agenda = AgendaChange {
            was: None,
            now: Some(at(instant)),
        };
        committed(&store, commit);
    }
    let place = |ms: u64, nth: u64| (at(ms), run_id(nth));
    let all = [
        place(0, 3),
        place(3, 1),
        place(3, 4),
        place(5, 0),
        place(1 << 40, 5),
        place(u64::MAX, 2),
    ];
    assert_eq!(due(&store), all);
    let read = |after, until, limit| {
        store
            .agenda(after, at(until), limit)
            .expect("read the agenda")
    };
    assert_eq!(read(None, 3, 10), all[..3]);
    assert_eq!(read(None, 4, 10), all[..3]);
    assert_eq!(read(None, u64::MAX, 2), all[..2]);
    assert_eq!(read(Some(all[1]), u64::MAX, 2), all[2..4]);
    assert_eq!(read(Some(all[5]), u64::MAX, 2), []);
    let mut commit = scripts[1].step(fence, 10);
    commit.appends[0].agenda = AgendaChange {
        was: Some(at(3)),
        now: Some(at(4)),
    };
    committed(&store, commit);
    assert_eq!(read(None, 5, 10), [all[0], all[2], place(4, 1), all[3]]);
    store.close().expect("close the store");
}

/// Setting a run aside changes what lists show of it and nothing else.
pub fn a_run_set_aside_keeps_its_journal_and_leaves_the_agenda<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    let head = store.head(script.run()).expect("read the head");
    let mut head = head.expect("stored head");
    head.status = RunStatus::Quarantined;
    let was = Timestamp::ZERO;
    let commit = Commit {
        fence,
        seen: Seen::OWNER,
        appends: Vec::new(),
        changes: vec![Change::SetAside {
            head: head.clone(),
            was,
        }],
    };
    committed(&store, commit);
    assert_eq!(due(&store), []);
    assert_eq!(store.head(script.run()).expect("read the head"), Some(head));
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// Requests wait oldest first, and a deleted one is gone.
pub fn requests_wait_in_order_until_deleted<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let long = "r".repeat(20_000);
    let request = |reason: &str| InboxRow::Cancel {
        reason: reason.to_owned(),
    };
    let changes = |changes: Vec<Change>| Commit {
        fence,
        seen: Seen::default(),
        appends: Vec::new(),
        changes,
    };
    let put = |run: RunId, id, row: &InboxRow| Change::PutInbox(run, InboxId(id), row.clone());
    let (short, long) = (request("short"), request(&long));
    committed(&store, changes(vec![put(run_id(2), 7, &long)]));
    committed(
        &store,
        changes(vec![
            put(run_id(2), 3, &short),
            put(run_id(1), 9, &InboxRow::Resume),
        ]),
    );
    committed(&store, changes(vec![put(run_id(2), u128::MAX, &long)]));
    let waiting = |run| store.inbox(run).expect("read the inbox");
    let expected = [
        (InboxId(3), short.clone()),
        (InboxId(7), long.clone()),
        (InboxId(u128::MAX), long.clone()),
    ];
    assert_eq!(waiting(run_id(2)), expected);
    assert_eq!(
        store.inbox_runs().expect("read inboxes"),
        [run_id(1), run_id(2)]
    );
    committed(
        &store,
        changes(vec![Change::DeleteInbox(run_id(2), InboxId(7))]),
    );
    assert_eq!(
        waiting(run_id(2)),
        [expected[0].clone(), expected[2].clone()]
    );
    let both = vec![
        put(run_id(3), 1, &long),
        Change::DeleteInbox(run_id(3), InboxId(1)),
    ];
    committed(&store, changes(both));
    assert_eq!(waiting(run_id(3)), []);
    committed(
        &store,
        changes(vec![Change::DeleteInbox(run_id(1), InboxId(9))]),
    );
    assert_eq!(store.inbox_runs().expect("read inboxes"), [run_id(2)]);
    store.close().expect("close the store");
}

/// Lists begin with the newest run, and filters hold.
pub fn runs_are_listed_newest_first<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut scripts: Vec<Script> = (0..6).map(Script::new).collect();
    for (nth, script) in scripts.iter_mut().enumerate() {
        let seen = fresh(&store, nth as u64);
        committed(&store, script.start(fence, seen));
        if nth % 2 == 0 {
            committed(&store, script.complete(fence));
        }
    }
    let list = |filter: RunFilter, limit| -> Vec<RunId> {
        let heads = store.runs(&filter, limit).expect("list runs");
        heads.iter().map(|head| head.run).collect()
    };
    let ids = |nths: &[u64]| nths.iter().copied().map(run_id).collect::<Vec<_>>();
    assert_eq!(list(RunFilter::default(), 10), ids(&[5, 4, 3, 2, 1, 0]));
    assert_eq!(list(RunFilter::default(), 2), ids(&[5, 4]));
    let before = RunFilter {
        before: Some(run_id(3)),
        ..RunFilter::default()
    };
    assert_eq!(list(before, 2), ids(&[2, 1]));
    let completed = RunFilter {
        status: Some(RunStatus::Completed),
        ..RunFilter::default()
    };
    assert_eq!(list(completed, 10), ids(&[4, 2, 0]));
    let workflow = |name: &str| RunFilter {
        workflow: Some(stepwell_core::WorkflowName::new(name)),
        ..RunFilter::default()
    };
    assert_eq!(list(workflow(WORKFLOW), 10).len(), 6);
    assert_eq!(list(workflow("other"), 10), []);
    store.close().expect("close the store");
}

/// A list longer than any page is whole, and pages join without gap or overlap.
pub fn many_runs_are_listed_page_by_page<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let count = 700;
    let mut tickets = Vec::new();
    for nth in 0..count {
        let seen = fresh(&store, nth);
        tickets.push(store.commit(Script::new(nth).start(fence, seen)));
    }
    for ticket in tickets {
        assert_eq!(wait(ticket), Ok(()));
    }
    let all = store.runs(&RunFilter::default(), usize::MAX).expect("list");
    let all: Vec<RunId> = all.iter().map(|head| head.run).collect();
    let expected: Vec<RunId> = (0..count).rev().map(run_id).collect();
    assert_eq!(all, expected);
    let mut paged = Vec::new();
    let mut filter = RunFilter::default();
    loop {
        let page = store.runs(&filter, 99).expect("list a page");
        let Some(last) = page.last() else { break };
        filter.before = Some(last.run);
        paged.extend(page.iter().map(|head| head.run));
    }
    assert_eq!(paged, expected);
    assert_eq!(due(&store).len(), 700);
    store.close().expect("close the store");
}

/// After closing, commits are refused as closed, and closing again is nothing.
pub fn a_closed_store_takes_no_commit<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let seen = fresh(&store, 1);
    let ticket = store.commit(script.start(fence, seen));
    store.close().expect("close the store");
    assert_eq!(wait(ticket), Ok(()));
    let told = refused(&store, script.step(fence, 10));
    assert_eq!(told, CommitError::Closed);
    script.forget_last();
    store.close().expect("close the store again");
    world.end(store);
    let store = world.open();
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// Nobody has to hear what became of a commit.
pub fn a_dropped_ticket_changes_nothing<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let seen = fresh(&store, 1);
    drop(store.commit(script.start(fence, seen)));
    drop(store.commit(script.step(fence, 10)));
    committed(&store, script.complete(fence));
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// Of many writers of the same event id exactly one is let in, and none waits for ever.
pub fn concurrent_writers_of_one_event_let_one_in<W: World>(world: &mut W) {
    const WRITERS: usize = 4;
    const EVENTS: u64 = 25;
    let store = world.open();
    let fence = store.fence();
    let together = Barrier::new(WRITERS);
    let write = || {
        together.wait();
        let mut let_in = 0;
        for nth in 0..EVENTS {
            let (row, seen) = store.look_event(&event_id(nth)).expect("look");
            if row.is_some() {
                continue;
            }
            let ticket = store.commit(Script::new(nth).start(fence, seen));
            match wait(ticket) {
                Ok(()) => let_in += 1,
                Err(told) => assert!(told.retry(), "{told:?}"),
            }
            assert!(store.event(&event_id(nth)).expect("read").is_some());
        }
        let_in
    };
    let let_in: u64 = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("writer"))
            .sum()
    });
    assert_eq!(let_in, EVENTS);
    for nth in 0..EVENTS {
        assert_eq!(journal(&store, run_id(nth)).len(), 1);
    }
    store.close().expect("close the store");
}

/// Commits made durable are counted, and nothing stays queued.
pub fn pressure_counts_what_was_made_durable<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    committed(&store, script.step(fence, 1_000));
    let pressure = store.pressure();
    assert_eq!(pressure.commits, 2);
    assert!(pressure.syncs >= 1 && pressure.syncs <= 2, "{pressure:?}");
    assert!(pressure.log_bytes > 1_000, "{pressure:?}");
    store.close().expect("close the store");
    assert_eq!(store.pressure().queued_bytes, 0);
}

fn committed<S: Store>(store: &S, commit: Commit) {
    assert_eq!(wait(store.commit(commit)), Ok(()));
}

fn refused<S: Store>(store: &S, commit: Commit) -> CommitError {
    wait(store.commit(commit)).expect_err("commit to be refused")
}

fn is_out_of_sequence<S: Store>(store: &S, commit: Commit, expected: Seq) {
    let run = commit.appends[0].run;
    let told = refused(store, commit);
    assert_eq!(told, CommitError::OutOfSequence { run, expected });
}

/// A fresh look at the `nth` event, which is not stored.
fn fresh<S: Store>(store: &S, nth: u64) -> Seen {
    let (row, seen) = store.look_event(&event_id(nth)).expect("look at an event");
    assert_eq!(row, None);
    seen
}

fn journal<S: Store>(store: &S, run: RunId) -> Vec<stepwell_core::Entry> {
    store.journal(run).expect("read a journal")
}

fn due<S: Store>(store: &S) -> Vec<(Timestamp, RunId)> {
    store
        .agenda(None, Timestamp::from_ms(u64::MAX), usize::MAX)
        .expect("read the agenda")
}
