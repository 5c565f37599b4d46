//! The envelope keeps what it is given and refuses everything else.

use super::*;
use crate::entry::*;
use crate::ids::StepAddress;
use crate::payload::Payload;

fn sealed() -> Vec<u8> {
    let run = RunId::from_bytes([9; 16]);
    seal(
        ValueKind::JournalBlock,
        b"key",
        Some(run),
        Seq(3),
        b"some body",
    )
    .unwrap()
}

#[test]
fn a_sealed_value_opens_under_its_own_key() {
    let value = sealed();
    let opened = open(b"key", &value).unwrap();
    assert_eq!(opened.kind, ValueKind::JournalBlock);
    assert_eq!(opened.run, Some(RunId::from_bytes([9; 16])));
    assert_eq!((opened.seq, opened.body), (Seq(3), b"some body".as_slice()));
}

#[test]
fn a_value_read_under_another_key_is_damage() {
    assert_eq!(open(b"kez", &sealed()), Err(DecodeError::Checksum));
}

#[test]
fn every_flipped_bit_of_a_value_is_noticed() {
    let value = sealed();
    for bit in 0..value.len() * 8 {
        let mut damaged = value.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(open(b"key", &damaged).is_err(), "bit {bit} went unnoticed");
    }
}

#[test]
fn every_truncation_of_a_value_is_noticed() {
    let value = sealed();
    for length in 0..value.len() {
        assert!(
            open(b"key", &value[..length]).is_err(),
            "length {length} went unnoticed"
        );
    }
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let mut value = sealed();
    value[2] = FORMAT + 1;
    assert_eq!(
        open(b"key", &value),
        Err(DecodeError::NewerFormat { found: FORMAT + 1 })
    );
}

#[test]
fn a_block_gives_back_its_entries_with_their_numbers() {
    let at = Timestamp::from_ms(1_700_000_000_123);
    let entries: Vec<Entry> = [
        EntryBody::CancelRequested(CancelRequested {
            reason: "no longer wanted".into(),
        }),
        EntryBody::Resumed,
        EntryBody::RunCompleted(RunCompleted {
            output: Payload::from_json("{\"ok\":true}"),
        }),
    ]
    .into_iter()
    .zip(5..)
    .map(|(body, seq)| Entry {
        seq: Seq(seq),
        at,
        body,
    })
    .collect();
    let body = encode_block(&entries).unwrap();
    assert_eq!(decode_block(FORMAT, Seq(5), &body).unwrap(), entries);
}

#[test]
fn a_huge_length_inside_a_body_asks_for_no_memory() {
    let mut fields = vec![0xfd];
    fields.extend_from_slice(&u64::MAX.to_le_bytes());
    let refused: Result<RunCompleted, _> = decode_fields("RunCompleted", &fields);
    assert_eq!(
        refused,
        Err(DecodeError::Fields {
            what: "RunCompleted"
        })
    );
}

/// One entry of every kind, with every field of it filled in.
fn one_of_each() -> Vec<EntryBody> {
    let mut bodies = of_steps_and_runs();
    bodies.extend(of_waits());
    bodies.extend(of_children_and_forks());
    bodies
}

fn at() -> Option<Timestamp> {
    Some(Timestamp::from_ms(1_700_000_000_123))
}

fn pay() -> StepAddress {
    StepAddress::root("pay", 2).unwrap()
}

fn in_branch() -> StepAddress {
    StepAddress {
        branch: pay().branch_path(1),
        ..pay()
    }
}

fn card() -> Payload {
    Payload::from_json("{\"by\":\"card\"}")
}

fn paid() -> Awaited {
    Awaited {
        name: "order/paid".into(),
        key: "7".into(),
    }
}

fn boom() -> Failure {
    Failure {
        step: Some(in_branch()),
        ..Failure::new(FailureClass::RetryAfter { delay_ms: 7 }, "boom")
    }
}

fn run_started() -> RunStarted {
    RunStarted {
        workflow: WorkflowName::new("pack"),
        version: 3,
        event: EventId::new("e4"),
        input_bytes: 20,
        since: EventOrder {
            opening: 2,
            number: 9,
        },
        parent: Some(Parent {
            run: RunId::from_bytes([3; 16]),
            step: in_branch(),
        }),
        cancel_on: vec![paid()],
        start_at: at(),
        start_by: at(),
        finish_by: at(),
        forked: Some(ForkedFrom {
            run: RunId::from_bytes([4; 16]),
            step: in_branch(),
        }),
    }
}

fn of_steps_and_runs() -> Vec<EntryBody> {
    let (failure, output) = (boom(), card());
    let reason = String::from("enough");
    let mismatch = QuarantineReason::Mismatch {
        recorded: "run pay".into(),
        attempted: "run ship".into(),
    };
    vec![
        EntryBody::RunStarted(run_started()),
        EntryBody::StepSucceeded(StepSucceeded {
            step: in_branch(),
            kind: StepKind::Transaction,
            attempt: 2,
            output: output.clone(),
            database: Some("shop".into()),
        }),
        EntryBody::StepFailed(StepFailed {
            step: pay(),
            kind: StepKind::Undo,
            attempt: 2,
            failure: failure.clone(),
            retry_at: at(),
        }),
        EntryBody::Recovered(Recovered {
            step: Some((pay(), StepKind::Send)),
            attempt: 2,
            alone: true,
        }),
        EntryBody::AttemptFailed(AttemptFailed {
            attempt: 2,
            failure: failure.clone(),
            retry_at: Timestamp::from_ms(9),
        }),
        EntryBody::CancelRequested(CancelRequested { reason }),
        EntryBody::RunCompleted(RunCompleted { output }),
        EntryBody::RunFailed(RunFailed { failure }),
        EntryBody::RunCancelled,
        EntryBody::Quarantined(Quarantined { reason: mismatch }),
        EntryBody::Resumed,
    ]
}

fn of_waits() -> Vec<EntryBody> {
    let (step, event, data) = (pay(), EventId::new("e4"), card());
    let on = WaitOn::Event {
        awaited: paid(),
        judged: true,
    };
    vec![
        EntryBody::WaitStarted(WaitStarted {
            step: step.clone(),
            on,
            until: at(),
        }),
        EntryBody::WaitTimedOut(WaitTimedOut { step: step.clone() }),
        EntryBody::EventOffered(EventOffered {
            step: step.clone(),
            event: event.clone(),
            data: data.clone(),
        }),
        EntryBody::EventReceived(EventReceived {
            step: step.clone(),
            event: event.clone(),
            data: Some(data.clone()),
        }),
        EntryBody::EventRejected(EventRejected { step, event }),
        EntryBody::SignalReceived(SignalReceived {
            name: "approve".into(),
            data,
        }),
    ]
}

fn of_children_and_forks() -> Vec<EntryBody> {
    let (run, step) = (RunId::from_bytes([3; 16]), pay());
    vec![
        EntryBody::ChildStarted(ChildStarted {
            step: step.clone(),
            run,
            workflow: WorkflowName::new("pack"),
            detached: true,
            close: ParentClose::Abandon,
        }),
        EntryBody::ForkStarted(ForkStarted {
            step: step.clone(),
            kind: StepKind::Map,
            branches: 9,
            limit: 3,
        }),
        EntryBody::BranchEnded(BranchEnded {
            fork: step.clone(),
            branch: 8,
            value: Some(Err(boom())),
        }),
        EntryBody::UndoStarted(UndoStarted {
            scope: step,
            failure: Some(boom()),
        }),
        EntryBody::RunContinued(RunContinued { next: run }),
        EntryBody::RunKilled(RunKilled {
            reason: "at once".into(),
        }),
        EntryBody::Patched(Patched {
            branch: in_branch().branch,
            patch: "new-way".into(),
        }),
        EntryBody::Paused(Paused {
            reason: "wait".into(),
        }),
        EntryBody::Retried(Retried {
            reason: "mended".into(),
            steps: vec![pay(), in_branch()],
        }),
    ]
}

#[test]
fn an_entry_of_every_kind_is_read_back_as_written() {
    let bodies = one_of_each();
    let kinds: Vec<u8> = bodies.iter().map(entry_kind).collect();
    assert_eq!(kinds, (1..=26).collect::<Vec<u8>>());
    let entries: Vec<Entry> = bodies
        .into_iter()
        .zip(0..)
        .map(|(body, seq)| Entry {
            seq: Seq(seq),
            at: Timestamp::from_ms(seq * 1_000),
            body,
        })
        .collect();
    let written = encode_block(&entries).unwrap();
    assert_eq!(decode_block(FORMAT, Seq::FIRST, &written).unwrap(), entries);
    for length in 1..written.len() {
        // Cut anywhere, a block gives its beginning or nothing, and never something else.
        if let Ok(read) = decode_block(FORMAT, Seq::FIRST, &written[..length]) {
            assert_eq!(read, entries[..read.len()]);
        }
    }
}
