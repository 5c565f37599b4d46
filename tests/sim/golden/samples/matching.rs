//! What brings events and runs together: waits, events on their way, signals, schedules.

use stepwell_core::entry::{
    EventOffered, EventReceived, EventRejected, RunStarted, SignalReceived, StepSucceeded,
    WaitStarted, WaitTimedOut,
};
use stepwell_core::{
    Awaited, EntryBody, EventId, EventKey, EventOrder, Parent, Payload, StepKind, Timestamp, WaitOn,
};
use stepwell_store::{
    Change, DeliveryRow, EventKeyRow, InboxRow, RowOp, ScheduleRow, WaitChange, keys,
};

use super::{append, at, block, child, completed, plain_start, request, rows, run, step, workflow};

pub(super) fn all() -> Vec<(String, Vec<RowOp>)> {
    let change = |change| rows(vec![], vec![change]);
    let named = |name: &str, rows| (name.to_owned(), rows);
    vec![
        block("run-started-terms", [terms()]),
        block("wait-started", waits()),
        block("wait-timed-out", [timed_out()]),
        block("event-offered", [offered()]),
        block("event-received", receipts()),
        block("event-rejected", [rejected()]),
        block("signal-received", [signalled()]),
        named("waiting-run", waiting_run()),
        named("wait", wait_row()),
        named(
            "event-key",
            change(Change::IndexEvent(key(), order(), indexed())),
        ),
        named("delivery", change(delivery(None))),
        named("delivery-under-way", change(delivery(Some(run())))),
        named(
            "schedule",
            change(Change::PutSchedule(workflow(), schedule())),
        ),
        named("inbox-event", request(arrived())),
        named("inbox-signal", request(signal())),
    ]
}

fn awaited() -> Awaited {
    Awaited {
        name: "store/payment.captured".to_owned(),
        key: "o-1".to_owned(),
    }
}

fn key() -> EventKey {
    awaited().digest()
}

fn order() -> EventOrder {
    EventOrder {
        opening: 300,
        number: 70_000,
    }
}

fn event() -> EventId {
    EventId::new("evt_1Q0öé-2")
}

/// Everything a start can say.
fn terms() -> EntryBody {
    EntryBody::RunStarted(RunStarted {
        since: order(),
        parent: Some(Parent {
            run: child(),
            step: step("ship"),
        }),
        cancel_on: vec![
            awaited(),
            Awaited {
                name: "store/closed".to_owned(),
                key: String::new(),
            },
        ],
        start_at: Some(at(1_000)),
        start_by: Some(at(60_000)),
        finish_by: Some(at(3_600_000)),
        ..plain_start()
    })
}

fn wait(name: &str, on: WaitOn, until: Option<Timestamp>) -> EntryBody {
    EntryBody::WaitStarted(WaitStarted {
        step: step(name),
        on,
        until,
    })
}

fn for_event(judged: bool) -> WaitOn {
    WaitOn::Event {
        awaited: awaited(),
        judged,
    }
}

/// Everything there is to wait for.
fn waits() -> Vec<EntryBody> {
    let signal = WaitOn::Signal {
        name: "approved".to_owned(),
    };
    vec![
        wait("a-day", WaitOn::Until, Some(at(86_400_000))),
        wait("payment", for_event(false), Some(at(3_600_000))),
        wait("large-payment", for_event(true), None),
        wait("approval", signal, None),
    ]
}

fn timed_out() -> EntryBody {
    EntryBody::WaitTimedOut(WaitTimedOut {
        step: step("payment"),
    })
}

fn offered() -> EntryBody {
    EntryBody::EventOffered(EventOffered {
        step: step("large-payment"),
        event: event(),
        data: Payload::from_json("{\"orderId\":\"o-1\",\"cents\":70000}"),
    })
}

/// With its data, and where an offer holds it.
fn receipts() -> Vec<EntryBody> {
    let data = Payload::from_json("{\"orderId\":\"o-1\",\"cents\":5}");
    [("payment", Some(data)), ("large-payment", None)]
        .into_iter()
        .map(|(name, data)| {
            EntryBody::EventReceived(EventReceived {
                step: step(name),
                event: event(),
                data,
            })
        })
        .collect()
}

fn rejected() -> EntryBody {
    EntryBody::EventRejected(EventRejected {
        step: step("large-payment"),
        event: event(),
    })
}

fn signalled() -> EntryBody {
    EntryBody::SignalReceived(SignalReceived {
        name: "approved".to_owned(),
        data: Payload::from_json("{\"by\":\"ada\"}"),
    })
}

/// A journal of waits from birth to end, in blocks as its commits left them, with the row of each
/// wait that one of them began.
fn waiting_run() -> Vec<RowOp> {
    let mut blocks = vec![
        append(0, [EntryBody::RunStarted(plain_start())]),
        append(1, [wait("a-day", WaitOn::Until, Some(at(20)))]),
        append(
            2,
            [EntryBody::StepSucceeded(StepSucceeded {
                step: step("a-day"),
                kind: StepKind::Sleep,
                attempt: 1,
                output: Payload::null(),
                database: None,
            })],
        ),
        append(3, [wait("large-payment", for_event(true), None)]),
        append(4, [offered()]),
        append(5, receipts().into_iter().skip(1).chain([completed()])),
    ];
    blocks[3].waits.begun = vec![key()];
    rows(blocks, vec![])
}

fn wait_row() -> Vec<RowOp> {
    let mut append = append(300, [EntryBody::Resumed]);
    append.waits = WaitChange {
        begun: vec![key()],
        over: Vec::new(),
    };
    let mut rows = rows(vec![append], vec![]);
    rows.retain(|row| row.key[0] == keys::WAIT);
    rows
}

fn indexed() -> EventKeyRow {
    EventKeyRow {
        event: event(),
        received_at: at(25),
    }
}

fn delivery(after: Option<stepwell_core::RunId>) -> Change {
    let row = DeliveryRow {
        event: event(),
        key: key(),
        after,
    };
    Change::PutDelivery(order(), row)
}

fn schedule() -> ScheduleRow {
    ScheduleRow {
        expression: "30 2 * * 1-5".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        considered: at(60_000),
        last_run: Some(run()),
    }
}

fn arrived() -> InboxRow {
    InboxRow::Event {
        event: event(),
        key: key(),
        order: order(),
    }
}

fn signal() -> InboxRow {
    InboxRow::Signal {
        name: "approved".to_owned(),
        data: Payload::from_json("{\"by\":\"ada\"}"),
    }
}
