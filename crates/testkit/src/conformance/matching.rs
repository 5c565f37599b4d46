//! What brings events and runs together: waits, the index of events, deliveries, schedules.

use stepwell_core::{EventId, EventKey, EventOrder, RunId, Seq, Timestamp, WorkflowName};
use stepwell_store::{
    Change, Commit, CommitError, DeliveryRow, EventKeyRow, ScheduleRow, Seen, Store, WaitChange,
};

use super::{World, committed, fresh, journal, refused};
use crate::scripts::{Script, event_id, run_id};
use crate::wait::wait;

/// Keys next to each other, the last that there can be among them.
const KEYS: [EventKey; 4] = [
    EventKey([0; 16]),
    EventKey([0x7f; 16]),
    EventKey([
        0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
        0x80,
    ]),
    EventKey([0xff; 16]),
];

/// What a run waits for changes with its entries, in one commit.
pub fn waits_begin_and_end_with_their_entries<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let mut start = script.start(fence, fresh(&store, 1));
    start.appends[0].waits.begun = vec![KEYS[1], KEYS[0]];
    committed(&store, start);
    let run = script.run();
    assert_eq!(all_waits(&store), [(KEYS[0], run), (KEYS[1], run)]);
    assert_eq!(waiting(&store, KEYS[0]), [run]);
    assert_eq!(waiting(&store, KEYS[2]), []);
    committed(&store, script.step(fence, 10));
    assert_eq!(all_waits(&store), [(KEYS[0], run), (KEYS[1], run)]);
    let mut step = script.step(fence, 10);
    step.appends[0].waits = WaitChange {
        begun: vec![KEYS[3]],
        over: vec![KEYS[0]],
    };
    committed(&store, step);
    assert_eq!(all_waits(&store), [(KEYS[1], run), (KEYS[3], run)]);
    assert_eq!(waiting(&store, KEYS[0]), []);
    let mut end = script.complete(fence);
    // One it never waited for may be over, too.
    end.appends[0].waits.over = vec![KEYS[1], KEYS[2], KEYS[3]];
    committed(&store, end);
    assert_eq!(all_waits(&store), []);
    assert_eq!(waiting(&store, KEYS[3]), []);
    store.close().expect("close the store");
}

/// A refused commit begins no wait and ends none, and leaves every other row as it was.
pub fn a_refused_commit_leaves_waits_and_deliveries_alone<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let mut start = script.start(fence, fresh(&store, 1));
    start.appends[0].waits.begun = vec![KEYS[0]];
    start.changes.extend([
        Change::IndexEvent(KEYS[0], at(1), indexed(1)),
        Change::PutDelivery(at(1), delivery(1, None)),
        Change::PutSchedule(workflow("tick"), schedule(5, None)),
    ]);
    committed(&store, start);
    let mut ahead = script.clone();
    ahead.step(fence, 10);
    let mut wrong = ahead.step(fence, 10);
    wrong.appends[0].waits = WaitChange {
        begun: vec![KEYS[1]],
        over: vec![KEYS[0]],
    };
    wrong.changes.extend([
        Change::IndexEvent(KEYS[0], at(2), indexed(2)),
        Change::DeleteDelivery(at(1)),
        Change::PutDelivery(at(2), delivery(2, None)),
        Change::PutSchedule(workflow("tick"), schedule(6, None)),
        Change::PutSchedule(workflow("tock"), schedule(6, None)),
    ]);
    let told = refused(&store, wrong);
    let (run, expected) = (script.run(), Seq(2));
    assert_eq!(told, CommitError::OutOfSequence { run, expected });
    assert_eq!(all_waits(&store), [(KEYS[0], run)]);
    assert_eq!(indexed_under(&store, KEYS[0]), [(at(1), indexed(1))]);
    assert_eq!(on_their_way(&store), [(at(1), delivery(1, None))]);
    assert_eq!(ticks(&store, "tick"), Some(schedule(5, None)));
    assert_eq!(ticks(&store, "tock"), None);
    assert_eq!(journal(&store, run), script.entries());
    store.close().expect("close the store");
}

/// Of the same key that is over and begins again in one commit, the wait is there.
pub fn a_wait_that_is_over_and_begins_anew_goes_on<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let mut start = script.start(fence, fresh(&store, 1));
    start.appends[0].waits.begun = vec![KEYS[1]];
    committed(&store, start);
    let mut step = script.step(fence, 10);
    step.appends[0].waits = WaitChange {
        begun: vec![KEYS[1]],
        over: vec![KEYS[1]],
    };
    committed(&store, step);
    assert_eq!(all_waits(&store), [(KEYS[1], script.run())]);
    store.close().expect("close the store");
}

/// Events of one name and key are read in the order of the log, no other among them.
pub fn events_are_found_by_key_in_order_page_by_page<W: World>(world: &mut W) {
    const EACH: u64 = 300;
    let store = world.open();
    // An opening later counts for more than any number within one.
    let place = |nth: u64| EventOrder {
        opening: 1 + nth / 200,
        number: (nth % 200) << 40 | 1,
    };
    let mut tickets = Vec::new();
    for nth in 0..EACH {
        // Stored backwards: nothing but the key orders them.
        let nth = EACH - 1 - nth;
        let index = |key: EventKey| Change::IndexEvent(key, place(nth), indexed(nth));
        let commit = changes(&store, KEYS.map(index).to_vec());
        tickets.push(store.commit(commit));
    }
    for ticket in tickets {
        assert_eq!(wait(ticket), Ok(()));
    }
    let expected: Vec<_> = (0..EACH).map(|nth| (place(nth), indexed(nth))).collect();
    for key in KEYS {
        assert_eq!(indexed_under(&store, key), expected);
        let mut paged = Vec::new();
        let mut after = EventOrder::BEGINNING;
        loop {
            let page = store.events_by_key(key, after, 77).expect("read a page");
            assert!(page.len() <= 77);
            let Some((last, _)) = page.last() else { break };
            after = *last;
            paged.extend(page);
        }
        assert_eq!(paged, expected);
        let none = store.events_by_key(key, place(EACH), 9);
        assert_eq!(none.expect("read behind the last"), []);
        let none = store.events_by_key(key, EventOrder::BEGINNING, 0);
        assert_eq!(none.expect("read nothing"), []);
    }
    assert_eq!(indexed_under(&store, EventKey([1; 16])), []);
    store.close().expect("close the store");
}

/// Runs that wait for one key are read by id, pages joining without gap or overlap, and so are
/// all waits over every key.
pub fn waiting_runs_are_listed_page_by_page<W: World>(world: &mut W) {
    const RUNS: u64 = 300;
    let store = world.open();
    let fence = store.fence();
    let mut tickets = Vec::new();
    for nth in 0..RUNS {
        let mut start = Script::new(nth).start(fence, fresh(&store, nth));
        let waits = &mut start.appends[0].waits;
        waits.begun = KEYS.to_vec();
        // Every third run does not wait for the second of them.
        waits.begun.retain(|key| *key != KEYS[1] || nth % 3 > 0);
        tickets.push(store.commit(start));
    }
    for ticket in tickets {
        assert_eq!(wait(ticket), Ok(()));
    }
    let mut every = Vec::new();
    for key in KEYS {
        let expected: Vec<RunId> = (0..RUNS)
            .filter(|nth| key != KEYS[1] || nth % 3 > 0)
            .map(run_id)
            .collect();
        assert_eq!(waiting(&store, key), expected);
        let mut paged: Vec<RunId> = Vec::new();
        loop {
            let page = store.waiting_for(key, paged.last().copied(), 77);
            let page = page.expect("read a page");
            assert!(page.len() <= 77);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, expected);
        let between = store.waiting_for(key, Some(run_id(1)), 1);
        assert_eq!(between.expect("read one"), [run_id(2)]);
        every.extend(expected.into_iter().map(|run| (key, run)));
    }
    assert_eq!(all_waits(&store), every);
    let mut paged: Vec<(EventKey, RunId)> = Vec::new();
    loop {
        let page = store.waits(paged.last().copied(), 77);
        let page = page.expect("read a page");
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, every);
    store.close().expect("close the store");
}

/// An event on its way is kept with how far it came, until it has arrived.
pub fn deliveries_move_on_until_deleted<W: World>(world: &mut W) {
    let store = world.open();
    let orders = [at(1), at(2), at(1 << 40)];
    let orders = [orders[2], orders[0], orders[1]].map(|order| (order, delivery(1, None)));
    for (order, row) in orders.clone() {
        committed(
            &store,
            changes(&store, vec![Change::PutDelivery(order, row)]),
        );
    }
    let [late, first, second] = orders;
    assert_eq!(
        on_their_way(&store),
        [first.clone(), second.clone(), late.clone()]
    );
    let read = |after, limit| store.deliveries(after, limit).expect("read deliveries");
    assert_eq!(
        read(EventOrder::BEGINNING, 2),
        [first.clone(), second.clone()]
    );
    assert_eq!(read(first.0, 2), [second.clone(), late.clone()]);
    assert_eq!(read(late.0, 2), []);
    for reached in [3, 300] {
        let row = delivery(1, Some(run_id(reached)));
        let moved = changes(&store, vec![Change::PutDelivery(second.0, row.clone())]);
        committed(&store, moved);
        assert_eq!(
            on_their_way(&store),
            [first.clone(), (second.0, row), late.clone()]
        );
    }
    let gone = vec![
        Change::DeleteDelivery(second.0),
        Change::DeleteDelivery(at(77)),
    ];
    committed(&store, changes(&store, gone));
    assert_eq!(on_their_way(&store), [first, late]);
    store.close().expect("close the store");
}

/// The row of a schedule is the last one put, for each workflow its own.
pub fn a_schedule_is_as_it_was_put_last<W: World>(world: &mut W) {
    let store = world.open();
    assert_eq!(ticks(&store, "tick"), None);
    let put = |name: &str, row: &ScheduleRow| Change::PutSchedule(workflow(name), row.clone());
    let rows = [schedule(1, None), schedule(2, Some(9))];
    committed(&store, changes(&store, vec![put("tick", &rows[0])]));
    assert_eq!(ticks(&store, "tick"), Some(rows[0].clone()));
    // A name that begins with another is another.
    assert_eq!(ticks(&store, "ti"), None);
    assert_eq!(ticks(&store, "tick-tock"), None);
    let both = vec![put("tick", &rows[1]), put("tick-tock", &rows[0])];
    committed(&store, changes(&store, both));
    assert_eq!(ticks(&store, "tick"), Some(rows[1].clone()));
    assert_eq!(ticks(&store, "tick-tock"), Some(rows[0].clone()));
    store.close().expect("close the store");
}

/// A clean close keeps all of them.
pub fn waits_and_deliveries_outlast_a_close<W: World>(world: &mut W) {
    outlast(world, |_, store| store.close().expect("close the store"));
}

/// So does the death of the process, for what was acknowledged.
pub fn waits_and_deliveries_outlast_the_process<W: World>(world: &mut W) {
    outlast(world, |world, store| world.end(store));
}

fn outlast<W: World>(world: &mut W, end: impl Fn(&mut W, W::Store)) {
    let mut scripts: Vec<Script> = (0..4).map(Script::new).collect();
    let mut was = None;
    for (opening, key) in (0_u64..).zip(&KEYS[..3]) {
        let store = world.open();
        let fence = store.fence();
        for (nth, script) in (0..).zip(&mut scripts) {
            let mut commit = match opening {
                0 => script.start(fence, fresh(&store, nth)),
                _ => script.step(fence, 10),
            };
            // At each opening the run waits for another key than before.
            commit.appends[0].waits = WaitChange {
                begun: vec![*key],
                over: Vec::from_iter(was),
            };
            commit.changes.extend([
                Change::IndexEvent(*key, at(nth), indexed(nth)),
                Change::PutDelivery(at(nth), delivery(nth, Some(run_id(opening)))),
                Change::PutSchedule(workflow("tick"), schedule(opening, Some(nth))),
            ]);
            committed(&store, commit);
        }
        let arrived = vec![Change::DeleteDelivery(at(2))];
        committed(&store, changes(&store, arrived));
        was = Some(*key);
        end(world, store);
    }
    let store = world.open();
    let runs: Vec<RunId> = scripts.iter().map(Script::run).collect();
    let waits: Vec<_> = runs.iter().map(|run| (KEYS[2], *run)).collect();
    assert_eq!(all_waits(&store), waits);
    assert_eq!(waiting(&store, KEYS[2]), runs);
    assert_eq!(waiting(&store, KEYS[1]), []);
    let events: Vec<_> = (0..4).map(|nth| (at(nth), indexed(nth))).collect();
    for key in &KEYS[..3] {
        assert_eq!(indexed_under(&store, *key), events);
    }
    let on_way = [0, 1, 3].map(|nth| (at(nth), delivery(nth, Some(run_id(2)))));
    assert_eq!(on_their_way(&store), on_way);
    assert_eq!(ticks(&store, "tick"), Some(schedule(2, Some(3))));
    store.close().expect("close the store");
}

/// A commit of these changes alone.
fn changes<S: Store>(store: &S, changes: Vec<Change>) -> Commit {
    Commit {
        fence: store.fence(),
        seen: Seen::OWNER,
        appends: Vec::new(),
        changes,
    }
}

fn at(number: u64) -> EventOrder {
    EventOrder {
        opening: 1,
        number: number + 1,
    }
}

fn indexed(nth: u64) -> EventKeyRow {
    EventKeyRow {
        event: event_id(nth),
        received_at: Timestamp::from_ms(nth),
    }
}

fn delivery(nth: u64, after: Option<RunId>) -> DeliveryRow {
    DeliveryRow {
        event: EventId::new(format!("delivered-{nth}")),
        key: KEYS[1],
        after,
    }
}

fn schedule(considered: u64, last_run: Option<u64>) -> ScheduleRow {
    ScheduleRow {
        expression: "*/5 * * * *".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        considered: Timestamp::from_ms(considered),
        last_run: last_run.map(run_id),
    }
}

fn workflow(name: &str) -> WorkflowName {
    WorkflowName::new(name)
}

fn all_waits<S: Store>(store: &S) -> Vec<(EventKey, RunId)> {
    store.waits(None, usize::MAX).expect("read all waits")
}

fn waiting<S: Store>(store: &S, key: EventKey) -> Vec<RunId> {
    let runs = store.waiting_for(key, None, usize::MAX);
    runs.expect("read who waits")
}

fn indexed_under<S: Store>(store: &S, key: EventKey) -> Vec<(EventOrder, EventKeyRow)> {
    let events = store.events_by_key(key, EventOrder::BEGINNING, usize::MAX);
    events.expect("read events by key")
}

fn on_their_way<S: Store>(store: &S) -> Vec<(EventOrder, DeliveryRow)> {
    let deliveries = store.deliveries(EventOrder::BEGINNING, usize::MAX);
    deliveries.expect("read deliveries")
}

fn ticks<S: Store>(store: &S, name: &str) -> Option<ScheduleRow> {
    store.schedule(&workflow(name)).expect("read a schedule")
}
