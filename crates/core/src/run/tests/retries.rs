//! Failures: backoff, spent steps, failures of workflow code, waits asked for.

use super::check;
use expect_test::expect;

#[test]
fn a_failed_step_parks_until_its_next_attempt_is_due() {
    check(
        r#"
        ask pay
        fail pay card reader busy
        next
        ask pay
        +999ms
        ask pay
        +1ms
        next
        ask pay
        ok pay 7
        ask pay
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay card reader busy
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable card reader busy
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > ask pay
              = park until 1000ms
            > +999ms
            > ask pay
              = park until 1000ms
            > +1ms
            > next
            running at 1000ms: drive
            > ask pay
              = execute attempt 2
            > ok pay 7
                2 @1000ms run pay attempt 2 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            running at 1000ms: drive
        "#]],
    );
}

#[test]
fn waits_grow_and_a_spent_step_answers_with_its_last_failure_for_ever() {
    check(
        r#"
        ask pay
        fail pay one
        +1s
        ask pay
        fail pay timed-out two
        +2s
        ask pay
        fail pay panicked three
        next
        ask pay
        again
        ask pay
        spent pay three
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay one
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable one
              = accepted
            > +1s
            > ask pay
              = execute attempt 2
            > fail pay timed-out two
                2 @1000ms run pay attempt 2 failed, again at 3000ms: timed-out two
              = accepted
            > +2s
            > ask pay
              = execute attempt 3
            > fail pay panicked three
                3 @3000ms run pay attempt 3 failed, for good: panicked three
              = accepted
            > next
            running at 3000ms: drive
            > ask pay
              = recorded failure after 3 attempts: panicked three
            > again
            > ask pay
              = recorded failure after 3 attempts: panicked three
            > spent pay three
                4 @3000ms run failed: retryable of step pay three
              = stop
            > next
            failed at 3000ms: done
            failed at 3000ms: done
        "#]],
    );
}

#[test]
fn a_terminal_failure_spends_no_further_attempt_and_may_be_caught() {
    check(
        r#"
        ask pay
        fail pay terminal card stolen
        ask pay
        ask apologise
        ok apologise null
        ask apologise
        return "sorry"
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay terminal card stolen
                1 @0ms run pay attempt 1 failed, for good: terminal card stolen
              = accepted
            > ask pay
              = recorded failure after 1 attempts: terminal card stolen
            > ask apologise
              = execute attempt 1
            > ok apologise null
                2 @0ms run apologise attempt 1 succeeded: null
              = accepted
            > ask apologise
              = recorded null
            > return "sorry"
                3 @0ms run completed: "sorry"
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_wait_asked_for_replaces_the_policys_and_is_cut_to_a_day() {
    check(
        r#"
        ask pay
        fail pay after=70000 slow down
        next
        +70s
        ask pay
        fail pay after=999999999999 much slower
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay after=70000 slow down
                1 @0ms run pay attempt 1 failed, again at 70000ms: retry-after slow down
              = accepted
            > next
            waiting at 0ms: wake at 70000ms
            > +70s
            > ask pay
              = execute attempt 2
            > fail pay after=999999999999 much slower
                2 @70000ms run pay attempt 2 failed, again at 86470000ms: retry-after much slower
              = accepted
            > next
            waiting at 70000ms: wake at 86470000ms
            waiting at 70000ms: wake at 86470000ms
        "#]],
    );
}

#[test]
fn failing_code_is_replayed_with_patience_and_fails_the_run_when_that_is_spent() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        throw panicked index out of bounds
        next
        +1s
        again
        ask pay
        throw panicked index out of bounds
        +2s
        again
        ask pay
        throw panicked index out of bounds
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > throw panicked index out of bounds
                2 @0ms failure 1 of workflow code, again at 1000ms: panicked index out of bounds
              = park until 1000ms
            > next
            waiting at 0ms: wake at 1000ms
            > +1s
            > again
            > ask pay
              = recorded 7
            > throw panicked index out of bounds
                3 @1000ms failure 2 of workflow code, again at 3000ms: panicked index out of bounds
              = park until 3000ms
            > +2s
            > again
            > ask pay
              = recorded 7
            > throw panicked index out of bounds
                4 @3000ms run failed: panicked index out of bounds
              = stop
            > next
            failed at 3000ms: done
            failed at 3000ms: done
        "#]],
    );
}

#[test]
fn progress_gives_failing_code_its_patience_back() {
    check(
        r#"
        throw not yet
        +1s
        throw not yet
        +2s
        ask pay
        ok pay 7
        ask pay
        throw not yet
        next
        "#,
        expect![[r#"
            > throw not yet
                1 @0ms failure 1 of workflow code, again at 1000ms: retryable not yet
              = park until 1000ms
            > +1s
            > throw not yet
                2 @1000ms failure 2 of workflow code, again at 3000ms: retryable not yet
              = park until 3000ms
            > +2s
            > ask pay
              = execute attempt 1
            > ok pay 7
                3 @3000ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > throw not yet
                4 @3000ms failure 1 of workflow code, again at 4000ms: retryable not yet
              = park until 4000ms
            > next
            waiting at 3000ms: wake at 4000ms
            waiting at 3000ms: wake at 4000ms
        "#]],
    );
}

#[test]
fn no_body_runs_while_code_is_backing_off() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        throw boom
        again
        ask pay
        ask ship
        +1s
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
            > throw boom
                2 @0ms failure 1 of workflow code, again at 1000ms: retryable boom
              = park until 1000ms
            > again
            > ask pay
              = recorded 7
            > ask ship
              = park until 1000ms
            > +1s
            > ask ship
              = execute attempt 1
            running at 1000ms: drive
        "#]],
    );
}

#[test]
fn a_terminal_error_of_code_fails_the_run_at_once() {
    check(
        r#"
        throw terminal no such product
        next
        "#,
        expect![[r#"
            > throw terminal no such product
                1 @0ms run failed: terminal no such product
              = stop
            > next
            failed at 0ms: done
            failed at 0ms: done
        "#]],
    );
}

#[test]
fn a_policy_of_one_attempt_never_waits() {
    check(
        r#"
        policy 1
        ask pay
        fail pay boom
        ask pay
        throw boom
        "#,
        expect![[r#"
            > policy 1
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, for good: retryable boom
              = accepted
            > ask pay
              = recorded failure after 1 attempts: retryable boom
            > throw boom
                2 @0ms run failed: retryable boom
              = stop
            failed at 0ms: done
        "#]],
    );
}

#[test]
fn a_run_wakes_for_the_branch_that_is_due_first() {
    check(
        r#"
        fork join both 2
        ask both/0/pay
        ask both/1/ship
        fail both/0/pay after=9000 much later
        fail both/1/ship after=2000 sooner
        next
        +2s
        next
        ask both/0/pay
        ask both/1/ship
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask both/0/pay
              = execute attempt 1
            > ask both/1/ship
              = execute attempt 1
            > fail both/0/pay after=9000 much later
                2 @0ms run both/0/pay attempt 1 failed, again at 9000ms: retry-after much later
              = accepted
            > fail both/1/ship after=2000 sooner
                3 @0ms run both/1/ship attempt 1 failed, again at 2000ms: retry-after sooner
              = accepted
            > next
            waiting at 0ms: wake at 2000ms
            > +2s
            > next
            running at 2000ms: drive
            > ask both/0/pay
              = park until 9000ms
            > ask both/1/ship
              = execute attempt 2
            running at 2000ms: drive
        "#]],
    );
}
