//! Children: a run started by a run, its end, and what becomes of it when its parent ends first.

use super::check;
use expect_test::expect;

#[test]
fn the_end_of_a_child_is_recorded_once() {
    check(
        r#"
        invoke pack 3
        next
        ask invoke pack
        child 3 completed {"label":1}
        child 3 completed {"label":2}
        child 3 failed boom
        ask invoke pack
        again
        ask invoke pack
        "#,
        expect![[r#"
            > invoke pack 3
                1 @0ms pack started pack as run 3, on close cancel
              = accepted
            > next
            waiting at 0ms: await
            > ask invoke pack
              = wait
            > child 3 completed {"label":1}
                2 @0ms invoke pack attempt 1 succeeded: {"label":1}
              = accepted
            > child 3 completed {"label":2}
              = accepted
            > child 3 failed boom
              = accepted
            > ask invoke pack
              = recorded {"label":1}
            > again
            > ask invoke pack
              = recorded {"label":1}
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_child_that_failed_or_was_cancelled_fails_its_step_with_its_name() {
    check(
        r#"
        invoke pack 3
        child 3 failed terminal no box
        ask invoke pack
        invoke ship 4
        child 4 cancelled
        ask invoke ship
        "#,
        expect![[r#"
            > invoke pack 3
                1 @0ms pack started pack as run 3, on close cancel
              = accepted
            > child 3 failed terminal no box
                2 @0ms invoke pack attempt 1 failed, for good: terminal child run 030C1G60R30C1G60R30C1G60R3 failed: no box
              = accepted
            > ask invoke pack
              = recorded failure after 1 attempts: terminal child run 030C1G60R30C1G60R30C1G60R3 failed: no box
            > invoke ship 4
                3 @0ms ship started pack as run 4, on close cancel
              = accepted
            > child 4 cancelled
                4 @0ms invoke ship attempt 1 failed, for good: terminal child run 040G2081040G2081040G208104 was cancelled
              = accepted
            > ask invoke ship
              = recorded failure after 1 attempts: terminal child run 040G2081040G2081040G208104 was cancelled
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn the_end_of_a_child_nobody_waits_for_changes_nothing() {
    check(
        r#"
        start help 3
        child 3 completed 1
        child 4 completed 1
        ask start help
        return 1
        child 3 completed 1
        "#,
        expect![[r#"
            > start help 3
                1 @0ms help started pack as run 3, detached, on close abandon
              = accepted
            > child 3 completed 1
              = accepted
            > child 4 completed 1
              = accepted
            > ask start help
              = recorded "030C1G60R30C1G60R30C1G60R3"
            > return 1
                2 @0ms run completed: 1
              = stop
            > child 3 completed 1
              = accepted
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn an_output_over_the_limit_of_a_result_fails_the_step_and_not_the_child() {
    check(
        r#"
        invoke pack 3
        child 3 completed 4194305 bytes
        ask invoke pack
        "#,
        expect![[r#"
            > invoke pack 3
                1 @0ms pack started pack as run 3, on close cancel
              = accepted
            > child 3 completed 4194305 bytes
                2 @0ms invoke pack attempt 1 failed, for good: terminal output of the child run is over the limit
              = accepted
            > ask invoke pack
              = recorded failure after 1 attempts: terminal output of the child run is over the limit
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_child_is_cancelled_with_its_parent_unless_it_is_told_to_go_on() {
    check(
        r#"
        fork join all 4
        invoke all/0/pack 3
        invoke all/1/tell 4 abandon
        start all/2/help 5 cancel
        start all/3/log 6
        cancel customer left
        child 3 cancelled
        conclude
        "#,
        expect![[r#"
            > fork join all 4
                1 @0ms join all of 4 branches, 4 at a time
              = fork, 4 at a time
            > invoke all/0/pack 3
                2 @0ms all/0/pack started pack as run 3, on close cancel
              = accepted
            > invoke all/1/tell 4 abandon
                3 @0ms all/1/tell started pack as run 4, on close abandon
              = accepted
            > start all/2/help 5 cancel
                4 @0ms all/2/help started pack as run 5, detached, on close cancel
              = accepted
            > start all/3/log 6
                5 @0ms all/3/log started pack as run 6, detached, on close abandon
              = accepted
            > cancel customer left
                6 @0ms cancel requested: customer left
                -> cancel run 3: it is cancelled
              = accepted
            > child 3 cancelled
                7 @0ms invoke all/0/pack attempt 1 failed, for good: terminal child run 030C1G60R30C1G60R30C1G60R3 was cancelled
              = accepted
            > conclude
                8 @0ms run cancelled
                -> cancel run 5: it ended
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_parent_that_ends_well_closes_what_it_left_running() {
    check(
        r#"
        start help 5 cancel
        ask start help
        start log 6
        ask start log
        return 1
        "#,
        expect![[r#"
            > start help 5 cancel
                1 @0ms help started pack as run 5, detached, on close cancel
              = accepted
            > ask start help
              = recorded "050M2GA1850M2GA1850M2GA185"
            > start log 6
                2 @0ms log started pack as run 6, detached, on close abandon
              = accepted
            > ask start log
              = recorded "060R30C1G60R30C1G60R30C1G6"
            > return 1
                3 @0ms run completed: 1
                -> cancel run 5: it ended
              = stop
            completed at 0ms: done
        "#]],
    );
}

#[test]
fn a_parent_that_fails_closes_what_it_left_running() {
    check(
        r#"
        start help 5 cancel
        ask start help
        throw terminal boom
        "#,
        expect![[r#"
            > start help 5 cancel
                1 @0ms help started pack as run 5, detached, on close cancel
              = accepted
            > ask start help
              = recorded "050M2GA1850M2GA1850M2GA185"
            > throw terminal boom
                2 @0ms run failed: terminal boom
                -> cancel run 5: it ended
              = stop
            failed at 0ms: done
        "#]],
    );
}

#[test]
fn a_parent_that_is_killed_kills_its_children() {
    check(
        r#"
        invoke pack 3
        kill enough
        "#,
        expect![[r#"
            > invoke pack 3
                1 @0ms pack started pack as run 3, on close cancel
              = accepted
            > kill enough
                2 @0ms run killed: enough
                -> kill run 3: it ended
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn the_child_of_a_branch_that_lost_is_cancelled_unless_it_is_told_to_go_on() {
    check(
        r#"
        fork race first 3
        invoke first/1/pack 3
        invoke first/2/tell 4 abandon
        end first 0 ok 1
        child 3 completed 1
        child 4 completed 1
        next
        "#,
        expect![[r#"
            > fork race first 3
                1 @0ms race first of 3 branches, 3 at a time
              = fork, 3 at a time
            > invoke first/1/pack 3
                2 @0ms first/1/pack started pack as run 3, on close cancel
              = accepted
            > invoke first/2/tell 4 abandon
                3 @0ms first/2/tell started pack as run 4, on close abandon
              = accepted
            > end first 0 ok 1
                4 @0ms branch 0 of first ended and won: 1
                -> cancel run 3: it went on without
              = recorded 1
            > child 3 completed 1
              = accepted
            > child 4 completed 1
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_child_started_by_the_body_of_a_scope_ends_with_it() {
    check(
        r#"
        fork scope trip 1
        fork join trip/0/both 2
        invoke trip/0/both/0/pack 3
        cancel customer left
        undo trip
        child 3 completed 1
        end trip undo
        next
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > fork join trip/0/both 2
                2 @0ms join trip/0/both of 2 branches, 2 at a time
              = fork, 2 at a time
            > invoke trip/0/both/0/pack 3
                3 @0ms trip/0/both/0/pack started pack as run 3, on close cancel
              = accepted
            > cancel customer left
                4 @0ms cancel requested: customer left
                -> cancel run 3: it is cancelled
              = accepted
            > undo trip
                5 @0ms trip begins to undo
                -> cancel run 3: it went on without
              = accepted
            > child 3 completed 1
              = accepted
            > end trip undo
                6 @0ms branch 0 of trip ended
              = accepted
            > next
            running at 0ms: conclude the cancellation
            running at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn a_child_that_undoes_is_not_cancelled_with_its_parent() {
    check(
        r#"
        fork scope trip 1
        undo trip boom
        invoke trip/undo/refund 3
        cancel customer left
        next
        child 3 completed 1
        next
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > undo trip boom
                2 @0ms trip begins to undo after retryable boom
              = accepted
            > invoke trip/undo/refund 3
                3 @0ms trip/undo/refund started pack as run 3, on close cancel
              = accepted
            > cancel customer left
                4 @0ms cancel requested: customer left
              = accepted
            > next
            waiting at 0ms: await
            > child 3 completed 1
                5 @0ms invoke trip/undo/refund attempt 1 succeeded: 1
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_parent_is_told_the_end_of_its_child_with_every_kind_of_end() {
    check(
        r#"
        begin parent=9/pack
        return {"label":1}
        begin parent=9/pack
        throw terminal boom
        begin parent=9/pack
        cancel enough
        conclude
        "#,
        expect![[r#"
            > begin parent=9/pack
            > return {"label":1}
                1 @0ms run completed: {"label":1}
                -> tell run 9 at pack: completed: {"label":1}
              = stop
            > begin parent=9/pack
            > throw terminal boom
                1 @0ms run failed: terminal boom
                -> tell run 9 at pack: failed: terminal boom
              = stop
            > begin parent=9/pack
            > cancel enough
                1 @0ms cancel requested: enough
              = accepted
            > conclude
                2 @0ms run cancelled
                -> tell run 9 at pack: cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_child_is_started_once() {
    check(
        r#"
        invoke pack 3
        invoke pack 4
        ask invoke pack
        child 3 completed 1
        ask invoke pack
        start help 4 cancel
        ask start help
        invoke again 4
        "#,
        expect![[r#"
            > invoke pack 3
                1 @0ms pack started pack as run 3, on close cancel
              = accepted
            > invoke pack 4
              ! step pack already has a result
            > ask invoke pack
              = wait
            > child 3 completed 1
                2 @0ms invoke pack attempt 1 succeeded: 1
              = accepted
            > ask invoke pack
              = recorded 1
            > start help 4 cancel
                3 @0ms help started pack as run 4, detached, on close cancel
              = accepted
            > ask start help
              = recorded "040G2081040G2081040G208104"
            > invoke again 4
              ! step again does not stand where the request takes it to stand
            running at 0ms: drive
        "#]],
    );
}
