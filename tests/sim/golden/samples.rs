//! One of everything that can be stored, made by today's encoder.

use std::sync::Arc;

use stepwell_core::entry::{
    AttemptFailed, CancelRequested, Quarantined, Recovered, RunCompleted, RunFailed, RunStarted,
    StepFailed, StepSucceeded,
};
use stepwell_core::envelope::{self, ValueKind};
use stepwell_core::run::RunStatus;
use stepwell_core::{
    Entry, EntryBody, EventId, EventOrder, Failure, FailureClass, Fence, Payload, QuarantineReason,
    RunId, Seq, StepAddress, StepKind, Timestamp, WorkflowName,
};
use stepwell_store::{
    AgendaChange, Append, Change, Commit, EventRow, InboxId, InboxRow, RowOp, RunHead, Seen,
    WaitChange, keys,
};

mod branching;
mod matching;
mod repair;

/// Every sample by the name of its fixture.
pub(super) fn all() -> Vec<(String, Vec<RowOp>)> {
    let mut all = vec![
        block("run-started", [started()]),
        block("step-succeeded", successes()),
        block("step-failed", failures()),
        block("recovered", recoveries()),
        block("attempt-failed", [attempt_failed()]),
        block("cancel-requested", [cancel_requested()]),
        block("run-completed", [completed()]),
        block("run-failed", run_failures()),
        block("run-cancelled", [EntryBody::RunCancelled]),
        block("quarantined", quarantines()),
        block("resumed", [EntryBody::Resumed]),
        ("whole-run".to_owned(), whole_run()),
        (
            "event".to_owned(),
            rows(vec![], vec![Change::NewEvent(event())]),
        ),
        (
            "event-bare".to_owned(),
            rows(vec![], vec![Change::NewEvent(bare_event())]),
        ),
        ("inbox-cancel".to_owned(), request(cancel_row())),
        ("inbox-resume".to_owned(), request(InboxRow::Resume)),
        ("agenda".to_owned(), agenda()),
        ("parts".to_owned(), parts()),
        ("store".to_owned(), vec![store_row()]),
    ];
    for status in RunStatus::ALL {
        all.push((format!("head-{status}"), head_rows(status)));
    }
    all.extend(matching::all());
    all.extend(branching::all());
    all.extend(repair::all());
    all
}

fn run() -> RunId {
    "01JD4ZX8T0WQ9V3C5H7K2M4N6P".parse().unwrap()
}

/// Another run.
fn child() -> RunId {
    "01JD4ZX9A4B7C2D5E8F1G3H6J0".parse().unwrap()
}

/// An instant `ms` after the one all samples begin at.
fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(1_763_800_000_000 + ms)
}

fn workflow() -> WorkflowName {
    WorkflowName::new("fulfill-order")
}

fn step(name: &str) -> StepAddress {
    StepAddress::root(name, 1).unwrap()
}

/// Rows as a commit of these appends and changes writes them.
fn rows(appends: Vec<Append>, changes: Vec<Change>) -> Vec<RowOp> {
    let commit = Commit {
        fence: Fence(1),
        seen: Seen::default(),
        appends,
        changes,
    };
    commit.row_ops().unwrap()
}

fn append(first: u64, bodies: impl IntoIterator<Item = EntryBody>) -> Append {
    let entries = (first..)
        .zip(bodies)
        .map(|(seq, body)| Entry {
            seq: Seq(seq),
            at: at(seq * 10),
            body,
        })
        .collect();
    Append {
        run: run(),
        expected: Seq(first),
        entries,
        head: None,
        agenda: AgendaChange::default(),
        waits: WaitChange::default(),
    }
}

/// A journal block: of the first entry, or of later ones.
fn block(name: &str, bodies: impl IntoIterator<Item = EntryBody>) -> (String, Vec<RowOp>) {
    let bodies: Vec<EntryBody> = bodies.into_iter().collect();
    let is_start = matches!(bodies[0], EntryBody::RunStarted(_));
    let first = if is_start { 0 } else { 300 };
    (name.to_owned(), rows(vec![append(first, bodies)], vec![]))
}

/// By an event, without any terms.
fn plain_start() -> RunStarted {
    RunStarted {
        workflow: workflow(),
        version: 3,
        event: EventId::new("evt_1Q0öé"),
        input_bytes: 70_000,
        since: EventOrder::BEGINNING,
        parent: None,
        cancel_on: Vec::new(),
        start_at: None,
        start_by: None,
        finish_by: None,
        forked: None,
    }
}

fn started() -> EntryBody {
    EntryBody::RunStarted(plain_start())
}

fn succeeded(
    step: StepAddress,
    kind: StepKind,
    attempt: u32,
    json: &str,
    database: Option<&str>,
) -> EntryBody {
    EntryBody::StepSucceeded(StepSucceeded {
        step,
        kind,
        attempt,
        output: Payload::from_json(json),
        database: database.map(str::to_owned),
    })
}

/// Every kind of step; a long output, a late attempt, a branch, a repeated name.
fn successes() -> Vec<EntryBody> {
    let long = format!("\"{}\"", "long ".repeat(60));
    let in_branch = StepAddress {
        branch: Arc::from("each/2"),
        ..step("ship")
    };
    let repeated = StepAddress {
        nth: 70_000,
        ..step("poll")
    };
    vec![
        succeeded(
            step("capture-payment"),
            StepKind::Run,
            300,
            "{\"id\":\"ch_7\"}",
            None,
        ),
        succeeded(
            step("reserve-inventory"),
            StepKind::Transaction,
            1,
            "[1,2]",
            Some("shop"),
        ),
        succeeded(step("placed-at"), StepKind::Now, 1, "1763800000000", None),
        succeeded(repeated, StepKind::Random, 1, "18446744073709551615", None),
        succeeded(in_branch, StepKind::Ulid, 1, &long, None),
    ]
}

fn failure(class: FailureClass, message: &str, step: Option<StepAddress>) -> Failure {
    Failure {
        class,
        message: message.to_owned(),
        step,
    }
}

fn failed(attempt: u32, class: FailureClass, retry_at: Option<Timestamp>) -> EntryBody {
    EntryBody::StepFailed(StepFailed {
        step: step("send-confirmation"),
        kind: StepKind::Run,
        attempt,
        failure: failure(class, "mail server said \"later\"", None),
        retry_at,
    })
}

/// Every class of failure, with and without another attempt.
fn failures() -> Vec<EntryBody> {
    vec![
        failed(1, FailureClass::Retryable, Some(at(1_000))),
        failed(
            2,
            FailureClass::RetryAfter { delay_ms: 90_000 },
            Some(at(91_000)),
        ),
        failed(3, FailureClass::Terminal, None),
        failed(4, FailureClass::TimedOut, Some(at(200_000))),
        failed(5, FailureClass::Panicked, None),
    ]
}

fn recoveries() -> Vec<EntryBody> {
    let in_flight = Some((step("reserve-inventory"), StepKind::Transaction));
    [(in_flight, 2, true), (None, 1, false)]
        .into_iter()
        .map(|(step, attempt, alone)| {
            EntryBody::Recovered(Recovered {
                step,
                attempt,
                alone,
            })
        })
        .collect()
}

fn attempt_failed() -> EntryBody {
    EntryBody::AttemptFailed(AttemptFailed {
        attempt: 1,
        failure: failure(FailureClass::Panicked, "index out of bounds", None),
        retry_at: at(5_000),
    })
}

fn cancel_requested() -> EntryBody {
    EntryBody::CancelRequested(CancelRequested {
        reason: "customer left".to_owned(),
    })
}

fn completed() -> EntryBody {
    EntryBody::RunCompleted(RunCompleted {
        output: Payload::from_json("{\"ok\":true}"),
    })
}

fn run_failures() -> Vec<EntryBody> {
    let spent = Some(step("capture-payment"));
    [
        failure(FailureClass::Terminal, "no such product", None),
        failure(FailureClass::Retryable, "card declined", spent),
    ]
    .into_iter()
    .map(|failure| EntryBody::RunFailed(RunFailed { failure }))
    .collect()
}

/// Every reason.
fn quarantines() -> Vec<EntryBody> {
    let poison = |step, recoveries| QuarantineReason::Poison { step, recoveries };
    [
        QuarantineReason::Mismatch {
            recorded: "run capture-payment".to_owned(),
            attempted: "run charge-card".to_owned(),
        },
        poison(Some(step("reserve-inventory")), 3),
        poison(None, 3),
        QuarantineReason::Damaged {
            seq: Seq(9),
            what: "checksum of value does not hold".to_owned(),
        },
        QuarantineReason::UnknownWorkflow {
            workflow: workflow(),
        },
    ]
    .into_iter()
    .map(|reason| EntryBody::Quarantined(Quarantined { reason }))
    .collect()
}

/// A journal from birth to end, in blocks as its commits left them.
fn whole_run() -> Vec<RowOp> {
    let retried = StepFailed {
        step: step("capture-payment"),
        kind: StepKind::Run,
        attempt: 1,
        failure: failure(FailureClass::Retryable, "connection reset", None),
        retry_at: Some(at(1_010)),
    };
    let cut_short = Recovered {
        step: Some((step("capture-payment"), StepKind::Run)),
        attempt: 2,
        alone: false,
    };
    let captured = succeeded(
        step("capture-payment"),
        StepKind::Run,
        3,
        "{\"id\":\"ch_7\"}",
        None,
    );
    let reserved = succeeded(
        step("reserve-inventory"),
        StepKind::Transaction,
        1,
        "{\"left\":4}",
        Some("shop"),
    );
    let blocks = vec![
        append(0, [started()]),
        append(1, [EntryBody::StepFailed(retried)]),
        append(2, [EntryBody::Recovered(cut_short)]),
        append(3, [captured]),
        append(4, [reserved, completed()]),
    ];
    rows(blocks, vec![])
}

fn head_rows(status: RunStatus) -> Vec<RowOp> {
    let waiting = status == RunStatus::Waiting;
    let mut append = append(300, [EntryBody::Resumed]);
    append.head = Some(RunHead {
        run: run(),
        workflow: workflow(),
        version: 3,
        event: EventId::new("evt_1Q0öé"),
        status,
        started_at: at(0),
        changed_at: at(3_000),
        ended_at: status.ended().then(|| at(3_000)),
        wake_at: waiting.then(|| at(60_000)),
    });
    let mut rows = rows(vec![append], vec![]);
    rows.retain(|row| row.key[0] == keys::HEAD);
    rows
}

fn agenda() -> Vec<RowOp> {
    let mut append = append(300, [EntryBody::Resumed]);
    append.agenda.now = Some(at(60_000));
    let mut rows = rows(vec![append], vec![]);
    rows.retain(|row| row.key[0] == keys::AGENDA);
    rows
}

fn event() -> EventRow {
    EventRow {
        id: EventId::new("evt_1Q0öé"),
        name: "store/order.placed".to_owned(),
        data: Payload::from_json("{\"orderId\":\"o-1\",\"lines\":[{\"sku\":\"mug\",\"n\":2}]}"),
        user: Some(Payload::from_json("{\"email\":\"a@example.com\"}")),
        v: Some("2026-11-22".to_owned()),
        ts: Some(at(0)),
        received_at: at(25),
        runs: vec![run(), RunId::from_bytes([0xab; 16])],
    }
}

fn bare_event() -> EventRow {
    EventRow {
        id: EventId::new("o-1"),
        name: "store/order.placed".to_owned(),
        data: Payload::null(),
        user: None,
        v: None,
        ts: None,
        received_at: at(25),
        runs: Vec::new(),
    }
}

fn cancel_row() -> InboxRow {
    InboxRow::Cancel {
        reason: "customer left".to_owned(),
    }
}

fn request(row: InboxRow) -> Vec<RowOp> {
    let id = InboxId(0x0193_4a5b_6c7d_8e9f_0011_2233_4455_6677);
    rows(vec![], vec![Change::PutInbox(run(), id, row)])
}

/// A value too large for one row, as the embedded store cuts it: head and first slice, then parts.
fn parts() -> Vec<RowOp> {
    let first_key = keys::journal(run(), Seq(300));
    let part_key = keys::part(&first_key, 1);
    let whole = b"a value in two parts";
    let (slice, rest) = whole.split_at(12);
    let mut body = Vec::new();
    body.extend_from_slice(&(whole.len() as u32).to_le_bytes());
    body.extend_from_slice(&0x6633_8965_u32.to_le_bytes());
    body.extend_from_slice(&1_u32.to_le_bytes());
    body.extend_from_slice(slice);
    vec![
        sealed(ValueKind::Chunked, first_key, &body),
        sealed(ValueKind::Chunk, part_key, rest),
    ]
}

/// What the embedded store knows of how far it is settled.
fn store_row() -> RowOp {
    let mut body = vec![1];
    body.extend_from_slice(&1_u32.to_le_bytes());
    body.extend_from_slice(&4_711_u64.to_le_bytes());
    body.extend_from_slice(&0_u32.to_le_bytes());
    body.extend_from_slice(&1_000_u64.to_le_bytes());
    body.extend_from_slice(&5_555_u64.to_le_bytes());
    body.extend_from_slice(&0x0123_4567_89ab_cdef_u64.to_le_bytes());
    sealed(ValueKind::Store, keys::meta("settled"), &body)
}

fn sealed(kind: ValueKind, key: Vec<u8>, body: &[u8]) -> RowOp {
    let value = envelope::seal(kind, &key, None, Seq::FIRST, body).unwrap();
    RowOp {
        key,
        value: Some(value),
    }
}
