//! Damage to what brings events and runs together is named, never believed and never a panic.

use stepwell_core::envelope::{self, ValueKind};
use stepwell_core::{Awaited, EventKey, EventOrder, Payload, RunId, Seq, Timestamp, WorkflowName};
use stepwell_store::{
    Change, Commit, DeliveryRow, EventKeyRow, InboxId, InboxRow, ReadError, ScheduleRow, Seen, keys,
};
use stepwell_store_sled::table::{Order, Table};
use stepwell_testkit::scripts::{Script, event_id, run_id};
use stepwell_testkit::wait::peek;

use super::life::small_segments;
use super::refusal::{SimCore, opened};
use super::table::SimTable;

const FIRST: EventOrder = EventOrder {
    opening: 1,
    number: 1,
};
const SECOND: EventOrder = EventOrder {
    opening: 1,
    number: 2,
};

fn awaited() -> Awaited {
    Awaited {
        name: "script/awaited".to_owned(),
        key: "o-1".to_owned(),
    }
}

fn key() -> EventKey {
    awaited().digest()
}

fn workflow() -> WorkflowName {
    WorkflowName::new("tick")
}

/// The key as damage to it is named.
fn digest() -> String {
    hex::encode(key().0)
}

fn commit(core: &mut SimCore, commit: &Commit) {
    let mut ticket = core.commit(commit);
    core.drain();
    assert_eq!(peek(&mut ticket), Some(Ok(())));
}

fn put(core: &mut SimCore, changes: Vec<Change>) {
    let changes = Commit {
        fence: core.fence(),
        seen: Seen::OWNER,
        appends: Vec::new(),
        changes,
    };
    commit(core, &changes);
}

/// The `nth` run, begun and waiting.
fn waiting(core: &mut SimCore, nth: u64) -> Script {
    let mut script = Script::new(nth);
    let start = script.start(core.fence(), Seen::OWNER);
    commit(core, &start);
    let wait = script.wait_for(core.fence(), &awaited());
    commit(core, &wait);
    script
}

/// Two of each row, about the events of two runs that wait.
fn furnished() -> (SimTable, SimCore, Vec<Script>) {
    let (_, table, mut core) = opened(&small_segments());
    let scripts: Vec<Script> = [1, 2].map(|nth| waiting(&mut core, nth)).into();
    for (order, nth) in [(FIRST, 1), (SECOND, 2)] {
        let indexed = EventKeyRow {
            event: event_id(nth),
            received_at: Timestamp::from_ms(nth),
        };
        let delivery = DeliveryRow {
            event: event_id(nth),
            key: key(),
            after: None,
        };
        let changes = vec![
            Change::IndexEvent(key(), order, indexed),
            Change::PutDelivery(order, delivery),
        ];
        put(&mut core, changes);
    }
    let schedule = ScheduleRow {
        expression: "* * * * *".to_owned(),
        zone: "UTC".to_owned(),
        considered: Timestamp::from_ms(1),
        last_run: None,
    };
    put(&mut core, vec![Change::PutSchedule(workflow(), schedule)]);
    assert!(core.verify().unwrap().is_clean());
    (table, core, scripts)
}

fn named(core: &SimCore) -> Vec<String> {
    let damage = core.verify().unwrap().damage;
    damage.iter().map(ToString::to_string).collect()
}

fn damaged<T: std::fmt::Debug>(read: Result<T, ReadError>) -> String {
    match read.unwrap_err() {
        ReadError::DamagedValue { value, .. } => value,
        error => panic!("expected a damaged value, got {error}"),
    }
}

#[test]
fn damage_in_any_byte_of_an_indexed_event_a_delivery_or_a_schedule_is_named() {
    let (table, core, _) = furnished();
    let places = [
        (
            keys::event_key(key(), SECOND),
            format!("index of events by key {}, at 2 of opening 1", digest()),
        ),
        (
            keys::delivery(SECOND),
            "delivery of event 2 of opening 1".to_owned(),
        ),
        (
            keys::schedule(&workflow()),
            "schedule of workflow tick".to_owned(),
        ),
    ];
    for (place, name) in places {
        let intact = table.get(&place).unwrap().unwrap();
        let flips = (0..intact.len()).map(|at| {
            let mut value = intact.clone();
            value[at] ^= 1 << (at % 8);
            value
        });
        let cuts = (0..intact.len()).map(|length| intact[..length].to_vec());
        // An intact value of another kind, from under another key.
        let strange = table.get(&keys::head(run_id(1))).unwrap();
        for value in flips.chain(cuts).chain(strange) {
            table.tamper(&place, Some(value));
            let read = match place[0] {
                keys::EVENT_KEY => damaged(core.events_by_key(key(), FIRST, 9)),
                keys::DELIVERY => damaged(core.deliveries(EventOrder::BEGINNING, 9)),
                _ => damaged(core.schedule(&workflow())),
            };
            assert_eq!(read, name);
            let found = named(&core);
            assert!(
                found.len() == 1 && found[0].starts_with(&format!("{name} is damaged")),
                "{found:?}"
            );
        }
        table.tamper(&place, Some(intact));
        assert_eq!(named(&core), Vec::<String>::new());
    }
    // A page that ends before the damage is read as ever.
    let place = keys::delivery(SECOND);
    table.tamper(&place, Some(Vec::new()));
    let before = core.deliveries(EventOrder::BEGINNING, 1).unwrap();
    assert_eq!(before[0].0, FIRST);
}

#[test]
fn a_wait_that_disagrees_with_the_journal_of_its_run_is_named() {
    let (table, mut core, mut scripts) = furnished();
    let (first, second) = (scripts[0].run(), scripts[1].run());
    let row = |run: RunId| keys::wait(key(), run);
    let wait_of = |run: RunId| format!("wait of run {run} for event key {}", digest());
    let kept = table.get(&row(first)).unwrap();
    // Missing: an event would never find the run.
    table.tamper(&row(first), None);
    assert_eq!(
        named(&core),
        [format!("{} is damaged: it is missing", wait_of(first))]
    );
    // Damaged, and not missing as well.
    let mut value = kept.clone().unwrap();
    value[20] ^= 1;
    table.tamper(&row(first), Some(value));
    assert_eq!(
        named(&core),
        [format!(
            "{} is damaged: checksum of value does not hold",
            wait_of(first)
        )]
    );
    // Who waits is said by the key alone.
    let found = core.waiting_for(key(), None, 9).unwrap();
    assert_eq!(found, [first, second]);
    table.tamper(&row(first), kept.clone());
    // Left behind by the end of its run.
    let end = scripts[0].kill(core.fence());
    commit(&mut core, &end);
    assert_eq!(table.get(&row(first)).unwrap(), None);
    table.tamper(&row(first), kept);
    assert_eq!(
        named(&core),
        [format!("{} is damaged: the run has ended", wait_of(first))]
    );
    table.tamper(&row(first), None);
    assert_eq!(named(&core), Vec::<String>::new());
}

#[test]
fn a_wait_of_no_run_or_for_something_else_is_named() {
    let (table, mut core, mut scripts) = furnished();
    let other = EventKey([7; 16]);
    // Written by no engine of ours: waits that no entry speaks of.
    let receive = scripts[0].receive(core.fence(), &event_id(9));
    commit(&mut core, &receive);
    let mut step = scripts[0].step(core.fence(), 10);
    step.appends[0].waits.begun = vec![other];
    commit(&mut core, &step);
    let run = scripts[0].run();
    let named_other = hex::encode(other.0);
    let stray = format!(
        "wait of run {run} for event key {named_other} is damaged: the run does not wait for that"
    );
    assert_eq!(named(&core), std::slice::from_ref(&stray));
    // A run of which nothing else is left.
    let nobody = run_id(9);
    let of_nobody = keys::wait(other, nobody);
    let value = envelope::seal(ValueKind::Wait, &of_nobody, Some(nobody), Seq::FIRST, &[]);
    table.tamper(&of_nobody, Some(value.unwrap()));
    let lost = format!(
        "wait of run {nobody} for event key {named_other} is damaged: there is no such run"
    );
    assert_eq!(named(&core), [stray, lost]);
}

#[test]
fn a_run_whose_journal_is_damaged_is_accused_of_no_wait() {
    let (table, core, scripts) = furnished();
    let run = scripts[0].run();
    let place = keys::journal(run, Seq(1));
    let mut value = table.get(&place).unwrap().unwrap();
    value[40] ^= 1;
    table.tamper(&place, Some(value));
    let journal =
        format!("journal of run {run} is damaged at entry 1: checksum of value does not hold");
    assert_eq!(named(&core), [journal]);
}

#[test]
fn what_speaks_of_an_event_that_is_missing_is_named() {
    let (table, core, _) = furnished();
    table.tamper(&keys::event(&event_id(2)), None);
    let found = named(&core);
    let about = |what: &str| format!("{what} is damaged: its event event-2 is missing");
    assert!(found[0].starts_with("the set of journal blocks and events"));
    let index = format!("index of events by key {}, at 2 of opening 1", digest());
    assert_eq!(
        found[1..],
        [about(&index), about("delivery of event 2 of opening 1")]
    );
}

#[test]
fn a_large_signal_leaves_no_part_behind_when_it_is_taken() {
    let (_, table, mut core) = opened(&super::small());
    let script = waiting(&mut core, 1);
    let signal = InboxRow::Signal {
        name: "long".to_owned(),
        data: Payload::from_json(format!("\"{}\"", "s".repeat(100_000))),
    };
    let (run, id) = (script.run(), InboxId(5));
    put(&mut core, vec![Change::PutInbox(run, id, signal)]);
    let parts = || {
        let (from, to) = ([keys::PART], [keys::PART + 1]);
        let rows = table.scan(&from, Some(&to), Order::Ascending, usize::MAX);
        rows.unwrap().len()
    };
    assert!(parts() > 20, "{}", parts());
    put(&mut core, vec![Change::DeleteInbox(run, id)]);
    assert_eq!(parts(), 0);
    assert!(core.verify().unwrap().is_clean());
}
