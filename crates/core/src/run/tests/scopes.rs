//! Scopes: what they did is undone, after a failure, a cancellation, a lost race.

use super::check;
use expect_test::expect;

#[test]
fn a_scope_that_failed_undoes_on_a_line_of_its_own_and_its_failure_is_its_result() {
    check(
        r#"
        fork scope trip 1
        ask trip/0/flight
        ok trip/0/flight "F1"
        ask trip/0/flight
        ask trip/0/hotel
        fail trip/0/hotel terminal full
        ask trip/0/hotel
        undo trip terminal full
        ask undo trip/undo/flight
        fail undo trip/undo/flight busy
        next
        +1s
        ask undo trip/undo/flight
        ok undo trip/undo/flight null
        ask undo trip/undo/flight
        end trip undo
        next
        again
        fork scope trip 1
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/flight
              = execute attempt 1
            > ok trip/0/flight "F1"
                2 @0ms run trip/0/flight attempt 1 succeeded: "F1"
              = accepted
            > ask trip/0/flight
              = recorded "F1"
            > ask trip/0/hotel
              = execute attempt 1
            > fail trip/0/hotel terminal full
                3 @0ms run trip/0/hotel attempt 1 failed, for good: terminal full
              = accepted
            > ask trip/0/hotel
              = recorded failure after 1 attempts: terminal full
            > undo trip terminal full
                4 @0ms trip begins to undo after terminal full
              = accepted
            > ask undo trip/undo/flight
              = execute attempt 1
            > fail undo trip/undo/flight busy
                5 @0ms undo trip/undo/flight attempt 1 failed, again at 1000ms: retryable busy
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > +1s
            > ask undo trip/undo/flight
              = execute attempt 2
            > ok undo trip/undo/flight null
                6 @1000ms undo trip/undo/flight attempt 2 succeeded: null
              = accepted
            > ask undo trip/undo/flight
              = recorded null
            > end trip undo
                7 @1000ms branch 0 of trip ended
              = accepted
            > next
            running at 1000ms: drive
            > again
            > fork scope trip 1
              = fork, 1 at a time, failed before: terminal full
            running at 1000ms: drive
        "#]],
    );
}

#[test]
fn a_cancelled_run_undoes_its_open_scopes_and_then_concludes() {
    check(
        r#"
        fork scope trip 1
        ask trip/0/hotel
        cancel customer left
        ok trip/0/hotel "H1"
        ask trip/0/hotel
        ask trip/0/car
        undo trip
        ask undo trip/undo/hotel
        fail undo trip/undo/hotel busy
        next
        +1s
        next
        ask undo trip/undo/hotel
        ok undo trip/undo/hotel null
        ask undo trip/undo/hotel
        end trip undo
        next
        conclude
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/hotel
              = execute attempt 1
            > cancel customer left
                2 @0ms cancel requested: customer left
              = accepted
            > ok trip/0/hotel "H1"
                3 @0ms run trip/0/hotel attempt 1 succeeded: "H1"
              = accepted
            > ask trip/0/hotel
              = recorded "H1"
            > ask trip/0/car
              = hold
            > undo trip
                4 @0ms trip begins to undo
              = accepted
            > ask undo trip/undo/hotel
              = execute attempt 1
            > fail undo trip/undo/hotel busy
                5 @0ms undo trip/undo/hotel attempt 1 failed, again at 1000ms: retryable busy
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > +1s
            > next
            running at 1000ms: drive
            > ask undo trip/undo/hotel
              = execute attempt 2
            > ok undo trip/undo/hotel null
                6 @1000ms undo trip/undo/hotel attempt 2 succeeded: null
              = accepted
            > ask undo trip/undo/hotel
              = recorded null
            > end trip undo
                7 @1000ms branch 0 of trip ended
              = accepted
            > next
            running at 1000ms: conclude the cancellation
            > conclude
                8 @1000ms run cancelled
              = stop
            cancelled at 1000ms: done
        "#]],
    );
}

#[test]
fn a_scope_within_a_scope_undoes_first() {
    check(
        r#"
        fork scope trip 1
        fork scope trip/0/stay 1
        ask trip/0/stay/0/hotel
        ok trip/0/stay/0/hotel "H1"
        cancel customer left
        next
        undo trip
        undo trip/0/stay
        undo trip
        ask undo trip/0/stay/undo/hotel
        ok undo trip/0/stay/undo/hotel null
        ask undo trip/0/stay/undo/hotel
        end trip/0/stay undo
        next
        undo trip
        end trip undo
        next
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > fork scope trip/0/stay 1
                2 @0ms scope trip/0/stay of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/stay/0/hotel
              = execute attempt 1
            > ok trip/0/stay/0/hotel "H1"
                3 @0ms run trip/0/stay/0/hotel attempt 1 succeeded: "H1"
              = accepted
            > cancel customer left
                4 @0ms cancel requested: customer left
              = accepted
            > next
            running at 0ms: drive
            > undo trip
              = hold
            > undo trip/0/stay
                5 @0ms trip/0/stay begins to undo
              = accepted
            > undo trip
              = hold
            > ask undo trip/0/stay/undo/hotel
              = execute attempt 1
            > ok undo trip/0/stay/undo/hotel null
                6 @0ms undo trip/0/stay/undo/hotel attempt 1 succeeded: null
              = accepted
            > ask undo trip/0/stay/undo/hotel
              = recorded null
            > end trip/0/stay undo
                7 @0ms branch 0 of trip/0/stay ended
              = accepted
            > next
            running at 0ms: drive
            > undo trip
                8 @0ms trip begins to undo
              = accepted
            > end trip undo
                9 @0ms branch 0 of trip ended
              = accepted
            > next
            running at 0ms: conclude the cancellation
            running at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn a_scope_that_has_yet_to_undo_is_not_kept_waiting_by_one_that_backs_off() {
    check(
        r#"
        fork join both 2
        fork scope both/0/trip 1
        fork scope both/1/stay 1
        undo both/0/trip boom
        ask undo both/0/trip/undo/flight
        fail undo both/0/trip/undo/flight busy
        cancel customer left
        next
        undo both/1/stay
        next
        end both/1/stay undo
        next
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > fork scope both/0/trip 1
                2 @0ms scope both/0/trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > fork scope both/1/stay 1
                3 @0ms scope both/1/stay of 1 branches, 1 at a time
              = fork, 1 at a time
            > undo both/0/trip boom
                4 @0ms both/0/trip begins to undo after retryable boom
              = accepted
            > ask undo both/0/trip/undo/flight
              = execute attempt 1
            > fail undo both/0/trip/undo/flight busy
                5 @0ms undo both/0/trip/undo/flight attempt 1 failed, again at 1000ms: retryable busy
              = accepted
            > cancel customer left
                6 @0ms cancel requested: customer left
              = accepted
            > next
            running at 0ms: drive
            > undo both/1/stay
                7 @0ms both/1/stay begins to undo
              = accepted
            > next
            running at 0ms: drive
            > end both/1/stay undo
                8 @0ms branch 0 of both/1/stay ended
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            waiting at 0ms: wake at 1000ms
        "#]],
    );
}

#[test]
fn an_undo_line_that_waits_for_something_keeps_a_cancelled_run_waiting() {
    check(
        r#"
        fork scope trip 1
        cancel customer left
        undo trip
        wait trip/undo/confirmed event refund/confirmed=7
        next
        event e4 refund/confirmed=7 {}
        next
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > cancel customer left
                2 @0ms cancel requested: customer left
              = accepted
            > undo trip
                3 @0ms trip begins to undo
              = accepted
            > wait trip/undo/confirmed event refund/confirmed=7
                4 @0ms trip/undo/confirmed waits for event refund/confirmed "7"
              = accepted
            > next
            waiting at 0ms: await
            > event e4 refund/confirmed=7 {}
                5 @0ms trip/undo/confirmed received e4: {}
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_scope_of_a_branch_that_lost_its_race_undoes_before_the_line_goes_on() {
    check(
        r#"
        fork race first 2
        fork scope first/1/trip 1
        ask first/1/trip/0/hotel
        end first 0 ok "won"
        ok first/1/trip/0/hotel "H1"
        ask first/1/trip/0/hotel
        undo first/1/trip
        ask undo first/1/trip/undo/hotel
        fail undo first/1/trip/undo/hotel busy
        next
        +1s
        ask undo first/1/trip/undo/hotel
        ok undo first/1/trip/undo/hotel null
        ask undo first/1/trip/undo/hotel
        end first/1/trip undo
        next
        past first
        return "won"
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > fork scope first/1/trip 1
                2 @0ms scope first/1/trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask first/1/trip/0/hotel
              = execute attempt 1
            > end first 0 ok "won"
                3 @0ms branch 0 of first ended and won: "won"
              = recorded "won"
            > ok first/1/trip/0/hotel "H1"
                4 @0ms run first/1/trip/0/hotel attempt 1 succeeded: "H1"
              = accepted
            > ask first/1/trip/0/hotel
              = recorded "H1"
            > undo first/1/trip
                5 @0ms first/1/trip begins to undo
              = accepted
            > ask undo first/1/trip/undo/hotel
              = execute attempt 1
            > fail undo first/1/trip/undo/hotel busy
                6 @0ms undo first/1/trip/undo/hotel attempt 1 failed, again at 1000ms: retryable busy
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > +1s
            > ask undo first/1/trip/undo/hotel
              = execute attempt 2
            > ok undo first/1/trip/undo/hotel null
                7 @1000ms undo first/1/trip/undo/hotel attempt 2 succeeded: null
              = accepted
            > ask undo first/1/trip/undo/hotel
              = recorded null
            > end first/1/trip undo
                8 @1000ms branch 0 of first/1/trip ended
              = accepted
            > next
            running at 1000ms: drive
            > past first
            > return "won"
                9 @1000ms run completed: "won"
              = stop
            completed at 1000ms: done
        "#]],
    );
}

#[test]
fn what_a_body_comes_to_after_its_scope_began_to_undo_is_taken_by_nobody() {
    check(
        r#"
        fork scope trip 1
        ask trip/0/flight
        cancel customer left
        undo trip
        ok trip/0/flight "F1"
        crash trip/0/flight#1 alone
        end trip undo
        next
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/flight
              = execute attempt 1
            > cancel customer left
                2 @0ms cancel requested: customer left
              = accepted
            > undo trip
                3 @0ms trip begins to undo
              = accepted
            > ok trip/0/flight "F1"
              = hold
            > crash trip/0/flight#1 alone
              = accepted
            > end trip undo
                4 @0ms branch 0 of trip ended
              = accepted
            > next
            running at 0ms: conclude the cancellation
            running at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn nothing_begins_on_an_undo_line_that_is_not_under_way() {
    check(
        r#"
        fork scope trip 1
        ask undo trip/undo/flight
        sleep trip/undo/nap 5000
        undo trip boom
        end trip undo
        ask undo trip/undo/flight
        sleep trip/undo/nap 5000
        invoke trip/undo/child 3
        fork join trip/undo/both 2
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask undo trip/undo/flight
              = hold
            > sleep trip/undo/nap 5000
              = hold
            > undo trip boom
                2 @0ms trip begins to undo after retryable boom
              = accepted
            > end trip undo
                3 @0ms branch 0 of trip ended
              = accepted
            > ask undo trip/undo/flight
              = hold
            > sleep trip/undo/nap 5000
              = hold
            > invoke trip/undo/child 3
              = hold
            > fork join trip/undo/both 2
              = hold
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_race_on_an_undo_line_has_losers_like_any_other() {
    check(
        r#"
        fork scope trip 1
        undo trip boom
        fork race trip/undo/first 2
        wait trip/undo/first/1/late event refund/late
        end trip/undo/first 0 ok 1
        ask wait-for trip/undo/first/1/late
        past trip/undo/first
        next
        end trip undo
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > undo trip boom
                2 @0ms trip begins to undo after retryable boom
              = accepted
            > fork race trip/undo/first 2
                3 @0ms race trip/undo/first of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait trip/undo/first/1/late event refund/late
                4 @0ms trip/undo/first/1/late waits for event refund/late ""
              = accepted
            > end trip/undo/first 0 ok 1
                5 @0ms branch 0 of trip/undo/first ended and won: 1
              = recorded 1
            > ask wait-for trip/undo/first/1/late
              = hold
            > past trip/undo/first
            > next
            running at 0ms: drive
            > end trip undo
                6 @0ms branch 0 of trip ended
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_scope_does_not_undo_without_a_reason() {
    check(
        r#"
        fork scope trip 1
        undo trip
        fork join trip/0/both 2
        undo trip/0/both boom
        undo nowhere boom
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > undo trip
              ! step trip does not stand where the request takes it to stand
            > fork join trip/0/both 2
                2 @0ms join trip/0/both of 2 branches, 2 at a time
              = fork, 2 at a time
            > undo trip/0/both boom
              ! step trip/0/both does not stand where the request takes it to stand
            > undo nowhere boom
              ! step nowhere does not stand where the request takes it to stand
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_scope_that_ended_well_is_never_undone() {
    check(
        r#"
        fork scope trip 1
        ask trip/0/flight
        ok trip/0/flight "F1"
        ask trip/0/flight
        end trip 0
        cancel customer left
        next
        undo trip
        again
        fork scope trip 1
        ask trip/0/flight
        undo trip boom
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/flight
              = execute attempt 1
            > ok trip/0/flight "F1"
                2 @0ms run trip/0/flight attempt 1 succeeded: "F1"
              = accepted
            > ask trip/0/flight
              = recorded "F1"
            > end trip 0
                3 @0ms branch 0 of trip ended
              = accepted
            > cancel customer left
                4 @0ms cancel requested: customer left
              = accepted
            > next
            running at 0ms: conclude the cancellation
            > undo trip
              = hold
            > again
            > fork scope trip 1
              = fork, 1 at a time
            > ask trip/0/flight
              = recorded "F1"
            > undo trip boom
                5 @0ms quarantined: journal and code disagree: recorded the end of scope trip, attempted the failure of scope trip
              = stop
            quarantined at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn a_scope_that_fails_before_it_passed_its_steps_is_a_mismatch() {
    check(
        r#"
        fork scope trip 1
        ask trip/0/flight
        ok trip/0/flight "F1"
        undo trip boom
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/flight
              = execute attempt 1
            > ok trip/0/flight "F1"
                2 @0ms run trip/0/flight attempt 1 succeeded: "F1"
              = accepted
            > undo trip boom
                3 @0ms quarantined: journal and code disagree: recorded run trip/0/flight, attempted the failure of scope trip
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_run_does_not_end_before_every_scope_has() {
    check(
        r#"
        fork race first 2
        fork scope first/1/trip 1
        end first 0 ok 1
        past first
        return 1
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > fork scope first/1/trip 1
                2 @0ms scope first/1/trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > end first 0 ok 1
                3 @0ms branch 0 of first ended and won: 1
              = recorded 1
            > past first
            > return 1
                4 @0ms quarantined: journal and code disagree: recorded scope first/1/trip, attempted returning from the workflow
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_compensation_that_takes_the_engine_down_three_times_alone_is_given_up() {
    check(
        r#"
        fork scope trip 1
        cancel customer left
        undo trip
        ask undo trip/undo/flight
        crash undo trip/undo/flight#1 alone
        crash undo trip/undo/flight#2 alone
        next
        crash undo trip/undo/flight#3 alone
        next
        conclude
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > cancel customer left
                2 @0ms cancel requested: customer left
              = accepted
            > undo trip
                3 @0ms trip begins to undo
              = accepted
            > ask undo trip/undo/flight
              = execute attempt 1
            > crash undo trip/undo/flight#1 alone
                4 @0ms recovered undo trip/undo/flight attempt 1, alone
              = accepted
            > crash undo trip/undo/flight#2 alone
                5 @0ms recovered undo trip/undo/flight attempt 2, alone
              = accepted
            > next
            running at 0ms: drive
            > crash undo trip/undo/flight#3 alone
                6 @0ms recovered undo trip/undo/flight attempt 3, alone
                7 @0ms quarantined: engine died 3 times while driving it alone, at last in step trip/undo/flight
              = stop
            > next
            quarantined at 0ms: conclude the cancellation
            > conclude
                8 @0ms run cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn code_that_cannot_even_undo_does_not_keep_a_run_from_being_cancelled() {
    check(
        r#"
        fork scope trip 1
        cancel customer left
        throw boom
        next
        +1s
        throw boom
        +2s
        throw boom
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > cancel customer left
                2 @0ms cancel requested: customer left
              = accepted
            > throw boom
                3 @0ms failure 1 of workflow code, again at 1000ms: retryable boom
              = park until 1000ms
            > next
            waiting at 0ms: wake at 1000ms
            > +1s
            > throw boom
                4 @1000ms failure 2 of workflow code, again at 3000ms: retryable boom
              = park until 3000ms
            > +2s
            > throw boom
                5 @3000ms run cancelled
              = stop
            cancelled at 3000ms: done
        "#]],
    );
}
