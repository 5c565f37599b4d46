//! Repair by people: retry in the same run, pause and resume.

use super::check;
use expect_test::expect;

#[test]
fn a_failed_step_is_tried_again_with_all_its_attempts_numbered_on() {
    check(
        r#"
        ask pay
        ok pay 7
        past pay
        ask ship
        fail ship terminal gone
        past ship
        spent ship gone
        next
        retry carrier is back
        next
        again
        ask pay
        ask ship
        fail ship boom
        +1s
        ask ship
        ok ship 8
        past ship
        return 9
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > past pay
            > ask ship
              = execute attempt 1
            > fail ship terminal gone
                2 @0ms run ship attempt 1 failed, for good: terminal gone
              = accepted
            > past ship
            > spent ship gone
                3 @0ms run failed: retryable of step ship gone
              = stop
            > next
            failed at 0ms: done
            > retry carrier is back
                4 @0ms retried ship: carrier is back
              = accepted
            > next
            running at 0ms: drive
            > again
            > ask pay
              = recorded 7
            > ask ship
              = execute attempt 2
            > fail ship boom
                5 @0ms run ship attempt 2 failed, again at 1000ms: retryable boom
              = accepted
            > +1s
            > ask ship
              = execute attempt 3
            > ok ship 8
                6 @1000ms run ship attempt 3 succeeded: 8
              = accepted
            > past ship
            > return 9
                7 @1000ms run completed: 9
              = stop
            completed at 1000ms: done
        "#]],
    );
}

#[test]
fn a_run_whose_code_failed_is_run_again_over_what_it_recorded() {
    check(
        r#"
        ask pay
        ok pay 7
        past pay
        throw terminal no such country
        retry country added
        again
        ask pay
        return 1
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > past pay
            > throw terminal no such country
                2 @0ms run failed: terminal no such country
              = stop
            > retry country added
                3 @0ms retried : country added
              = accepted
            > again
            > ask pay
              = recorded 7
            > return 1
                4 @0ms run completed: 1
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_run_that_backs_off_is_tried_at_once() {
    check(
        r#"
        ask pay
        fail pay boom
        next
        retry now
        next
        ask pay
        ok pay 7
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > retry now
                2 @0ms retried pay: now
              = accepted
            > next
            running at 0ms: drive
            > ask pay
              = execute attempt 2
            > ok pay 7
                3 @0ms run pay attempt 2 succeeded: 7
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_run_that_waits_or_works_has_nothing_to_retry() {
    check(
        r#"
        retry
        ask pay
        retry
        ok pay 7
        wait go signal go
        retry
        "#,
        expect![[r#"
            > retry
              ! run is queued: only what failed, or backs off after a failure, is retried
            > ask pay
              = execute attempt 1
            > retry
              ! run is queued: only what failed, or backs off after a failure, is retried
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > wait go signal go
                2 @0ms go waits for signal go
              = accepted
            > retry
              ! run is waiting: only what failed, or backs off after a failure, is retried
            waiting at 0ms: await
        "#]],
    );
}

#[test]
fn a_completed_or_cancelled_run_is_not_retried() {
    check(
        r#"
        return 1
        retry
        "#,
        expect![[r#"
            > return 1
                1 @0ms run completed: 1
              = stop
            > retry
              ! run is completed: only what failed, or backs off after a failure, is retried
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_failure_that_code_went_on_from_is_not_retried_in_place() {
    check(
        r#"
        ask pay
        fail pay terminal boom
        ask pay
        ask apologise
        ok apologise 1
        ask apologise
        spent pay boom
        retry
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay terminal boom
                1 @0ms run pay attempt 1 failed, for good: terminal boom
              = accepted
            > ask pay
              = recorded failure after 1 attempts: terminal boom
            > ask apologise
              = execute attempt 1
            > ok apologise 1
                2 @0ms run apologise attempt 1 succeeded: 1
              = accepted
            > ask apologise
              = recorded 1
            > spent pay boom
                3 @0ms run failed: retryable of step pay boom
              = stop
            > retry
              ! step pay failed and others came after it: fork the run from there instead
            failed at 0ms: done
        "#]],
    );
}

#[test]
fn what_was_undone_is_not_retried_in_place() {
    check(
        r#"
        fork scope trip 1
        ask trip/0/book
        ok trip/0/book 1
        ask trip/0/book
        ask trip/0/pay
        fail trip/0/pay terminal broke
        ask trip/0/pay
        undo trip terminal broke
        end trip undo
        past trip
        throw terminal broke
        retry
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/book
              = execute attempt 1
            > ok trip/0/book 1
                2 @0ms run trip/0/book attempt 1 succeeded: 1
              = accepted
            > ask trip/0/book
              = recorded 1
            > ask trip/0/pay
              = execute attempt 1
            > fail trip/0/pay terminal broke
                3 @0ms run trip/0/pay attempt 1 failed, for good: terminal broke
              = accepted
            > ask trip/0/pay
              = recorded failure after 1 attempts: terminal broke
            > undo trip terminal broke
                4 @0ms trip begins to undo after terminal broke
              = accepted
            > end trip undo
                5 @0ms branch 0 of trip ended
              = accepted
            > past trip
            > throw terminal broke
                6 @0ms run failed: terminal broke
              = stop
            > retry
              ! scope trip cannot be tried again in this run: fork the run from it instead
            failed at 0ms: done
        "#]],
    );
}

#[test]
fn every_branch_of_a_join_that_failed_last_is_tried_again_and_its_fork_with_it() {
    check(
        r#"
        fork join all 2
        ask all/0/a
        ok all/0/a 1
        past all/0/a
        end all 0
        ask all/1/b
        fail all/1/b terminal boom
        past all/1/b
        end all 1
        past all
        throw terminal boom
        retry
        again
        ask all/1/b
        ok all/1/b 2
        past all/1/b
        end all 1
        past all
        return 6
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
            > past all/0/a
            > end all 0
                3 @0ms branch 0 of all ended
              = accepted
            > ask all/1/b
              = execute attempt 1
            > fail all/1/b terminal boom
                4 @0ms run all/1/b attempt 1 failed, for good: terminal boom
              = accepted
            > past all/1/b
            > end all 1
                5 @0ms branch 1 of all ended
              = accepted
            > past all
            > throw terminal boom
                6 @0ms run failed: terminal boom
              = stop
            > retry
                7 @0ms retried all/1/b: 
              = accepted
            > again
            > ask all/1/b
              = execute attempt 2
            > ok all/1/b 2
                8 @0ms run all/1/b attempt 2 succeeded: 2
              = accepted
            > past all/1/b
            > end all 1
                9 @0ms branch 1 of all ended
              = accepted
            > past all
            > return 6
                10 @0ms run completed: 6
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_child_that_failed_is_started_anew_by_a_retry() {
    check(
        r#"
        invoke pack 1
        child 1 failed terminal broken
        ask invoke pack
        spent pack broken
        retry
        next
        "#,
        expect![[r#"
            > invoke pack 1
                1 @0ms pack started pack as run 1, on close cancel
              = accepted
            > child 1 failed terminal broken
                2 @0ms invoke pack attempt 1 failed, for good: terminal child run 01040G2081040G2081040G2081 failed: broken
              = accepted
            > ask invoke pack
              = recorded failure after 1 attempts: terminal child run 01040G2081040G2081040G2081 failed: broken
            > spent pack broken
                3 @0ms run failed: retryable of step pack broken
              = stop
            > retry
                4 @0ms retried pack: 
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_retried_run_has_no_deadline_any_more() {
    check(
        r#"
        begin finish-by=60000
        ask pay
        fail pay terminal boom
        ask pay
        spent pay boom
        +100s
        retry
        next
        "#,
        expect![[r#"
            > begin finish-by=60000
            > ask pay
              = execute attempt 1
            > fail pay terminal boom
                1 @0ms run pay attempt 1 failed, for good: terminal boom
              = accepted
            > ask pay
              = recorded failure after 1 attempts: terminal boom
            > spent pay boom
                2 @0ms run failed: retryable of step pay boom
              = stop
            > +100s
            > retry
                3 @100000ms retried pay: 
              = accepted
            > next
            running at 100000ms: drive
            running at 100000ms: drive
        "#]],
    );
}

#[test]
fn a_retried_child_tells_its_parent_again_which_hears_the_first_word_only() {
    check(
        r#"
        begin parent=9/wait
        ask pay
        fail pay terminal boom
        ask pay
        spent pay boom
        retry
        again
        ask pay
        ok pay 7
        past pay
        return 1
        "#,
        expect![[r#"
            > begin parent=9/wait
            > ask pay
              = execute attempt 1
            > fail pay terminal boom
                1 @0ms run pay attempt 1 failed, for good: terminal boom
              = accepted
            > ask pay
              = recorded failure after 1 attempts: terminal boom
            > spent pay boom
                2 @0ms run failed: retryable of step pay boom
                -> tell run 9 at wait: failed: retryable of step pay boom
              = stop
            > retry
                3 @0ms retried pay: 
              = accepted
            > again
            > ask pay
              = execute attempt 2
            > ok pay 7
                4 @0ms run pay attempt 2 succeeded: 7
              = accepted
            > past pay
            > return 1
                5 @0ms run completed: 1
                -> tell run 9 at wait: completed: 1
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn pausing_lets_a_body_end_and_begins_nothing_new() {
    check(
        r#"
        ask pay
        pause carrier strike
        next
        ok pay 7
        next
        ask pay
        ask ship
        return 1
        throw boom
        next
        resume
        next
        again
        ask pay
        ask ship
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > pause carrier strike
                1 @0ms paused: carrier strike
              = accepted
            > next
            paused at 0ms: held
            > ok pay 7
                2 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > next
            paused at 0ms: held
            > ask pay
              = recorded 7
            > ask ship
              = hold
            > return 1
              = hold
            > throw boom
              = hold
            > next
            paused at 0ms: held
            > resume
                3 @0ms resumed
              = accepted
            > next
            running at 0ms: drive
            > again
            > ask pay
              = recorded 7
            > ask ship
              = execute attempt 1
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_paused_run_takes_what_is_sent_to_it() {
    check(
        r#"
        wait go signal go
        pause
        signal go 1
        next
        resume
        next
        ask signal go
        "#,
        expect![[r#"
            > wait go signal go
                1 @0ms go waits for signal go
              = accepted
            > pause
                2 @0ms paused: 
              = accepted
            > signal go 1
                3 @0ms signal go: 1
                4 @0ms signal go attempt 1 succeeded: 1
              = accepted
            > next
            paused at 0ms: held
            > resume
                5 @0ms resumed
              = accepted
            > next
            running at 0ms: drive
            > ask signal go
              = recorded 1
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn what_comes_after_a_deadline_that_passed_during_a_pause_comes_too_late() {
    check(
        r#"
        wait paid event order/paid until 10000
        pause
        +20s
        event e1 order/paid 7
        resume
        again
        ask wait-for paid
        "#,
        expect![[r#"
            > wait paid event order/paid until 10000
                1 @0ms paid waits for event order/paid "" until 10000ms
              = accepted
            > pause
                2 @0ms paused: 
              = accepted
            > +20s
            > event e1 order/paid 7
                3 @20000ms paid timed out
              = accepted
            > resume
                4 @20000ms resumed
              = accepted
            > again
            > ask wait-for paid
              = recorded as timed out
            running at 20000ms: drive
        "#]],
    );
}

#[test]
fn a_deadline_of_the_run_passes_while_it_is_paused() {
    check(
        r#"
        begin finish-by=60000
        ask pay
        ok pay 7
        pause
        next
        +60s
        next
        expire
        next
        "#,
        expect![[r#"
            > begin finish-by=60000
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > pause
                2 @0ms paused: 
              = accepted
            > next
            paused at 0ms: wake at 60000ms
            > +60s
            > next
            paused at 60000ms: expire
            > expire
                3 @60000ms cancel requested: run did not finish in time
              = accepted
            > next
            running at 60000ms: conclude the cancellation
            running at 60000ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn cancelling_ends_a_pause_because_there_may_be_something_to_undo() {
    check(
        r#"
        ask pay
        ok pay 7
        pause
        cancel enough
        next
        resume
        pause
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > pause
                2 @0ms paused: 
              = accepted
            > cancel enough
                3 @0ms cancel requested: enough
              = accepted
            > next
            running at 0ms: conclude the cancellation
            > resume
              ! run is running, neither paused nor quarantined: there is nothing to resume
            > pause
              ! run is being cancelled: it is not paused any more
            running at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn pausing_twice_is_pausing_once_and_a_quarantined_run_is_not_paused() {
    check(
        r#"
        pause
        pause
        resume
        resume
        quarantine gone
        pause
        "#,
        expect![[r#"
            > pause
                1 @0ms paused: 
              = accepted
            > pause
              = accepted
            > resume
                2 @0ms resumed
              = accepted
            > resume
              ! run is running, neither paused nor quarantined: there is nothing to resume
            > quarantine gone
                3 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > pause
              ! run is quarantined: resume it first
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_crash_while_paused_is_recovered_and_begins_nothing() {
    check(
        r#"
        ask pay
        pause
        crash pay#1 alone
        next
        resume
        again
        ask pay
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > pause
                1 @0ms paused: 
              = accepted
            > crash pay#1 alone
                2 @0ms recovered run pay attempt 1, alone
              = accepted
            > next
            paused at 0ms: held
            > resume
                3 @0ms resumed
              = accepted
            > again
            > ask pay
              = execute attempt 2
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_branch_that_would_hold_a_place_of_a_map_is_not_tried_again_in_it() {
    check(
        r#"
        fork map all 2 1
        ask all/0/a
        fail all/0/a terminal boom
        past all/0/a
        end all 0
        ask all/1/a
        ok all/1/a 1
        past all/1/a
        end all 1
        past all
        throw terminal boom
        retry
        "#,
        expect![[r#"
            > fork map all 2 1
                1 @0ms map all of 2 branches, 1 at a time
              = fork, 1 at a time
            > ask all/0/a
              = execute attempt 1
            > fail all/0/a terminal boom
                2 @0ms run all/0/a attempt 1 failed, for good: terminal boom
              = accepted
            > past all/0/a
            > end all 0
                3 @0ms branch 0 of all ended
              = accepted
            > ask all/1/a
              = execute attempt 1
            > ok all/1/a 1
                4 @0ms run all/1/a attempt 1 succeeded: 1
              = accepted
            > past all/1/a
            > end all 1
                5 @0ms branch 1 of all ended
              = accepted
            > past all
            > throw terminal boom
                6 @0ms run failed: terminal boom
              = stop
            > retry
              ! map all cannot be tried again in this run: fork the run from it instead
            failed at 0ms: done
        "#]],
    );
}
