//! Cancellation: asked for, concluded once no body is in flight, never lost.

use super::check;
use expect_test::expect;

#[test]
fn a_body_in_flight_is_recorded_and_not_acted_upon() {
    check(
        r#"
        ask pay
        cancel customer left
        next
        ok pay 7
        ask pay
        conclude
        next
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > cancel customer left
                1 @0ms cancel requested: customer left
              = accepted
            > next
            running at 0ms: conclude the cancellation
            > ok pay 7
                2 @0ms run pay attempt 1 succeeded: 7
              = accepted
            > ask pay
              = recorded 7
            > conclude
                3 @0ms run cancelled
              = stop
            > next
            cancelled at 0ms: done
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_run_that_is_backing_off_is_cancelled_at_once() {
    check(
        r#"
        ask pay
        fail pay boom
        next
        cancel customer left
        next
        conclude
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            > cancel customer left
                2 @0ms cancel requested: customer left
              = accepted
            > next
            running at 0ms: conclude the cancellation
            > conclude
                3 @0ms run cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_failing_body_of_a_run_being_cancelled_is_not_tried_again() {
    check(
        r#"
        ask pay
        cancel customer left
        fail pay boom
        +1s
        next
        ask pay
        conclude
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > cancel customer left
                1 @0ms cancel requested: customer left
              = accepted
            > fail pay boom
                2 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > +1s
            > next
            running at 1000ms: conclude the cancellation
            > ask pay
              = hold
            > conclude
                3 @1000ms run cancelled
              = stop
            cancelled at 1000ms: done
        "#]],
    );
}

#[test]
fn a_quarantined_run_ends_at_once() {
    check(
        r#"
        quarantine gone
        cancel give up
        next
        resume
        "#,
        expect![[r#"
            > quarantine gone
                1 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > cancel give up
                2 @0ms cancel requested: give up
                3 @0ms run cancelled
              = stop
            > next
            cancelled at 0ms: done
            > resume
              ! run is cancelled, neither paused nor quarantined: there is nothing to resume
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_cancellation_outranks_a_quarantine_that_came_after_it() {
    check(
        r#"
        cancel customer left
        quarantine gone
        next
        cancel once more
        conclude
        "#,
        expect![[r#"
            > cancel customer left
                1 @0ms cancel requested: customer left
              = accepted
            > quarantine gone
                2 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > next
            quarantined at 0ms: conclude the cancellation
            > cancel once more
              = accepted
            > conclude
                3 @0ms run cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn asking_twice_is_asking_once_and_the_first_reason_stands() {
    check(
        r#"
        cancel first
        cancel second
        conclude
        cancel third
        "#,
        expect![[r#"
            > cancel first
                1 @0ms cancel requested: first
              = accepted
            > cancel second
              = accepted
            > conclude
                2 @0ms run cancelled
              = stop
            > cancel third
              ! run has already ended as cancelled
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_cancellation_nobody_asked_for_is_not_concluded() {
    check(
        r#"
        conclude
        "#,
        expect![[r#"
            > conclude
              ! no cancellation of the run was asked for
            queued at 0ms: drive
        "#]],
    );
}

#[test]
fn code_that_ends_before_the_cancellation_is_concluded_ends_the_run_its_own_way() {
    check(
        r#"
        cancel too late
        return 7
        conclude
        "#,
        expect![[r#"
            > cancel too late
                1 @0ms cancel requested: too late
              = accepted
            > return 7
                2 @0ms run completed: 7
              = stop
            > conclude
              ! run has already ended as completed
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_run_that_dies_while_being_cancelled_is_still_cancelled() {
    check(
        r#"
        ask pay
        cancel customer left
        crash pay#1 alone
        crash pay#2 alone
        crash pay#3 alone
        next
        conclude
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > cancel customer left
                1 @0ms cancel requested: customer left
              = accepted
            > crash pay#1 alone
                2 @0ms recovered run pay attempt 1, alone
              = accepted
            > crash pay#2 alone
                3 @0ms recovered run pay attempt 2, alone
              = accepted
            > crash pay#3 alone
                4 @0ms recovered run pay attempt 3, alone
              = accepted
            > next
            running at 0ms: conclude the cancellation
            > conclude
                5 @0ms run cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}
