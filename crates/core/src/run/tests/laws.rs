//! What must hold after every command, whoever made it up.

use super::naive;
use super::script::the_run;
use super::witness::witness;
use crate::entry::{
    Entry, EntryBody, Failure, FailureClass, QuarantineReason, RunStarted, StepKind,
};
use crate::envelope::{FORMAT, decode_block, encode_block};
use crate::ids::{EventId, EventOrder, Seq, StepAddress, WorkflowName};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{Command, Decision, Ended, FinishStep, Refusal, Reply, StartStep};
use crate::run::state::{RunState, StepProgress, Wait};
use crate::run::{Illegal, Next, apply, begin, decide, fold, next};
use crate::time::Timestamp;

/// How the runs here start: by an event, on no terms.
pub(super) fn started() -> RunStarted {
    RunStarted {
        workflow: WorkflowName::new("fulfill-order"),
        version: 1,
        event: EventId::new("order-1"),
        input_bytes: 20,
        since: EventOrder {
            opening: 1,
            number: 1,
        },
        parent: None,
        cancel_on: Vec::new(),
        start_at: None,
        start_by: None,
        finish_by: None,
        forked: None,
    }
}

/// A run that has its first entry and nothing else.
pub(super) fn begun() -> (Vec<Entry>, RunState) {
    begun_as(started())
}

/// [`begun`], on terms.
pub(super) fn begun_as(started: RunStarted) -> (Vec<Entry>, RunState) {
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
    reply_rests_on_state(&after, &command, decision, now);
    *state = after;
    answer
}

/// The state comes from its journal and from nothing else, also after the journal was stored.
#[track_caller]
pub(super) fn is_the_fold(journal: &[Entry], state: &RunState) {
    let stored = encode_block(journal).unwrap();
    let read = decode_block(FORMAT, Seq::FIRST, &stored).unwrap();
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
    assert_eq!(
        state.bytes,
        naive::bytes(journal),
        "every byte is counted once"
    );
}

/// What every state has in common.
#[track_caller]
pub(super) fn is_consistent(state: &RunState) {
    let mut ordered = 0;
    for line in naive::lines(state) {
        let steps = state.lines.steps(&line);
        ordered += steps.len();
        for address in &steps[..steps.len().saturating_sub(1)] {
            let done = matches!(state.steps[address].progress, StepProgress::Done(_));
            assert!(done, "step {address} was left open");
        }
    }
    assert_eq!(ordered, state.steps.len(), "every step has one place");
    let held = state.quarantined.is_some();
    assert!(
        !held || state.outcome.is_none(),
        "a run that ended is held by nobody"
    );
    for later_ms in [0, 1_000, 100_000_000] {
        let later = Timestamp::from_ms(state.changed_at.as_ms() + later_ms);
        let needs = next(state, later);
        assert_eq!(
            needs,
            naive::next(state, later),
            "found otherwise by search"
        );
        assert_eq!(needs == Next::Done, state.outcome.is_some());
        if let Next::WakeAt(at) = needs {
            assert!(at > later, "waking at {at}, which is past at {later}");
        }
    }
    assert_eq!(
        state.status(state.changed_at).ended(),
        state.outcome.is_some()
    );
    if state.outcome.is_none() {
        waits_are_indexed(state);
    }
}

#[track_caller]
fn waits_are_indexed(state: &RunState) {
    let waiting: std::collections::BTreeSet<_> = state.waiting.iter().cloned().collect();
    assert_eq!(waiting.len(), state.waiting.len(), "a step waits once");
    assert_eq!(waiting, naive::waiting(state));
    assert_eq!(state.listening, naive::listening(state));
    assert_eq!(state.open_scopes, naive::open_scopes(state));
    let offered = naive::offered(state);
    let distinct: std::collections::BTreeSet<_> = offered.iter().collect();
    assert_eq!(distinct.len(), offered.len(), "an event is judged once");
    for event in &offered {
        assert!(!state.received.contains(event), "{event} is judged again");
    }
    for step in state
        .lines
        .ready()
        .chain(state.lines.timed().map(|(_, line)| line))
    {
        assert!(state.lines.get(step).is_some());
    }
}

/// An answer says no more than the journal: whoever dies before acting on it is told again.
#[track_caller]
fn reply_rests_on_state(after: &RunState, command: &Command, decision: &Decision, now: Timestamp) {
    match &decision.reply {
        Reply::Stop => assert!(
            matches!(next(after, now), Next::Done | Next::Held | Next::Conclude),
            "stopped, though there is something to drive"
        ),
        Reply::Execute { attempt } => a_body_may_run(after, command, decision, *attempt, now),
        Reply::Recorded(outcome) => {
            let step = if let Command::StartStep(ask) = command {
                &ask.step
            } else if let Command::EndBranch(end) = command {
                &end.fork
            } else {
                panic!("a result was handed out for {command:?}")
            };
            let recorded = StepProgress::Done(outcome.clone());
            assert_eq!(after.steps[step].progress, recorded);
        }
        Reply::Park { until } => {
            assert!(*until > now);
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
        Reply::Wait { until } => {
            let wait = wait_at(after, command).expect("told to wait without a wait");
            assert_eq!(wait.until, *until);
            assert!(
                until.is_none_or(|until| until > now),
                "waiting for the past"
            );
        }
        Reply::Judge { data } => {
            let wait = wait_at(after, command).expect("told to judge without a wait");
            assert_eq!(wait.offered.as_ref().map(|(_, data)| data), Some(data));
        }
        Reply::Fork { limit, .. } => {
            let Command::StartFork(ask) = command else {
                panic!("branches were begun for {command:?}");
            };
            let shape = after.steps[&ask.step].shape.expect("no branches recorded");
            assert_eq!((shape.branches, shape.limit), (ask.branches, *limit));
        }
        Reply::Patched(applies) => {
            let Command::Patch { branch, patch, .. } = command else {
                panic!("{command:?} was told whether a change applies");
            };
            let recorded = after.patches.contains(&(branch.clone(), patch.clone()));
            assert_eq!(*applies, recorded, "what applies is recorded");
        }
        Reply::Hold | Reply::Accepted => {}
    }
    if let Command::StartStep(_) | Command::StartFork(_) | Command::Patch { .. } = command {
        let again = decide(after, command.clone(), now).unwrap();
        assert_eq!(
            again.reply, decision.reply,
            "asked again, told something else"
        );
        assert_eq!(again.entries, [], "asked again, written again");
    }
}

#[track_caller]
fn a_body_may_run(
    after: &RunState,
    command: &Command,
    decision: &Decision,
    attempt: u32,
    now: Timestamp,
) {
    assert!(
        decision.entries.is_empty(),
        "nothing is written before a body"
    );
    let Command::StartStep(ask) = command else {
        panic!("a body began for {command:?}");
    };
    assert!(
        !after.stands_still(&ask.step.branch),
        "a body began on a held line"
    );
    // Another branch may be waiting meanwhile; a line of its own is driven when it asks.
    let others = naive::lines(after).len() > 1 || after.started.start_at.is_some();
    assert!(
        others || matches!(next(after, now), Next::Drive | Next::Expire),
        "a body began though none is due"
    );
    let due = after
        .steps
        .get(&ask.step)
        .map_or(1, |step| step.next_attempt());
    assert_eq!(attempt, due);
}

fn wait_at<'s>(state: &'s RunState, command: &Command) -> Option<&'s Wait> {
    let Command::StartStep(ask) = command else {
        return None;
    };
    match &state.steps.get(&ask.step)?.progress {
        StepProgress::Waiting(wait) => Some(wait),
        StepProgress::Open { .. } | StepProgress::Forked(_) | StepProgress::Done(_) => None,
    }
}

/// `apply` takes `entry` exactly when some command makes `decide` emit it.
///
/// What comes second in a decision, and an event for a wait that is not the first in line, which
/// is found when a wait begins, is taken on its own as well: no command asks for these alone.
#[track_caller]
pub(super) fn is_closed_for(state: &RunState, entry: &Entry) -> Result<RunState, Illegal> {
    let emitted = witness(state, entry)
        .and_then(|(command, now)| decide(state, command, now).ok())
        .is_some_and(|decision| decision.entries.iter().any(|by| by.body == entry.body));
    // What comes with the entry says nothing of its place: a clock set back leaves the date of the
    // entry before, and instants of its own.
    let placed = entry.seq == state.next_seq && entry.at >= state.changed_at;
    let emitted = emitted && placed;
    let applied = apply(state.clone(), entry);
    let alone = applied.is_ok() && is_taken_alone(state, &entry.body);
    assert!(
        applied.is_ok() == emitted || alone,
        "emitted: {emitted}, applied: {applied:?}, {entry:?} to {state:?}"
    );
    applied
}

fn is_taken_alone(state: &RunState, body: &EntryBody) -> bool {
    match body {
        EntryBody::StepSucceeded(fields) => fields.kind == StepKind::Signal,
        EntryBody::StepFailed(fields) => {
            matches!(fields.kind, StepKind::WaitFor | StepKind::Invoke)
        }
        EntryBody::EventOffered(_) | EntryBody::EventReceived(_) => true,
        EntryBody::WaitTimedOut(_) => state.paused.is_some(),
        EntryBody::RunStarted(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_)
        | EntryBody::Recovered(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::WaitStarted(_)
        | EntryBody::EventRejected(_)
        | EntryBody::SignalReceived(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::RunContinued(_)
        | EntryBody::RunKilled(_) => false,
    }
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
        Illegal::WhilePaused { .. } => "WhilePaused",
        Illegal::NothingToConclude { .. } => "NothingToConclude",
        Illegal::RecordedTwice { .. } => "RecordedTwice",
        Illegal::AttemptOutOfOrder { .. } => "AttemptOutOfOrder",
        Illegal::KindDiffers { .. } => "KindDiffers",
        Illegal::LeftOpen { .. } => "LeftOpen",
        Illegal::FailureOutOfOrder { .. } => "FailureOutOfOrder",
        Illegal::CancelledTwice { .. } => "CancelledTwice",
        Illegal::WhileCancelling { .. } => "WhileCancelling",
        Illegal::NotUnderWay { .. } => "NotUnderWay",
        Illegal::StandsElsewhere { .. } => "StandsElsewhere",
        Illegal::EventTwice { .. } => "EventTwice",
        Illegal::BackInTime { .. } => "BackInTime",
    }
}

/// The name of a refusal by `decide`, to see that each is met.
pub(super) fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Ended { .. } => "Ended",
        Refusal::Quarantined => "Quarantined",
        Refusal::NotHeld { .. } => "NotHeld",
        Refusal::NothingToRetry { .. } => "NothingToRetry",
        Refusal::FailedBefore { .. } => "FailedBefore",
        Refusal::NotAgain { .. } => "NotAgain",
        Refusal::Cancelling => "Cancelling",
        Refusal::StaleAttempt { .. } => "StaleAttempt",
        Refusal::AlreadyRecorded { .. } => "AlreadyRecorded",
        Refusal::KindDiffers { .. } => "KindDiffers",
        Refusal::LeftOpen { .. } => "LeftOpen",
        Refusal::StandsElsewhere { .. } => "StandsElsewhere",
        Refusal::Full { .. } => "Full",
        Refusal::NotCancelling => "NotCancelling",
    }
}

/// The name of an answer, to see that each is given.
pub(super) fn reply_name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Recorded(_) => "Recorded",
        Reply::Execute { .. } => "Execute",
        Reply::Park { .. } => "Park",
        Reply::Wait { .. } => "Wait",
        Reply::Judge { .. } => "Judge",
        Reply::Fork { .. } => "Fork",
        Reply::Hold => "Hold",
        Reply::Patched(_) => "Patched",
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
        subject: None,
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
