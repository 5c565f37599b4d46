//! Code that no longer fits its journal: the run is quarantined with both sides named.

use super::check;
use super::laws::{ask, begun, boom, end, payload_of, report, step};
use super::script::played;
use crate::entry::{Awaited, EntryBody, FailureClass, StepKind};
use crate::ids::WorkflowName;
use crate::run::command::{Command, Ended, Reply, StartStep, Subject};
use crate::run::state::RunState;
use crate::run::{apply, decide};
use crate::time::Timestamp;
use expect_test::expect;

#[test]
fn a_renamed_step_is_found_and_putting_the_code_back_completes_the_run() {
    check(
        r#"
        ask pay
        ok pay 7
        again
        ask charge
        next
        ask pay
        resume
        again
        ask pay
        return 7
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > again
            > ask charge
                2 @0ms quarantined: journal and code disagree: recorded run pay, attempted run charge
              = stop
            > next
            quarantined at 0ms: held
            > ask pay
              = stop
            > resume
                3 @0ms resumed
              = accepted
            > again
            > ask pay
              = recorded 7
            > return 7
                4 @0ms run completed: 7
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn reordered_steps_are_found() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        ask ship
        ok ship 8
        again
        ask ship
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > ask ship
              = execute attempt 1
            > ok ship 8
                2 @0ms run ship attempt 1 succeeded: 8
              = accepted
            > again
            > ask ship
                3 @0ms quarantined: journal and code disagree: recorded run pay, attempted run ship
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_removed_step_is_found_where_the_code_goes_on_without_it() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        ask mail
        ok mail null
        ask mail
        ask ship
        ok ship 8
        again
        ask pay
        ask ship
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > ask mail
              = execute attempt 1
            > ok mail null
                2 @0ms run mail attempt 1 succeeded: null
              = accepted
            > ask mail
              = recorded null
            > ask ship
              = execute attempt 1
            > ok ship 8
                3 @0ms run ship attempt 1 succeeded: 8
              = accepted
            > again
            > ask pay
              = recorded 7
            > ask ship
                4 @0ms quarantined: journal and code disagree: recorded run mail, attempted run ship
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_step_added_in_the_middle_is_found() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        ask ship
        ok ship 8
        again
        ask pay
        ask audit
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > ask ship
              = execute attempt 1
            > ok ship 8
                2 @0ms run ship attempt 1 succeeded: 8
              = accepted
            > again
            > ask pay
              = recorded 7
            > ask audit
                3 @0ms quarantined: journal and code disagree: recorded run ship, attempted run audit
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_step_added_at_the_end_of_what_is_recorded_is_no_mismatch() {
    check(
        r#"
        ask pay
        ok pay 7
        again
        ask pay
        ask audit
        ok audit 1
        ask audit
        return null
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > again
            > ask pay
              = recorded 7
            > ask audit
              = execute attempt 1
            > ok audit 1
                2 @0ms run audit attempt 1 succeeded: 1
              = accepted
            > ask audit
              = recorded 1
            > return null
                3 @0ms run completed: null
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn code_that_returns_before_a_recorded_step_is_found() {
    check(
        r#"
        ask pay
        ok pay 7
        again
        return 1
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > again
            > return 1
                2 @0ms quarantined: journal and code disagree: recorded run pay, attempted returning from the workflow
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn code_that_fails_for_good_before_a_recorded_step_is_found_and_one_that_retries_is_not() {
    check(
        r#"
        ask pay
        ok pay 7
        again
        throw flaky
        +1s
        throw terminal gone
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > again
            > throw flaky
                2 @0ms failure 1 of workflow code, again at 1000ms: retryable flaky
              = park until 1000ms
            > +1s
            > throw terminal gone
                3 @1000ms quarantined: journal and code disagree: recorded run pay, attempted failing the workflow
              = stop
            quarantined at 1000ms: held
        "#]],
    );
}

#[test]
fn a_step_that_changed_its_kind_is_found() {
    check(
        r#"
        ask pay
        ok pay 7
        again
        ask transaction pay
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > again
            > ask transaction pay
                2 @0ms quarantined: journal and code disagree: recorded run pay, attempted transaction pay
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_step_that_is_backing_off_cannot_be_replaced_by_another() {
    check(
        r#"
        ask pay
        fail pay boom
        again
        +1s
        ask charge
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > again
            > +1s
            > ask charge
                2 @1000ms quarantined: journal and code disagree: recorded run pay, attempted run charge
              = stop
            quarantined at 1000ms: held
        "#]],
    );
}

#[test]
fn a_name_moved_behind_its_recorded_place_is_found() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        ask pay
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > ask pay
                2 @0ms quarantined: journal and code disagree: recorded run pay earlier in its branch, attempted run pay again
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_report_behind_a_step_without_a_result_is_refused() {
    check(
        r#"
        ask pay
        fail pay boom
        ok ship 8
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > ok ship 8
              ! step ship reported while step pay before it has no result yet
            waiting at 0ms: wake at 1000ms
        "#]],
    );
}

#[test]
fn a_quarantined_run_keeps_everything_until_it_is_released() {
    check(
        r#"
        ask pay
        quarantine fulfill-order
        next
        ok pay 7
        return 7
        quarantine again
        ask pay
        +1s
        resume
        resume
        next
        ask pay
        ok pay 7
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > quarantine fulfill-order
                1 @0ms quarantined: this binary registers no workflow named fulfill-order
              = stop
            > next
            quarantined at 0ms: held
            > ok pay 7
              ! run is quarantined: resume it first
            > return 7
              ! run is quarantined: resume it first
            > quarantine again
              ! run is quarantined: resume it first
            > ask pay
              = stop
            > +1s
            > resume
                2 @1000ms resumed
              = accepted
            > resume
              ! run is running, neither paused nor quarantined: there is nothing to resume
            > next
            running at 1000ms: drive
            > ask pay
              = execute attempt 1
            > ok pay 7
                3 @1000ms run pay attempt 1 succeeded: 7
              = accepted
            running at 1000ms: drive
        "#]],
    );
}

#[test]
fn code_that_knows_more_than_the_journal_is_found() {
    let (_, fresh) = begun();
    expect!["recorded 0 of the 1 steps passed, attempted run ship behind them"]
        .assert_eq(&found(&fresh, ask(step("ship"), StepKind::Run, 1)));
    expect!["recorded 0 of the 1 steps passed, attempted returning from the workflow"]
        .assert_eq(&found(&fresh, end(Ended::Returned(payload_of(2)), 1)));
}

#[test]
fn code_that_went_past_a_step_without_a_result_is_found() {
    let (_, fresh) = begun();
    let failed = report(
        step("pay"),
        StepKind::Run,
        1,
        Err(boom(FailureClass::Retryable)),
    );
    let failed = decide(&fresh, failed, Timestamp::ZERO).unwrap();
    let open = apply(fresh, &failed.entries[0]).unwrap();
    expect!["recorded no result of step pay, attempted run ship behind it"]
        .assert_eq(&found(&open, ask(step("ship"), StepKind::Run, 1)));
    expect!["recorded run pay, attempted returning from the workflow"]
        .assert_eq(&found(&open, end(Ended::Returned(payload_of(2)), 1)));
}

/// Why `command` quarantines a run in `state`.
fn found(state: &RunState, command: Command) -> String {
    let decision = decide(state, command, Timestamp::ZERO).unwrap();
    assert_eq!(decision.reply, Reply::Stop);
    let EntryBody::Quarantined(fields) = &decision.entries[0].body else {
        panic!("expected a quarantine, found {:?}", decision.entries);
    };
    let reason = fields.reason.to_string();
    let sides = reason.strip_prefix("journal and code disagree: ").unwrap();
    sides.to_owned()
}

/// The answer to code that asks again for the one step of a run, about `subject`.
fn asked_about(script: &str, kind: StepKind, name: &str, subject: Subject) -> Reply {
    let state = played(script);
    let ask = Command::StartStep(StartStep {
        step: step(name),
        kind,
        position: 0,
        subject: Some(subject),
    });
    let decision = decide(&state, ask, state.changed_at).unwrap();
    decision.reply
}

fn event(name: &str, key: &str) -> Subject {
    Subject::Event(Awaited {
        name: name.to_owned(),
        key: key.to_owned(),
    })
}

#[test]
fn a_wait_for_another_event_or_another_key_is_found_open_or_over() {
    let open = "wait paid event order/paid=7";
    let over = "wait paid event order/paid=7\nevent e4 order/paid=7 1";
    for script in [open, over] {
        let asked = |subject| asked_about(script, StepKind::WaitFor, "paid", subject);
        assert_ne!(asked(event("order/paid", "7")), Reply::Stop);
        assert_eq!(asked(event("order/paid", "8")), Reply::Stop);
        assert_eq!(asked(event("order/settled", "7")), Reply::Stop);
    }
}

#[test]
fn a_wait_for_another_signal_and_a_child_of_another_workflow_are_found() {
    let go = |name: &str| Subject::Signal(name.to_owned());
    let asked = |name| asked_about("wait ok signal go", StepKind::Signal, "ok", go(name));
    assert_ne!(asked("go"), Reply::Stop);
    assert_eq!(asked("stop"), Reply::Stop);
    let of = |name: &str| Subject::Workflow(WorkflowName::new(name));
    let asked = |name| asked_about("invoke child 3", StepKind::Invoke, "child", of(name));
    assert_ne!(asked("pack"), Reply::Stop);
    assert_eq!(asked("wrap"), Reply::Stop);
}

#[test]
fn a_changed_subject_is_named_on_both_sides() {
    let state = played("wait paid event order/paid=7");
    let ask = Command::StartStep(StartStep {
        step: step("paid"),
        kind: StepKind::WaitFor,
        position: 0,
        subject: Some(event("order/paid", "8")),
    });
    let decision = decide(&state, ask, state.changed_at).unwrap();
    let EntryBody::Quarantined(held) = &decision.entries[0].body else {
        panic!("{decision:?}");
    };
    let said = "journal and code disagree: recorded wait-for paid for event order/paid with key 7, \
                attempted wait-for paid for event order/paid with key 8";
    assert_eq!(held.reason.to_string(), said);
}
