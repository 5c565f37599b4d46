//! Steps and their results, the first time and on replay.

use super::check;
use expect_test::expect;

#[test]
fn a_recorded_step_answers_from_the_journal_and_its_body_is_not_called_again() {
    check(
        r#"
        ask pay
        ok pay {"charge":7}
        ask pay
        again
        ask pay
        ask ship
        ok ship "label"
        ask ship
        return {"ok":true}
        ask pay
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay {"charge":7}
                1 @0ms run pay attempt 1 succeeded: {"charge":7}
              = accepted
            > ask pay
              = recorded {"charge":7}
            > again
            > ask pay
              = recorded {"charge":7}
            > ask ship
              = execute attempt 1
            > ok ship "label"
                2 @0ms run ship attempt 1 succeeded: "label"
              = accepted
            > ask ship
              = recorded "label"
            > return {"ok":true}
                3 @0ms run completed: {"ok":true}
              = stop
            > ask pay
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_repeated_name_counts_up_and_each_use_has_its_own_result() {
    check(
        r#"
        ask poll
        ok poll 1
        ask poll
        ask poll:2
        ok poll:2 2
        ask poll:2
        again
        ask poll
        ask poll:2
        "#,
        expect![[r#"
            > ask poll
              = execute attempt 1
            > ok poll 1
                1 @0ms run poll attempt 1 succeeded: 1
              = accepted
            > ask poll
              = recorded 1
            > ask poll:2
              = execute attempt 1
            > ok poll:2 2
                2 @0ms run poll:2 attempt 1 succeeded: 2
              = accepted
            > ask poll:2
              = recorded 2
            > again
            > ask poll
              = recorded 1
            > ask poll:2
              = recorded 2
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn every_kind_of_step_is_recorded_as_what_it_is() {
    check(
        r#"
        ask now placed-at
        ok now placed-at 1700000000000
        ask now placed-at
        ask random dice
        ok random dice 4
        ask random dice
        ask ulid receipt
        ok ulid receipt "01J"
        ask ulid receipt
        ask transaction reserve
        ok transaction reserve {"left":3}
        ask transaction reserve
        return null
        "#,
        expect![[r#"
            > ask now placed-at
              = execute attempt 1
            > ok now placed-at 1700000000000
                1 @0ms now placed-at attempt 1 succeeded: 1700000000000
              = accepted
            > ask now placed-at
              = recorded 1700000000000
            > ask random dice
              = execute attempt 1
            > ok random dice 4
                2 @0ms random dice attempt 1 succeeded: 4
              = accepted
            > ask random dice
              = recorded 4
            > ask ulid receipt
              = execute attempt 1
            > ok ulid receipt "01J"
                3 @0ms ulid receipt attempt 1 succeeded: "01J"
              = accepted
            > ask ulid receipt
              = recorded "01J"
            > ask transaction reserve
              = execute attempt 1
            > ok transaction reserve {"left":3}
                4 @0ms transaction reserve attempt 1 succeeded in shop: {"left":3}
              = accepted
            > ask transaction reserve
              = recorded {"left":3}
            > return null
                5 @0ms run completed: null
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_result_is_recorded_once_and_only_for_the_attempt_that_is_due() {
    check(
        r#"
        ask pay
        ok pay#2 "early"
        fail pay boom
        ok pay#1 "late"
        ok random pay#2 4
        ok pay#2 "right"
        ok pay#2 "twice"
        fail pay#3 after the fact
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay#2 "early"
              ! attempt 2 of step pay reported, attempt 1 is due
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > ok pay#1 "late"
              ! attempt 1 of step pay reported, attempt 2 is due
            > ok random pay#2 4
              ! step pay is recorded as run, not random
            > ok pay#2 "right"
                2 @0ms run pay attempt 2 succeeded: "right"
              = accepted
            > ok pay#2 "twice"
              ! step pay already has a result
            > fail pay#3 after the fact
              ! step pay already has a result
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn branches_keep_lines_of_their_own() {
    check(
        r#"
        fork join both 2
        ask both/0/pay
        ask both/1/ship
        ok both/1/ship "label"
        ask both/1/ship
        ok both/0/pay 7
        ask both/0/pay
        again
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
            > ok both/1/ship "label"
                2 @0ms run both/1/ship attempt 1 succeeded: "label"
              = accepted
            > ask both/1/ship
              = recorded "label"
            > ok both/0/pay 7
                3 @0ms run both/0/pay attempt 1 succeeded: 7
              = accepted
            > ask both/0/pay
              = recorded 7
            > again
            > ask both/0/pay
              = recorded 7
            > ask both/1/ship
              = recorded "label"
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn time_never_goes_back_in_a_journal_and_instants_to_wait_for_are_the_clocks_own() {
    check(
        r#"
        +10s
        ask pay
        ok pay 1
        -8s
        ask pay
        ask ship
        fail ship boom
        next
        +9s
        next
        ask ship
        "#,
        expect![[r#"
            > +10s
            > ask pay
              = execute attempt 1
            > ok pay 1
                1 @10000ms run pay attempt 1 succeeded: 1
              = accepted
            > -8s
            > ask pay
              = recorded 1
            > ask ship
              = execute attempt 1
            > fail ship boom
                2 @10000ms run ship attempt 1 failed, again at 3000ms: retryable boom
              = accepted
            > next
            waiting at 2000ms: wake at 3000ms
            > +9s
            > next
            running at 11000ms: drive
            > ask ship
              = execute attempt 2
            running at 11000ms: drive
        "#]],
    );
}

#[test]
fn a_run_that_has_ended_refuses_everything_but_questions_which_it_stops() {
    check(
        r#"
        return 1
        ask pay
        ok pay 2
        fail pay boom
        return 3
        throw boom
        cancel too late
        conclude
        quarantine gone
        resume
        crash pay#1 alone
        "#,
        expect![[r#"
            > return 1
                1 @0ms run completed: 1
              = stop
            > ask pay
              = stop
            > ok pay 2
              ! run has already ended as completed
            > fail pay boom
              ! run has already ended as completed
            > return 3
              ! run has already ended as completed
            > throw boom
              ! run has already ended as completed
            > cancel too late
              ! run has already ended as completed
            > conclude
              ! run has already ended as completed
            > quarantine gone
              ! run has already ended as completed
            > resume
              ! run is completed, neither paused nor quarantined: there is nothing to resume
            > crash pay#1 alone
              = accepted
            completed at 0ms: done
        "#]],
    );
}
