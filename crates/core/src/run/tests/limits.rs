//! Limits: named where they are met, and no run grows without end.

use super::check;
use super::laws::{ask, begun, boom, end, payload_of, policy, report};
use crate::entry::{EntryBody, Failure, FailureClass, StepKind};
use crate::ids::StepAddress;
use crate::limits::{RUN_STATE_BYTES, STEP_OUTPUT_BYTES, STEPS_PER_RUN};
use crate::run::command::{Command, Ended, FinishStep, Reply};
use crate::run::state::{Outcome, RunState, StepOutcome};
use crate::run::{Decision, apply, decide};
use crate::time::Timestamp;
use expect_test::expect;

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

#[test]
fn one_step_too_many_fails_for_the_author_to_catch_and_the_next_ends_the_run() {
    let (_, mut state) = begun();
    for nth in 1..=STEPS_PER_RUN as u32 {
        accept(
            &mut state,
            report(chunk(nth), StepKind::Run, 1, Ok(payload_of(3))),
        );
    }
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
