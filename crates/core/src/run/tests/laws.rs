//! What must hold after every command, whoever made it up.

use super::script::the_run;
use crate::entry::{
    Entry, EntryBody, Failure, FailureClass, QuarantineReason, RunStarted, StepKind,
};
use crate::envelope::{decode_block, encode_block};
use crate::ids::{EventId, Seq, StepAddress, WorkflowName};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{Command, Decision, Ended, FinishStep, Mark, Refusal, Reply, StartStep};
use crate::run::state::{RunState, StepProgress};
use crate::run::{Illegal, Next, apply, begin, decide, fold, next};
use crate::time::Timestamp;

/// A run that has its first entry and nothing else.
pub(super) fn begun() -> (Vec<Entry>, RunState) {
    let started = RunStarted {
        workflow: WorkflowName::new("fulfill-order"),
        version: 1,
        event: EventId::new("order-1"),
        input_bytes: 20,
    };
    let journal = vec![begin(started, Timestamp::from_ms(0))];
    let state = fold(the_run(), &journal).unwrap();
    (journal, state)
}

/// A policy without jitter: waits of 1, 2, 4, … seconds up to a minute.
pub(super) fn policy(attempts_max: u32) -> RetryPolicy {
    RetryPolicy {
        attempts_max,
        initial_ms: 1_000,
        max_ms: 60_000,
        jitter_percent: 0,
    }
}

/// A JSON string of exactly `bytes` bytes, its quotes included.
pub(super) fn payload_of(bytes: usize) -> Payload {
    Payload::from_json(format!("\"{}\"", "x".repeat(bytes - 2)))
}

/// Gives `command` to the run, holds every law against what comes of it, and moves the run on.
#[track_caller]
pub(super) fn obey(
    journal: &mut Vec<Entry>,
    state: &mut RunState,
    command: Command,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let answer = decide(state, command.clone(), now);
    let once_more = decide(&state.clone(), command.clone(), now);
    assert_eq!(answer, once_more, "the same question, another answer");
    let Ok(decision) = &answer else {
        return answer;
    };
    let mut after = state.clone();
    for (entry, seq) in decision.entries.iter().zip(state.next_seq.0..) {
        assert_eq!(entry.seq, Seq(seq), "entries are numbered on from the run");
        assert_eq!(
            entry.at,
            now.max(state.changed_at),
            "time stands or goes on"
        );
        after = apply(after, entry)
            .unwrap_or_else(|illegal| panic!("{command:?} gave {entry:?}: {illegal}"));
    }
    if decision.entries.is_empty() {
        assert_eq!(&after, state, "nothing written, nothing changed");
    } else {
        journal.extend_from_slice(&decision.entries);
        is_the_fold(journal, &after);
        is_consistent(&after);
    }
    reply_rests_on_state(state, &after, &command, decision, now);
    *state = after;
    answer
}

/// The state comes from its journal and from nothing else, also after the journal was stored.
#[track_caller]
pub(super) fn is_the_fold(journal: &[Entry], state: &RunState) {
    let stored = encode_block(journal).unwrap();
    let read = decode_block(Seq::FIRST, &stored).unwrap();
    assert_eq!(read, journal, "a stored journal is read back as written");
    assert_eq!(
        encode_block(&read).unwrap(),
        stored,
        "same entries, same bytes"
    );
    assert_eq!(
        &fold(state.run, &read).unwrap(),
        state,
        "the state is the fold"
    );
    assert_eq!(state.next_seq, Seq(journal.len() as u64));
}

/// What every state has in common.
#[track_caller]
pub(super) fn is_consistent(state: &RunState) {
    let ordered: usize = state.order.values().map(Vec::len).sum();
    assert_eq!(ordered, state.steps.len(), "every step has one place");
    for line in state.order.values() {
        for address in &line[..line.len() - 1] {
            let open = matches!(state.steps[address].progress, StepProgress::Open { .. });
            assert!(!open, "step {address} was left open");
        }
    }
    let held = state.quarantined.is_some();
    assert!(
        !held || state.outcome.is_none(),
        "a run that ended is held by nobody"
    );
    let now = state.changed_at;
    assert_eq!(next(state, now) == Next::Done, state.outcome.is_some());
    assert_eq!(state.status(now).ended(), state.outcome.is_some());
    for later_ms in [0, 1_000, 100_000_000] {
        let later = Timestamp::from_ms(now.as_ms() + later_ms);
        if let Next::WakeAt(at) = next(state, later) {
            assert!(at > later, "waking at {at}, which is past at {later}");
        }
    }
}

/// An answer says no more than the journal: whoever dies before acting on it is told again.
#[track_caller]
fn reply_rests_on_state(
    before: &RunState,
    after: &RunState,
    command: &Command,
    decision: &Decision,
    now: Timestamp,
) {
    let now = now.max(before.changed_at);
    match &decision.reply {
        Reply::Stop => assert!(
            matches!(next(after, now), Next::Done | Next::Held | Next::Conclude),
            "stopped, though there is something to drive"
        ),
        Reply::Execute { attempt } => {
            assert!(
                decision.entries.is_empty(),
                "nothing is written before a body"
            );
            let Command::StartStep(ask) = command else {
                panic!("a body began for {command:?}");
            };
            // Another branch may be waiting meanwhile; a line of its own is driven when it asks.
            let others = after.order.keys().any(|branch| *branch != ask.step.branch);
            assert!(
                others || next(after, now) == Next::Drive,
                "a body began though none is due"
            );
            let due = after
                .steps
                .get(&ask.step)
                .map_or(1, |step| step.next_attempt());
            assert_eq!(*attempt, due);
        }
        Reply::Recorded(outcome) => {
            let Command::StartStep(ask) = command else {
                panic!("a result was handed out for {command:?}");
            };
            let recorded = StepProgress::Done(outcome.clone());
            assert_eq!(after.steps[&ask.step].progress, recorded);
        }
        Reply::Park { until } => {
            assert!(*until >= now);
            let code = after.code_retry_at == Some(*until);
            let waits = |step: &StepProgress| {
                *step
                    == StepProgress::Open {
                        retry_at: Some(*until),
                    }
            };
            let step = after.steps.values().any(|step| waits(&step.progress));
            assert!(code || step, "parked until an instant nobody recorded");
        }
        Reply::Accepted => {}
    }
    if let Command::StartStep(_) = command {
        let again = decide(after, command.clone(), now).unwrap();
        assert_eq!(
            again.reply, decision.reply,
            "asked again, told something else"
        );
        assert_eq!(again.entries, [], "asked again, written again");
    }
}

/// `apply` takes `entry` exactly when some command makes `decide` emit it.
#[track_caller]
pub(super) fn is_closed_for(state: &RunState, entry: &Entry) -> Result<RunState, Illegal> {
    let emitted = witness(state, entry)
        .and_then(|command| decide(state, command, entry.at).ok())
        .is_some_and(|decision| decision.entries.contains(entry));
    let applied = apply(state.clone(), entry);
    assert_eq!(
        applied.is_ok(),
        emitted,
        "emitted: {emitted}, applied: {applied:?}, {entry:?} to {state:?}"
    );
    applied
}

/// The command that makes `decide` emit `entry`, if any does.
fn witness(state: &RunState, entry: &Entry) -> Option<Command> {
    let passed = state.order.get("").map_or(0, Vec::len);
    let wait = |until: Timestamp| RetryPolicy {
        attempts_max: u32::MAX,
        initial_ms: until.since(entry.at).as_millis() as u64,
        max_ms: until.since(entry.at).as_millis() as u64,
        jitter_percent: 0,
    };
    Some(match entry.body.clone() {
        EntryBody::RunStarted(_) => return None,
        EntryBody::StepSucceeded(fields) => Command::FinishStep(FinishStep {
            step: fields.step,
            kind: fields.kind,
            attempt: fields.attempt,
            result: Ok(fields.output),
            policy: policy(1),
            database: fields.database,
        }),
        EntryBody::StepFailed(fields) => Command::FinishStep(FinishStep {
            step: fields.step,
            kind: fields.kind,
            attempt: fields.attempt,
            result: Err(fields.failure),
            policy: fields.retry_at.map_or(policy(1), wait),
            database: None,
        }),
        EntryBody::Recovered(fields) => Command::Recover(Mark {
            step: fields.step,
            attempt: fields.attempt,
            seq: state.next_seq,
            alone: fields.alone,
        }),
        EntryBody::AttemptFailed(fields) => Command::FinishRun {
            ended: Ended::Failed(fields.failure),
            passed,
            policy: wait(fields.retry_at),
        },
        EntryBody::CancelRequested(fields) => Command::RequestCancel {
            reason: fields.reason,
        },
        EntryBody::RunCompleted(fields) => Command::FinishRun {
            ended: Ended::Returned(fields.output),
            passed,
            policy: policy(1),
        },
        EntryBody::RunFailed(fields) => Command::FinishRun {
            ended: Ended::Failed(fields.failure),
            passed,
            policy: policy(0),
        },
        EntryBody::RunCancelled => Command::ConcludeCancel,
        EntryBody::Quarantined(fields) => Command::Quarantine(fields.reason),
        EntryBody::Resumed => Command::Resume,
    })
}

/// The name of a refusal by `apply`, to see that each is met.
pub(super) fn illegal_name(illegal: &Illegal) -> &'static str {
    match illegal {
        Illegal::Empty => "Empty",
        Illegal::NotStarted => "NotStarted",
        Illegal::StartedTwice { .. } => "StartedTwice",
        Illegal::OutOfSequence { .. } => "OutOfSequence",
        Illegal::AfterEnd { .. } => "AfterEnd",
        Illegal::WhileQuarantined { .. } => "WhileQuarantined",
        Illegal::NothingToConclude { .. } => "NothingToConclude",
        Illegal::RecordedTwice { .. } => "RecordedTwice",
        Illegal::AttemptOutOfOrder { .. } => "AttemptOutOfOrder",
        Illegal::KindDiffers { .. } => "KindDiffers",
        Illegal::LeftOpen { .. } => "LeftOpen",
        Illegal::FailureOutOfOrder { .. } => "FailureOutOfOrder",
        Illegal::CancelledTwice { .. } => "CancelledTwice",
        Illegal::BackInTime { .. } => "BackInTime",
    }
}

/// The name of a refusal by `decide`, to see that each is met.
pub(super) fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Ended { .. } => "Ended",
        Refusal::Quarantined => "Quarantined",
        Refusal::NotQuarantined { .. } => "NotQuarantined",
        Refusal::StaleAttempt { .. } => "StaleAttempt",
        Refusal::AlreadyRecorded { .. } => "AlreadyRecorded",
        Refusal::KindDiffers { .. } => "KindDiffers",
        Refusal::LeftOpen { .. } => "LeftOpen",
        Refusal::NotCancelling => "NotCancelling",
    }
}

/// The name of an answer, to see that each is given.
pub(super) fn reply_name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Recorded(_) => "Recorded",
        Reply::Execute { .. } => "Execute",
        Reply::Park { .. } => "Park",
        Reply::Stop => "Stop",
        Reply::Accepted => "Accepted",
    }
}

/// The step of that name on the workflow's own line.
pub(super) fn step(name: &str) -> StepAddress {
    StepAddress::root(name, 1).unwrap()
}

pub(super) fn ask(step: StepAddress, kind: StepKind, position: usize) -> Command {
    Command::StartStep(StartStep {
        step,
        kind,
        position,
    })
}

pub(super) fn report(
    step: StepAddress,
    kind: StepKind,
    attempt: u32,
    result: Result<Payload, Failure>,
) -> Command {
    Command::FinishStep(FinishStep {
        step,
        kind,
        attempt,
        result,
        policy: policy(3),
        database: None,
    })
}

pub(super) fn end(ended: Ended, passed: usize) -> Command {
    Command::FinishRun {
        ended,
        passed,
        policy: policy(2),
    }
}

pub(super) fn boom(class: FailureClass) -> Failure {
    Failure::new(class, "boom")
}

pub(super) fn unknown() -> QuarantineReason {
    QuarantineReason::UnknownWorkflow {
        workflow: WorkflowName::new("gone"),
    }
}
