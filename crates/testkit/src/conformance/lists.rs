//! The agenda, requests, and lists of runs.

use stepwell_core::run::RunStatus;
use stepwell_core::{RunId, Timestamp};
use stepwell_store::{AgendaChange, Change, Commit, InboxId, InboxRow, RunFilter, Seen, Store};

use super::{World, committed, due, fresh, journal};
use crate::scripts::{Script, WORKFLOW, run_id};
use crate::wait::wait;

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
