//! Changes of code: the answer is settled by where the journal stood when it was first asked.

use super::check;
use expect_test::expect;

#[test]
fn a_change_applies_to_a_run_that_asks_at_the_end_of_its_journal_ever_after() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        patch new-way
        ask ship
        ok ship 8
        again
        ask pay
        patch new-way
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
            > patch new-way
                2 @0ms patched "" new-way
              = patched: true
            > ask ship
              = execute attempt 1
            > ok ship 8
                3 @0ms run ship attempt 1 succeeded: 8
              = accepted
            > again
            > ask pay
              = recorded 7
            > patch new-way
              = patched: true
            > ask ship
              = recorded 8
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_change_does_not_apply_where_the_journal_goes_on_behind_the_question() {
    check(
        r#"
        ask pay
        ok pay 7
        ask pay
        ask ship
        ok ship 8
        again
        ask pay
        patch new-way
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
            > ask pay
              = recorded 7
            > patch new-way
              = patched: false
            > ask ship
              = recorded 8
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_step_that_backs_off_is_the_journal_going_on() {
    check(
        r#"
        ask pay
        fail pay boom
        patch new-way
        ask pay
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > patch new-way
              = patched: false
            > ask pay
              = park until 1000ms
            waiting at 0ms: wake at 1000ms
        "#]],
    );
}

#[test]
fn code_that_asks_no_more_still_fits_a_journal_with_the_change() {
    check(
        r#"
        patch new-way
        ask ship
        ok ship 8
        again
        ask ship
        return 1
        "#,
        expect![[r#"
            > patch new-way
                1 @0ms patched "" new-way
              = patched: true
            > ask ship
              = execute attempt 1
            > ok ship 8
                2 @0ms run ship attempt 1 succeeded: 8
              = accepted
            > again
            > ask ship
              = recorded 8
            > return 1
                3 @0ms run completed: 1
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn each_line_has_an_answer_of_its_own() {
    check(
        r#"
        fork join all 2
        ask all/0/a
        ok all/0/a 1
        again
        fork join all 2
        patch new-way all/0
        patch new-way all/1
        "#,
        expect![[r#"
            > fork join all 2
                1 @0ms join all of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask all/0/a
              = execute attempt 1
            > ok all/0/a 1
                2 @0ms run all/0/a attempt 1 succeeded: 1
              = accepted
            > again
            > fork join all 2
              = fork, 2 at a time
            > patch new-way all/0
              = patched: false
            > patch new-way all/1
                3 @0ms patched "all/1" new-way
              = patched: true
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_branch_that_ended_is_told_that_a_change_does_not_apply() {
    check(
        r#"
        fork join all 2
        ask all/0/a
        ok all/0/a 1
        ask all/0/a
        end all 0
        again
        fork join all 2
        ask all/0/a
        patch new-way all/0
        "#,
        expect![[r#"
            > fork join all 2
                1 @0ms join all of 2 branches, 2 at a time
              = fork, 2 at a time
            > ask all/0/a
              = execute attempt 1
            > ok all/0/a 1
                2 @0ms run all/0/a attempt 1 succeeded: 1
              = accepted
            > ask all/0/a
              = recorded 1
            > end all 0
                3 @0ms branch 0 of all ended
              = accepted
            > again
            > fork join all 2
              = fork, 2 at a time
            > ask all/0/a
              = recorded 1
            > patch new-way all/0
              = patched: false
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_quarantined_run_is_stopped_and_a_paused_one_held() {
    check(
        r#"
        pause
        patch new-way
        resume
        quarantine gone
        patch new-way
        "#,
        expect![[r#"
            > pause
                1 @0ms paused: 
              = accepted
            > patch new-way
              = hold
            > resume
                2 @0ms resumed
              = accepted
            > quarantine gone
                3 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > patch new-way
              = stop
            quarantined at 0ms: held
        "#]],
    );
}
