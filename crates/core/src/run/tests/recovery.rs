//! Deaths of the engine: attempts stay honest, and a poison step is found out.

use super::check;
use expect_test::expect;

#[test]
fn an_attempt_cut_short_is_counted_and_spends_no_patience() {
    check(
        r#"
        policy 2
        ask pay
        crash pay
        next
        again
        ask pay
        fail pay boom
        +1s
        ask pay
        ok pay 7
        "#,
        expect![[r#"
            > policy 2
            > ask pay
              = execute attempt 1
            > crash pay
                1 @0ms recovered run pay attempt 1
              = accepted
            > next
            running at 0ms: drive
            > again
            > ask pay
              = execute attempt 2
            > fail pay boom
                2 @0ms run pay attempt 2 failed, again at 1000ms: retryable boom
              = accepted
            > +1s
            > ask pay
              = execute attempt 3
            > ok pay 7
                3 @1000ms run pay attempt 3 succeeded: 7
              = accepted
            running at 1000ms: drive
        "#]],
    );
}

#[test]
fn a_stale_mark_is_recognised_by_what_the_journal_says_since() {
    check(
        r#"
        ask pay
        crash pay#2
        ok pay 7
        crash pay#1
        ask pay
        ask ship
        fail ship boom
        crash ship#1
        crash random ship#2
        crash mail#1
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > crash pay#2
              = accepted
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > crash pay#1
              = accepted
            > ask pay
              = recorded 7
            > ask ship
              = execute attempt 1
            > fail ship boom
                2 @0ms run ship attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > crash ship#1
              = accepted
            > crash random ship#2
              = accepted
            > crash mail#1
              = accepted
            waiting at 0ms: wake at 1000ms
        "#]],
    );
}

#[test]
fn the_same_mark_counts_once_however_often_the_store_is_opened() {
    check(
        r#"
        ask pay
        crash pay#1
        crash pay#1
        crash code at 1
        crash code at 2
        crash code at 2
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > crash pay#1
                1 @0ms recovered run pay attempt 1
              = accepted
            > crash pay#1
              = accepted
            > crash code at 1
              = accepted
            > crash code at 2
                2 @0ms recovered workflow code attempt 1
              = accepted
            > crash code at 2
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_step_that_takes_the_engine_down_three_times_alone_is_quarantined() {
    check(
        r#"
        ask pay
        crash pay alone
        ask pay
        crash pay alone
        ask pay
        crash pay alone
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > crash pay alone
                1 @0ms recovered run pay attempt 1, alone
              = accepted
            > ask pay
              = execute attempt 2
            > crash pay alone
                2 @0ms recovered run pay attempt 2, alone
              = accepted
            > ask pay
              = execute attempt 3
            > crash pay alone
                3 @0ms recovered run pay attempt 3, alone
                4 @0ms quarantined: engine died 3 times while driving it alone, at last in step pay
              = stop
            > next
            quarantined at 0ms: held
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn code_that_takes_the_engine_down_three_times_alone_is_quarantined() {
    check(
        r#"
        crash code alone
        crash code alone
        crash code alone
        next
        "#,
        expect![[r#"
            > crash code alone
                1 @0ms recovered workflow code attempt 1, alone
              = accepted
            > crash code alone
                2 @0ms recovered workflow code attempt 1, alone
              = accepted
            > crash code alone
                3 @0ms recovered workflow code attempt 1, alone
                4 @0ms quarantined: engine died 3 times while driving it alone, at last in workflow code
              = stop
            > next
            quarantined at 0ms: held
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn deaths_in_company_prove_nothing() {
    check(
        r#"
        ask pay
        crash pay
        ask pay
        crash pay
        ask pay
        crash pay
        ask pay
        crash pay
        ask pay
        crash pay alone
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > crash pay
                1 @0ms recovered run pay attempt 1
              = accepted
            > ask pay
              = execute attempt 2
            > crash pay
                2 @0ms recovered run pay attempt 2
              = accepted
            > ask pay
              = execute attempt 3
            > crash pay
                3 @0ms recovered run pay attempt 3
              = accepted
            > ask pay
              = execute attempt 4
            > crash pay
                4 @0ms recovered run pay attempt 4
              = accepted
            > ask pay
              = execute attempt 5
            > crash pay alone
                5 @0ms recovered run pay attempt 5, alone
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_body_that_comes_back_clears_its_step_of_suspicion() {
    check(
        r#"
        ask pay
        crash pay alone
        ask pay
        crash pay alone
        ask pay
        fail pay boom
        +1s
        ask pay
        crash pay alone
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > crash pay alone
                1 @0ms recovered run pay attempt 1, alone
              = accepted
            > ask pay
              = execute attempt 2
            > crash pay alone
                2 @0ms recovered run pay attempt 2, alone
              = accepted
            > ask pay
              = execute attempt 3
            > fail pay boom
                3 @0ms run pay attempt 3 failed, again at 1000ms: retryable boom
              = accepted
            > +1s
            > ask pay
              = execute attempt 4
            > crash pay alone
                4 @1000ms recovered run pay attempt 4, alone
              = accepted
            > next
            running at 1000ms: drive
            running at 1000ms: drive
        "#]],
    );
}

#[test]
fn a_run_that_dies_now_here_now_there_is_found_out_all_the_same() {
    check(
        r#"
        crash code alone
        ask pay
        crash pay alone
        crash code alone
        next
        "#,
        expect![[r#"
            > crash code alone
                1 @0ms recovered workflow code attempt 1, alone
              = accepted
            > ask pay
              = execute attempt 1
            > crash pay alone
                2 @0ms recovered run pay attempt 1, alone
              = accepted
            > crash code alone
                3 @0ms recovered workflow code attempt 1, alone
                4 @0ms quarantined: engine died 3 times while driving it alone, at last in workflow code
              = stop
            > next
            quarantined at 0ms: held
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn releasing_a_poison_run_gives_it_all_its_recoveries_again() {
    check(
        r#"
        ask pay
        crash pay alone
        ask pay
        crash pay alone
        ask pay
        crash pay alone
        resume
        ask pay
        crash pay alone
        next
        ask pay
        ok pay 7
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > crash pay alone
                1 @0ms recovered run pay attempt 1, alone
              = accepted
            > ask pay
              = execute attempt 2
            > crash pay alone
                2 @0ms recovered run pay attempt 2, alone
              = accepted
            > ask pay
              = execute attempt 3
            > crash pay alone
                3 @0ms recovered run pay attempt 3, alone
                4 @0ms quarantined: engine died 3 times while driving it alone, at last in step pay
              = stop
            > resume
                5 @0ms resumed
              = accepted
            > ask pay
              = execute attempt 4
            > crash pay alone
                6 @0ms recovered run pay attempt 4, alone
              = accepted
            > next
            running at 0ms: drive
            > ask pay
              = execute attempt 5
            > ok pay 7
                7 @0ms run pay attempt 5 succeeded: 7
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_death_during_backoff_of_code_is_no_failure_of_code() {
    check(
        r#"
        throw boom
        +1s
        crash code
        next
        throw boom
        "#,
        expect![[r#"
            > throw boom
                1 @0ms failure 1 of workflow code, again at 1000ms: retryable boom
              = park until 1000ms
            > +1s
            > crash code
                2 @1000ms recovered workflow code attempt 1
              = accepted
            > next
            running at 1000ms: drive
            > throw boom
                3 @1000ms failure 2 of workflow code, again at 3000ms: retryable boom
              = park until 3000ms
            waiting at 1000ms: wake at 3000ms
        "#]],
    );
}

#[test]
fn a_mark_of_a_run_that_is_over_or_held_is_ignored() {
    check(
        r#"
        ask pay
        quarantine gone
        crash pay alone
        cancel give up
        crash pay alone
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > quarantine gone
                1 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > crash pay alone
              = accepted
            > cancel give up
                2 @0ms cancel requested: give up
                3 @0ms run cancelled
              = stop
            > crash pay alone
              = accepted
            cancelled at 0ms: done
        "#]],
    );
}
