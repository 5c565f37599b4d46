//! The terms a run starts on: a delay, deadlines, events that cancel it; and the ends people force.

use super::check;
use expect_test::expect;

#[test]
fn a_delayed_run_is_driven_no_earlier_than_it_says_whatever_arrives_before() {
    check(
        r#"
        begin start-at=5000
        next
        signal hurry 1
        next
        +5s
        next
        ask pay
        ok pay 7
        -3s
        next
        "#,
        expect![[r#"
            > begin start-at=5000
            > next
            waiting at 0ms: wake at 5000ms
            > signal hurry 1
                1 @0ms signal hurry: 1
              = accepted
            > next
            waiting at 0ms: wake at 5000ms
            > +5s
            > next
            running at 5000ms: drive
            > ask pay
              = execute attempt 1
            > ok pay 7
                2 @5000ms run pay attempt 1 succeeded: 7
              = accepted
            > -3s
            > next
            running at 2000ms: drive
            running at 2000ms: drive
        "#]],
    );
}

#[test]
fn a_run_that_does_not_start_in_time_is_cancelled_whatever_arrives_before() {
    check(
        r#"
        begin start-at=1000 start-by=5000
        signal hurry 1
        next
        +5s
        next
        expire
        next
        conclude
        "#,
        expect![[r#"
            > begin start-at=1000 start-by=5000
            > signal hurry 1
                1 @0ms signal hurry: 1
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > +5s
            > next
            running at 5000ms: expire
            > expire
                2 @5000ms cancel requested: run did not start in time
              = accepted
            > next
            running at 5000ms: conclude the cancellation
            > conclude
                3 @5000ms run cancelled
              = stop
            cancelled at 5000ms: done
        "#]],
    );
}

#[test]
fn a_run_whose_code_recorded_anything_has_started() {
    check(
        r#"
        begin start-by=5000
        ask pay
        ok pay 7
        next
        +5s
        next
        expire
        "#,
        expect![[r#"
            > begin start-by=5000
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > next
            running at 0ms: drive
            > +5s
            > next
            running at 5000ms: drive
            > expire
              = accepted
            running at 5000ms: drive
        "#]],
    );
}

#[test]
fn a_run_past_its_deadline_is_cancelled_and_undoes_what_is_open() {
    check(
        r#"
        begin finish-by=9000
        fork scope trip 1
        sleep trip/0/nap 60000
        next
        expire
        +9s
        next
        expire
        next
        expire
        undo trip
        end trip undo
        conclude
        "#,
        expect![[r#"
            > begin finish-by=9000
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > sleep trip/0/nap 60000
                2 @0ms trip/0/nap waits until 60000ms
              = accepted
            > next
            waiting at 0ms: wake at 9000ms
            > expire
              = accepted
            > +9s
            > next
            running at 9000ms: expire
            > expire
                3 @9000ms cancel requested: run did not finish in time
              = accepted
            > next
            running at 9000ms: drive
            > expire
              = accepted
            > undo trip
                4 @9000ms trip begins to undo
              = accepted
            > end trip undo
                5 @9000ms branch 0 of trip ended
              = accepted
            > conclude
                6 @9000ms run cancelled
              = stop
            cancelled at 9000ms: done
        "#]],
    );
}

#[test]
fn a_deadline_of_a_quarantined_run_waits_for_its_release() {
    check(
        r#"
        begin finish-by=1000
        quarantine gone
        +5s
        next
        expire
        resume
        next
        expire
        conclude
        "#,
        expect![[r#"
            > begin finish-by=1000
            > quarantine gone
                1 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > +5s
            > next
            quarantined at 5000ms: held
            > expire
              ! run is quarantined: resume it first
            > resume
                2 @5000ms resumed
              = accepted
            > next
            running at 5000ms: expire
            > expire
                3 @5000ms cancel requested: run did not finish in time
              = accepted
            > conclude
                4 @5000ms run cancelled
              = stop
            cancelled at 5000ms: done
        "#]],
    );
}

#[test]
fn a_kill_ends_the_run_where_it_stands_and_undoes_nothing() {
    check(
        r#"
        begin parent=9/pack
        fork scope trip 1
        ask trip/0/flight
        invoke trip/0/hotel 3
        kill enough
        next
        kill again
        undo trip
        "#,
        expect![[r#"
            > begin parent=9/pack
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > ask trip/0/flight
              = execute attempt 1
            > invoke trip/0/hotel 3
                2 @0ms trip/0/hotel started pack as run 3, on close cancel
              = accepted
            > kill enough
                3 @0ms run killed: enough
                -> kill run 3: it ended
                -> tell run 9 at pack: cancelled
              = stop
            > next
            cancelled at 0ms: done
            > kill again
              ! run has already ended as cancelled
            > undo trip
              ! run has already ended as cancelled
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_quarantined_run_and_one_being_cancelled_are_killed_like_any_other() {
    check(
        r#"
        cancel customer left
        quarantine gone
        kill enough
        "#,
        expect![[r#"
            > cancel customer left
                1 @0ms cancel requested: customer left
              = accepted
            > quarantine gone
                2 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > kill enough
                3 @0ms run killed: enough
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_run_that_goes_on_as_another_has_ended_and_tells_nobody() {
    check(
        r#"
        begin parent=9/pack
        start help 3 cancel
        ask start help
        continue 8
        next
        ask pay
        "#,
        expect![[r#"
            > begin parent=9/pack
            > start help 3 cancel
                1 @0ms help started pack as run 3, detached, on close cancel
              = accepted
            > ask start help
              = recorded "030C1G60R30C1G60R30C1G60R3"
            > continue 8
                2 @0ms run continued as 8
              = stop
            > next
            completed at 0ms: done
            > ask pay
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn code_that_has_not_passed_all_its_steps_does_not_go_on_as_another_run() {
    check(
        r#"
        ask pay
        ok pay 7
        continue 8
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > ok pay 7
                1 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > continue 8
                2 @0ms quarantined: journal and code disagree: recorded run pay, attempted going on as another run
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn a_run_being_cancelled_does_not_go_on_as_another() {
    check(
        r#"
        cancel customer left
        continue 8
        conclude
        "#,
        expect![[r#"
            > cancel customer left
                1 @0ms cancel requested: customer left
              = accepted
            > continue 8
              = hold
            > conclude
                2 @0ms run cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}
