//! Limits: named where they are met, and no run grows without end.

use super::check;
use super::laws::{ask, begun, boom, end, payload_of, policy, report};
use super::parse::{parse_awaited, parse_run, parse_wait};
use crate::entry::{ChildStarted, EntryBody, Failure, FailureClass, ParentClose, StepKind};
use crate::ids::{EventId, EventOrder, StepAddress, WorkflowName};
use crate::limits::{RUN_STATE_BYTES, STEP_OUTPUT_BYTES, STEPS_PER_RUN};
use crate::run::command::{
    Arrival, ChildOutcome, Command, EndBranch, Ended, FinishStep, Reply, StartFork, StartWait,
};
use crate::run::state::{Outcome, RunState, StepOutcome};
use crate::run::{Decision, apply, decide};
use crate::time::Timestamp;
use expect_test::expect;
use std::sync::Arc;

#[test]
fn a_result_at_the_limit_is_recorded_and_one_byte_more_fails_the_step_for_good() {
    check(
        r#"
        ask pay
        ok pay 4194304 bytes
        ask pay
        ask ship
        ok ship 4194305 bytes
        ask ship
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 4194304 bytes
                1 @0ms run pay attempt 1 succeeded: 4194304 bytes
              = accepted
            > ask pay
              = recorded 4194304 bytes
            > ask ship
              = execute attempt 1
            > ok ship 4194305 bytes
                2 @0ms run ship attempt 1 failed, for good: terminal result of 4194305 bytes is over the limit of 4194304
              = accepted
            > ask ship
              = recorded failure after 1 attempts: terminal result of 4194305 bytes is over the limit of 4194304
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn an_output_over_the_limit_fails_the_run() {
    check(
        r#"
        return 4194305 bytes
        "#,
        expect![[r#"
            > return 4194305 bytes
                1 @0ms run failed: terminal output of 4194305 bytes is over the limit of 4194304
              = stop
            failed at 0ms: done
        "#]],
    );
}

#[test]
fn results_that_would_take_the_run_over_its_limit_fail_their_step() {
    let (_, mut state) = begun();
    let mut refused = None;
    for nth in 1..=9 {
        let output = Ok(payload_of(STEP_OUTPUT_BYTES));
        let entries = accept(&mut state, report(chunk(nth), StepKind::Run, 1, output)).entries;
        if let EntryBody::StepFailed(fields) = &entries[0].body {
            assert_eq!(fields.retry_at, None);
            refused = refused.or(Some((nth, fields.failure.message.clone())));
        }
    }
    let (nth, message) = refused.unwrap();
    assert_eq!(nth as usize, RUN_STATE_BYTES as usize / STEP_OUTPUT_BYTES);
    expect!["result of 4194304 bytes would take the run over its limit of 33554432 bytes"]
        .assert_eq(&message);
}

#[test]
fn a_run_full_of_failure_messages_stops_retrying() {
    let (_, mut state) = begun();
    state.bytes = RUN_STATE_BYTES - 6;
    let patient = policy(u32::MAX);
    let retried = |state: &mut RunState, message: &str| {
        let failure = Failure::new(FailureClass::Retryable, message);
        let ended = Ended::Failed(failure);
        let command = Command::FinishRun {
            ended,
            passed: 0,
            policy: patient,
        };
        accept(state, command).entries.remove(0).body
    };
    assert!(matches!(
        retried(&mut state.clone(), "short"),
        EntryBody::AttemptFailed(_)
    ));
    assert!(matches!(
        retried(&mut state.clone(), "too long"),
        EntryBody::RunFailed(_)
    ));
    let report = Command::FinishStep(FinishStep {
        step: chunk(1),
        kind: StepKind::Run,
        attempt: 1,
        result: Err(Failure::new(FailureClass::Retryable, "too long")),
        policy: patient,
        database: None,
    });
    accept(&mut state, report);
    assert!(matches!(
        &decide(&state, ask(chunk(1), StepKind::Run, 0), Timestamp::ZERO),
        Ok(Decision {
            reply: Reply::Recorded(StepOutcome::Failed { .. }),
            ..
        })
    ));
}

/// A run with room for `bytes` more.
fn nearly_full(bytes: u64) -> RunState {
    let (_, mut state) = begun();
    state.bytes = RUN_STATE_BYTES - bytes;
    state
}

fn event(name: &str, bytes: usize) -> Arrival {
    Arrival {
        event: EventId::new("e4"),
        order: EventOrder {
            opening: 2,
            number: 1,
        },
        awaited: parse_awaited(name),
        data: payload_of(bytes),
    }
}

/// The one failure among the entries of `decision`, which is for good.
fn failure_in(decision: &Decision) -> &str {
    let failures = decision.entries.iter().filter_map(|entry| {
        let EntryBody::StepFailed(fields) = &entry.body else {
            return None;
        };
        assert_eq!(fields.retry_at, None);
        Some(&*fields.failure.message)
    });
    failures.collect::<Vec<_>>()[0]
}

#[test]
fn an_event_over_the_limit_of_the_run_fails_its_wait() {
    let wait = |found| {
        Command::StartWait(StartWait {
            step: chunk(1),
            on: parse_wait("event order/paid").0,
            until: None,
            found,
        })
    };
    let mut state = nearly_full(100);
    accept(&mut state, wait(Vec::new()));
    let told = accept(&mut state, Command::Deliver(event("order/paid", 101)));
    let expected = expect!["event e4 would take the run over its limit of bytes"];
    expected.assert_eq(failure_in(&told));
    let mut state = nearly_full(100);
    let found = accept(&mut state, wait(vec![event("order/paid", 101)]));
    expected.assert_eq(failure_in(&found));
    assert!(state.waiting.is_empty());
    assert!(state.listening.is_empty());
}

#[test]
fn a_signal_the_run_has_no_room_for_is_refused() {
    let state = nearly_full(100);
    let signal = |bytes| Command::Signal {
        name: "approve".to_owned(),
        data: payload_of(bytes),
    };
    assert!(decide(&state, signal(100), Timestamp::ZERO).is_ok());
    let refused = decide(&state, signal(101), Timestamp::ZERO).unwrap_err();
    expect!["signal approve would take the run over its limit of 33554432 bytes"]
        .assert_eq(&refused.to_string());
}

#[test]
fn an_output_of_a_child_over_the_limit_of_the_run_fails_its_step() {
    let mut state = nearly_full(100);
    accept(
        &mut state,
        Command::StartChild(ChildStarted {
            step: chunk(1),
            run: parse_run("3"),
            workflow: WorkflowName::new("pack"),
            detached: false,
            close: ParentClose::Cancel,
        }),
    );
    let ended = Command::ChildEnded {
        run: parse_run("3"),
        outcome: ChildOutcome::Completed(payload_of(101)),
    };
    let told = accept(&mut state, ended);
    expect!["output of the child run would take this run over its limit of bytes"]
        .assert_eq(failure_in(&told));
}

#[test]
fn the_value_of_a_winner_is_kept_to_the_limit_of_the_run() {
    let mut state = nearly_full(100);
    accept(&mut state, fork(chunk(1), StepKind::Race, 2, 0));
    let end = Command::EndBranch(EndBranch {
        fork: chunk(1),
        branch: 1,
        passed: 0,
        value: Some(Ok(payload_of(101))),
    });
    let Reply::Recorded(StepOutcome::Failed { failure, .. }) = accept(&mut state, end).reply else {
        panic!("a value over the limit was taken");
    };
    expect!["result of 101 bytes would take the run over its limit of 33554432 bytes"]
        .assert_eq(&failure.message);
}

/// A run with so many steps that have a result.
fn with_steps(count: usize) -> RunState {
    let (_, mut state) = begun();
    for nth in 1..=count as u32 {
        accept(
            &mut state,
            report(chunk(nth), StepKind::Run, 1, Ok(payload_of(3))),
        );
    }
    state
}

fn fork(step: StepAddress, kind: StepKind, branches: u32, position: usize) -> Command {
    Command::StartFork(StartFork {
        step,
        kind,
        position,
        branches,
        limit: branches,
    })
}

fn on_line(path: Arc<str>, nth: u32) -> StepAddress {
    StepAddress {
        branch: path,
        ..chunk(nth)
    }
}

#[test]
fn a_fork_too_many_ends_the_run() {
    let mut state = with_steps(STEPS_PER_RUN);
    let both = chunk(STEPS_PER_RUN as u32 + 1);
    accept(&mut state, fork(both, StepKind::Join, 2, STEPS_PER_RUN));
    assert!(matches!(state.outcome, Some(Outcome::Failed(_))));
}

#[test]
fn a_step_too_many_in_a_branch_ends_the_run_as_well() {
    let mut state = with_steps(STEPS_PER_RUN - 1);
    let both = chunk(STEPS_PER_RUN as u32);
    let command = fork(both.clone(), StepKind::Join, 2, STEPS_PER_RUN - 1);
    accept(&mut state, command);
    let too_many = |branch| ask(on_line(both.branch_path(branch), 1), StepKind::Run, 0);
    let first = accept(&mut state, too_many(0));
    assert!(matches!(first.reply, Reply::Recorded(_)));
    accept(&mut state, too_many(1));
    assert!(matches!(state.outcome, Some(Outcome::Failed(_))));
}

#[test]
fn a_run_past_its_limit_with_a_scope_open_is_cancelled_and_undoes() {
    let mut state = with_steps(STEPS_PER_RUN - 1);
    let trip = chunk(STEPS_PER_RUN as u32);
    let command = fork(trip.clone(), StepKind::Scope, 1, STEPS_PER_RUN - 1);
    accept(&mut state, command);
    let body = trip.branch_path(0);
    accept(&mut state, ask(on_line(body.clone(), 1), StepKind::Run, 0));
    let second = accept(&mut state, ask(on_line(body, 2), StepKind::Run, 1));
    assert_eq!(second.reply, Reply::Hold);
    let undo = Command::StartUndo {
        scope: trip.clone(),
        failed: None,
    };
    accept(&mut state, undo);
    let undoing = ask(on_line(trip.undo_path(), 1), StepKind::Undo, 0);
    let undoing = accept(&mut state, undoing);
    assert_eq!(undoing.reply, Reply::Execute { attempt: 1 });
}

#[test]
fn one_step_too_many_fails_for_the_author_to_catch_and_the_next_ends_the_run() {
    let mut state = with_steps(STEPS_PER_RUN);
    let last = STEPS_PER_RUN as u32;
    let ended = Ended::Returned(payload_of(2));
    let replayed = decide(&state, end(ended, STEPS_PER_RUN), Timestamp::ZERO).unwrap();
    assert_eq!(
        replayed.reply,
        Reply::Stop,
        "a run of exactly the limit ends well"
    );

    let too_many = accept(
        &mut state,
        ask(chunk(last + 1), StepKind::Run, STEPS_PER_RUN),
    );
    let Reply::Recorded(StepOutcome::Failed { failure, .. }) = too_many.reply else {
        panic!("expected a failure, found {:?}", too_many.reply);
    };
    expect!["run has 10000 steps, the most one run may have"].assert_eq(&failure.message);

    accept(
        &mut state,
        ask(chunk(last + 2), StepKind::Run, STEPS_PER_RUN + 1),
    );
    assert_eq!(state.outcome, Some(Outcome::Failed(failure)));
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let failure = Failure::new(FailureClass::Terminal, "é".repeat(5_000));
    assert_eq!(failure.message.len(), 8_192);
    let failure = Failure::new(FailureClass::Terminal, format!("x{}", "é".repeat(5_000)));
    assert_eq!(failure.message.len(), 8_191);
    assert_eq!(boom(FailureClass::Terminal).message, "boom");
}

fn chunk(nth: u32) -> StepAddress {
    StepAddress::root("chunk", nth).unwrap()
}

fn accept(state: &mut RunState, command: Command) -> Decision {
    let decision = decide(state, command, Timestamp::ZERO).unwrap();
    for entry in &decision.entries {
        let before = std::mem::replace(state, begun().1);
        *state = apply(before, entry).unwrap();
    }
    decision
}
