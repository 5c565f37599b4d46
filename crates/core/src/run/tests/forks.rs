//! Forks: branches, their addresses and ends; races and their losers.

use super::check;
use expect_test::expect;

#[test]
fn branches_have_addresses_of_their_own_and_the_fork_ends_with_the_last() {
    check(
        r#"
        fork join both 2
        ask both/0/pay
        ask both/1/pay
        ok both/1/pay 1
        ask both/1/pay
        end both 1
        ok both/0/pay 2
        ask both/0/pay
        end both 0
        past both
        ask ship
        again
        fork join both 2
        ask both/0/pay
        end both 0
        ask both/1/pay
        end both 1
        past both
        ask ship
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask both/0/pay
              = execute attempt 1
            > ask both/1/pay
              = execute attempt 1
            > ok both/1/pay 1
                2 @0ms run both/1/pay attempt 1 succeeded: 1
              = accepted
            > ask both/1/pay
              = recorded 1
            > end both 1
                3 @0ms branch 1 of both ended
              = accepted
            > ok both/0/pay 2
                4 @0ms run both/0/pay attempt 1 succeeded: 2
              = accepted
            > ask both/0/pay
              = recorded 2
            > end both 0
                5 @0ms branch 0 of both ended
              = accepted
            > past both
            > ask ship
              = execute attempt 1
            > again
            > fork join both 2
              = fork, 2 at a time
            > ask both/0/pay
              = recorded 2
            > end both 0
              = recorded null
            > ask both/1/pay
              = recorded 1
            > end both 1
              = recorded null
            > past both
            > ask ship
              = execute attempt 1
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_fork_of_no_branches_is_over_at_once() {
    check(
        r#"
        fork map each 0 1
        past each
        ask ship
        fork race none 0
        fork scope none 0
        fork scope none 2
        fork run none 2
        "#,
        expect![[r#"
            > fork map each 0 1
                1 @0ms map each of 0 branches, 1 at a time
              = fork, 1 at a time
            > past each
            > ask ship
              = execute attempt 1
            > fork race none 0
              ! step none does not stand where the request takes it to stand
            > fork scope none 0
              ! step none does not stand where the request takes it to stand
            > fork scope none 2
              ! step none does not stand where the request takes it to stand
            > fork run none 2
              ! step none does not stand where the request takes it to stand
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn another_number_of_branches_is_a_mismatch_also_once_the_fork_is_over() {
    check(
        r#"
        fork map each 2
        end each 0
        end each 1
        again
        fork map each 3
        "#,
        expect![[r#"
            > fork map each 2
                1 @0ms map each of 2 branches, 2 at a time
              = fork, 2 at a time
            > end each 0
                2 @0ms branch 0 of each ended
              = accepted
            > end each 1
                3 @0ms branch 1 of each ended
              = accepted
            > again
            > fork map each 3
                4 @0ms quarantined: journal and code disagree: recorded map each of 2 branches, attempted map each of 3
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn another_kind_of_fork_is_a_mismatch() {
    check(
        r#"
        fork join both 2
        again
        fork race both 2
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > again
            > fork race both 2
                2 @0ms quarantined: journal and code disagree: recorded join both, attempted race both
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_fork_in_the_place_of_a_step_is_a_mismatch() {
    check(
        r#"
        ask pay
        ok pay 1
        again
        fork join pay 2
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 1
                1 @0ms run pay attempt 1 succeeded: 1
              = accepted
            > again
            > fork join pay 2
                2 @0ms quarantined: journal and code disagree: recorded run pay, attempted join pay
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_branch_that_ends_before_its_recorded_steps_is_a_mismatch() {
    check(
        r#"
        fork join both 2
        ask both/0/pay
        ok both/0/pay 1
        end both 0
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask both/0/pay
              = execute attempt 1
            > ok both/0/pay 1
                2 @0ms run both/0/pay attempt 1 succeeded: 1
              = accepted
            > end both 0
                3 @0ms quarantined: journal and code disagree: recorded run both/0/pay, attempted the end of branch 0 of both
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_branch_does_not_end_with_a_step_under_way() {
    check(
        r#"
        fork join both 2
        ask both/0/pay
        fail both/0/pay boom
        end both 0
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask both/0/pay
              = execute attempt 1
            > fail both/0/pay boom
                2 @0ms run both/0/pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > end both 0
                3 @0ms quarantined: journal and code disagree: recorded run both/0/pay, attempted the end of branch 0 of both
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_map_begins_a_branch_only_as_an_earlier_one_ends() {
    check(
        r#"
        fork map each 4 2
        ask each/2/pack
        end each 2
        ask each/0/pack
        ok each/0/pack 0
        ask each/0/pack
        end each 0
        ask each/2/pack
        ask each/3/pack
        end each 1
        ask each/3/pack
        end each 2
        end each 3
        past each
        next
        "#,
        expect![[r#"
            > fork map each 4 2
                1 @0ms map each of 4 branches, 2 at a time
              = fork, 2 at a time
            > ask each/2/pack
              = hold
            > end each 2
              = hold
            > ask each/0/pack
              = execute attempt 1
            > ok each/0/pack 0
                2 @0ms run each/0/pack attempt 1 succeeded: 0
              = accepted
            > ask each/0/pack
              = recorded 0
            > end each 0
                3 @0ms branch 0 of each ended
              = accepted
            > ask each/2/pack
              = execute attempt 1
            > ask each/3/pack
              = hold
            > end each 1
                4 @0ms branch 1 of each ended
              = accepted
            > ask each/3/pack
              = execute attempt 1
            > end each 2
                5 @0ms branch 2 of each ended
              = accepted
            > end each 3
                6 @0ms branch 3 of each ended
              = accepted
            > past each
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn the_limit_of_a_map_is_the_recorded_one() {
    check(
        r#"
        fork map each 4 2
        again
        fork map each 4 3
        "#,
        expect![[r#"
            > fork map each 4 2
                1 @0ms map each of 4 branches, 2 at a time
              = fork, 2 at a time
            > again
            > fork map each 4 3
              = fork, 2 at a time
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_branch_ends_once() {
    check(
        r#"
        fork join both 2
        end both 0
        end both 0
        end both 2
        end both 1 ok 1
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > end both 0
                2 @0ms branch 0 of both ended
              = accepted
            > end both 0
              = accepted
            > end both 2
              ! step both does not stand where the request takes it to stand
            > end both 1 ok 1
              ! step both does not stand where the request takes it to stand
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn the_first_to_end_wins_and_one_entry_says_who_and_with_what() {
    check(
        r#"
        fork race first 3
        ask first/0/slow
        ask first/1/fast
        ok first/1/fast 1
        ask first/1/fast
        end first 1 ok "won"
        next
        ok first/0/slow 2
        ask first/0/more
        ask first/2/more
        past first
        ask ship
        "#,
        expect![[r#"
            > fork race first 3
                1 @0ms race first of 3 branches, 3 at a time
              = fork, 3 at a time
            > ask first/0/slow
              = execute attempt 1
            > ask first/1/fast
              = execute attempt 1
            > ok first/1/fast 1
                2 @0ms run first/1/fast attempt 1 succeeded: 1
              = accepted
            > ask first/1/fast
              = recorded 1
            > end first 1 ok "won"
                3 @0ms branch 1 of first ended and won: "won"
              = recorded "won"
            > next
            running at 0ms: drive
            > ok first/0/slow 2
              = hold
            > ask first/0/more
              = hold
            > ask first/2/more
              = hold
            > past first
            > ask ship
              = execute attempt 1
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_winner_may_have_failed() {
    check(
        r#"
        fork race first 2
        end first 0 fail terminal boom
        end first 0 fail terminal boom
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > end first 0 fail terminal boom
                2 @0ms branch 0 of first ended and won: terminal boom
              = recorded failure after 1 attempts: terminal boom
            > end first 0 fail terminal boom
              = recorded failure after 1 attempts: terminal boom
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn on_replay_the_recorded_winner_answers_and_another_one_is_a_mismatch() {
    check(
        r#"
        fork race first 2
        end first 1 ok "won"
        again
        fork race first 2
        end first 1 ok "another value"
        end first 0 ok "me"
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > end first 1 ok "won"
                2 @0ms branch 1 of first ended and won: "won"
              = recorded "won"
            > again
            > fork race first 2
              = fork, 2 at a time
            > end first 1 ok "another value"
              = recorded "won"
            > end first 0 ok "me"
                3 @0ms quarantined: journal and code disagree: recorded another branch as the winner of race first, attempted branch 0
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_race_says_what_its_winner_returned_and_other_forks_do_not() {
    check(
        r#"
        fork race first 2
        end first 0
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > end first 0
              ! step first does not stand where the request takes it to stand
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn the_value_of_a_winner_is_kept_to_the_limit_of_a_result() {
    check(
        r#"
        fork race first 2
        end first 0 ok 4194305 bytes
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > end first 0 ok 4194305 bytes
                2 @0ms branch 0 of first ended and won: terminal result of 4194305 bytes is over the limit of 4194304
              = recorded failure after 1 attempts: terminal result of 4194305 bytes is over the limit of 4194304
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn forks_within_forks_end_from_within() {
    check(
        r#"
        fork join outer 2
        fork race outer/0/inner 2
        wait outer/0/inner/1/late event order/paid
        fork map outer/0/inner/0/each 2 1
        end outer/0/inner/0/each 0
        end outer/0/inner/0/each 1
        past outer/0/inner/0/each
        end outer/0/inner 0 ok 1
        past outer/0/inner
        end outer 0
        end outer 1
        past outer
        return 1
        "#,
        expect![[r#"
            > fork join outer 2
                1 @0ms join outer of 2 branches, 2 at a time
              = fork, 2 at a time
            > fork race outer/0/inner 2
                2 @0ms race outer/0/inner of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait outer/0/inner/1/late event order/paid
                3 @0ms outer/0/inner/1/late waits for event order/paid ""
              = accepted
            > fork map outer/0/inner/0/each 2 1
                4 @0ms map outer/0/inner/0/each of 2 branches, 1 at a time
              = fork, 1 at a time
            > end outer/0/inner/0/each 0
                5 @0ms branch 0 of outer/0/inner/0/each ended
              = accepted
            > end outer/0/inner/0/each 1
                6 @0ms branch 1 of outer/0/inner/0/each ended
              = accepted
            > past outer/0/inner/0/each
            > end outer/0/inner 0 ok 1
                7 @0ms branch 0 of outer/0/inner ended and won: 1
              = recorded 1
            > past outer/0/inner
            > end outer 0
                8 @0ms branch 0 of outer ended
              = accepted
            > end outer 1
                9 @0ms branch 1 of outer ended
              = accepted
            > past outer
            > return 1
                10 @0ms run completed: 1
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_race_takes_everything_begun_within_its_losers_along() {
    check(
        r#"
        fork race first 2
        fork join first/1/both 2
        wait first/1/both/0/paid event order/paid
        sleep first/1/both/1/nap 5000
        next
        end first 0 ok 1
        event e4 order/paid 1
        next
        ask sleep first/1/both/1/nap
        end first/1/both 0
        past first
        return 1
        "#,
        expect![[r#"
            > fork race first 2
                1 @0ms race first of 2 branches, 2 at a time
              = fork, 2 at a time
            > fork join first/1/both 2
                2 @0ms join first/1/both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait first/1/both/0/paid event order/paid
                3 @0ms first/1/both/0/paid waits for event order/paid ""
              = accepted
            > sleep first/1/both/1/nap 5000
                4 @0ms first/1/both/1/nap waits until 5000ms
              = accepted
            > next
            running at 0ms: drive
            > end first 0 ok 1
                5 @0ms branch 0 of first ended and won: 1
              = recorded 1
            > event e4 order/paid 1
              = accepted
            > next
            running at 0ms: drive
            > ask sleep first/1/both/1/nap
              = hold
            > end first/1/both 0
              = hold
            > past first
            > return 1
                6 @0ms run completed: 1
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_branch_that_backs_off_keeps_no_other_waiting() {
    check(
        r#"
        fork join both 2
        ask both/0/pay
        fail both/0/pay after=9000 later
        next
        ask both/1/ship
        ok both/1/ship 1
        ask both/1/ship
        end both 1
        next
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask both/0/pay
              = execute attempt 1
            > fail both/0/pay after=9000 later
                2 @0ms run both/0/pay attempt 1 failed, again at 9000ms: retry-after later
              = accepted
            > next
            running at 0ms: drive
            > ask both/1/ship
              = execute attempt 1
            > ok both/1/ship 1
                3 @0ms run both/1/ship attempt 1 succeeded: 1
              = accepted
            > ask both/1/ship
              = recorded 1
            > end both 1
                4 @0ms branch 1 of both ended
              = accepted
            > next
            waiting at 0ms: wake at 9000ms
            waiting at 0ms: wake at 9000ms
        "#]],
    );
}

#[test]
fn code_that_panics_for_good_in_a_branch_fails_the_run() {
    check(
        r#"
        fork join both 2
        throw panicked boom
        +1s
        throw panicked boom
        +2s
        throw panicked boom
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > throw panicked boom
                2 @0ms failure 1 of workflow code, again at 1000ms: panicked boom
              = park until 1000ms
            > +1s
            > throw panicked boom
                3 @1000ms failure 2 of workflow code, again at 3000ms: panicked boom
              = park until 3000ms
            > +2s
            > throw panicked boom
                4 @3000ms run failed: panicked boom
              = stop
            failed at 3000ms: done
        "#]],
    );
}

#[test]
fn code_that_panics_for_good_with_a_scope_open_stands_still_for_a_person() {
    check(
        r#"
        policy 1
        fork scope trip 1
        throw panicked boom
        resume
        next
        "#,
        expect![[r#"
            > policy 1
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > throw panicked boom
                2 @0ms quarantined: journal and code disagree: recorded scope trip, attempted failing the workflow
              = stop
            > resume
                3 @0ms resumed
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn code_that_fails_before_a_recorded_fork_is_a_mismatch() {
    check(
        r#"
        fork join both 2
        throw terminal boom
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > throw terminal boom
                2 @0ms quarantined: journal and code disagree: recorded join both, attempted failing the workflow
              = stop
            quarantined at 0ms: held
        "#]],
    );
}
