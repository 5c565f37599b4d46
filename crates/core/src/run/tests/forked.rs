//! A run forked from another: what it is begun with, and what is done anew.

use expect_test::{Expect, expect};

use super::laws::started;
use super::parse::{parse_address, parse_run};
use super::script::written;
use super::show::show_entry;
use crate::entry::{ForkedFrom, RunStarted};
use crate::run::{CannotFork, ForkPlan, fold, fork_at, next};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_ms(500_000);

fn plan(script: &str, from: &str) -> Result<ForkPlan, CannotFork> {
    let step = parse_address(from);
    let started = RunStarted {
        forked: Some(ForkedFrom {
            run: super::script::the_run(),
            step: step.clone(),
        }),
        ..started()
    };
    fork_at(&written(script), &step, parse_run("8"), started, NOW)
}

/// Forks what `script` left at `from`, and shows what comes of it.
#[track_caller]
fn check(script: &str, from: &str, expected: Expect) {
    let plan = match plan(script, from) {
        Ok(plan) => plan,
        Err(error) => return expected.assert_eq(&format!("! {error}\n")),
    };
    let mut out = String::new();
    for entry in &plan.kept {
        out.push_str(&format!("{}\n", show_entry(entry)));
    }
    for again in plan.again {
        let (kind, step) = (again.kind.word(), again.step);
        let there = if again.succeeded {
            ", its effect is there"
        } else {
            ""
        };
        let database = again
            .database
            .map_or_else(String::new, |name| format!(" in {name}"));
        out.push_str(&format!("again: {kind} {step}{there}{database}\n"));
    }
    let state = fold(parse_run("8"), &plan.kept).unwrap();
    out.push_str(&format!("next: {:?}\n", next(&state, NOW)));
    expected.assert_eq(&out);
}

#[test]
fn steps_before_are_kept_with_their_attempts_and_those_from_there_on_are_done_anew() {
    check(
        r#"
        ask pay
        fail pay boom
        +1s
        ask pay
        ok pay 7
        past pay
        ask ship
        ok ship 8
        past ship
        ask mail
        fail mail terminal gone
        past mail
        spent mail gone
        "#,
        "ship",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms run pay attempt 1 failed, again at 1000ms: retryable boom
            2 @500000ms run pay attempt 2 succeeded: 7
            again: run ship, its effect is there
            again: run mail
            next: Drive
        "#]],
    );
}

#[test]
fn what_was_under_way_before_the_step_is_asked_for_again() {
    check(
        r#"
        fork join all 2
        wait all/0/paid event order/paid
        ask all/1/a
        ok all/1/a 1
        past all/1/a
        ask all/1/b
        ok all/1/b 2
        "#,
        "all/1/b",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms join all of 2 branches, 2 at a time
            2 @500000ms run all/1/a attempt 1 succeeded: 1
            again: wait-for all/0/paid
            again: run all/1/b, its effect is there
            next: Drive
        "#]],
    );
}

#[test]
fn a_wait_that_was_over_is_kept_with_what_it_got() {
    check(
        r#"
        wait paid event order/paid
        event e4 order/paid 7
        past paid
        sleep nap 5000
        +5s
        ask sleep nap
        ask ship
        ok ship 8
        "#,
        "ship",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms paid waits for event order/paid ""
            2 @500000ms paid received e4: 7
            3 @500000ms nap waits until 5000ms
            4 @500000ms sleep nap attempt 1 succeeded: null
            again: run ship, its effect is there
            next: Drive
        "#]],
    );
}

#[test]
fn pauses_cancellations_failures_of_code_and_its_end_are_the_other_runs_own() {
    check(
        r#"
        ask pay
        ok pay 7
        past pay
        throw boom
        +1s
        pause
        resume
        ask ship
        ok ship 8
        past ship
        return 1
        "#,
        "ship",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms run pay attempt 1 succeeded: 7
            again: run ship, its effect is there
            next: Drive
        "#]],
    );
}

#[test]
fn a_step_that_was_retried_failed_once_more_and_the_branch_around_it_never_ended() {
    check(
        r#"
        fork join all 2
        ask all/0/a
        fail all/0/a terminal boom
        past all/0/a
        end all 0
        end all 1
        past all
        throw terminal boom
        retry
        again
        ask all/0/a
        ok all/0/a 1
        past all/0/a
        end all 0
        past all
        ask ship
        ok ship 8
        "#,
        "ship",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms join all of 2 branches, 2 at a time
            2 @500000ms run all/0/a attempt 1 failed, again at 500000ms: terminal boom
            3 @500000ms branch 1 of all ended
            4 @500000ms run all/0/a attempt 2 succeeded: 1
            5 @500000ms branch 0 of all ended
            again: run ship, its effect is there
            next: Drive
        "#]],
    );
}

#[test]
fn a_detached_child_stays_the_others_and_an_awaited_one_that_ended_is_kept() {
    check(
        r#"
        start audit 4 cancel
        past audit
        invoke pack 3
        child 3 completed 1
        past pack
        ask ship
        ok ship 8
        "#,
        "ship",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms audit started pack as run 4, detached, on close abandon
            2 @500000ms pack started pack as run 3, on close cancel
            3 @500000ms invoke pack attempt 1 succeeded: 1
            again: run ship, its effect is there
            next: Drive
        "#]],
    );
}

#[test]
fn a_fork_at_the_first_step_keeps_nothing() {
    check(
        r#"
        ask pay
        ok pay 7
        "#,
        "pay",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            again: run pay, its effect is there
            next: Drive
        "#]],
    );
}

#[test]
fn a_step_the_journal_does_not_speak_of_is_named() {
    check(
        r#"
        ask pay
        ok pay 7
        "#,
        "mail",
        expect![[r#"
            ! journal has no step mail
        "#]],
    );
}

#[test]
fn changes_and_signals_before_the_step_are_kept() {
    check(
        r#"
        patch new-way
        signal go 1
        ask pay
        ok pay 7
        past pay
        signal go 2
        ask ship
        ok ship 8
        "#,
        "pay",
        expect![[r#"
            0 @500000ms run started, workflow fulfill-order
            1 @500000ms patched "" new-way
            2 @500000ms signal go: 1
            again: run pay, its effect is there
            again: run ship, its effect is there
            next: Drive
        "#]],
    );
}
