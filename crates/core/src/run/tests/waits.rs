//! Waits: for an instant, an event, a signal; the first entry decides.

use super::check;
use expect_test::expect;

#[test]
fn a_sleep_records_its_instant_and_ends_once_when_it_has_come() {
    check(
        r#"
        ask sleep nap
        sleep nap 5000
        next
        ask sleep nap
        +4999ms
        ask sleep nap
        +1ms
        next
        ask sleep nap
        again
        ask sleep nap
        sleep nap 9000
        "#,
        expect![[r#"
            > ask sleep nap
              = execute attempt 1
            > sleep nap 5000
                1 @0ms nap waits until 5000ms
              = accepted
            > next
            waiting at 0ms: wake at 5000ms
            > ask sleep nap
              = wait until 5000ms
            > +4999ms
            > ask sleep nap
              = wait until 5000ms
            > +1ms
            > next
            running at 5000ms: drive
            > ask sleep nap
                2 @5000ms sleep nap attempt 1 succeeded: null
              = recorded null
            > again
            > ask sleep nap
              = recorded null
            > sleep nap 9000
              ! step nap already has a result
            running at 5000ms: drive
        "#]],
    );
}

#[test]
fn a_clock_set_back_ends_no_sleep_early_and_none_twice() {
    check(
        r#"
        +10s
        sleep nap 15000
        -8s
        ask sleep nap
        next
        +13s
        ask sleep nap
        -10s
        again
        ask sleep nap
        "#,
        expect![[r#"
            > +10s
            > sleep nap 15000
                1 @10000ms nap waits until 15000ms
              = accepted
            > -8s
            > ask sleep nap
              = wait until 15000ms
            > next
            waiting at 2000ms: wake at 15000ms
            > +13s
            > ask sleep nap
                2 @15000ms sleep nap attempt 1 succeeded: null
              = recorded null
            > -10s
            > again
            > ask sleep nap
              = recorded null
            running at 5000ms: drive
        "#]],
    );
}

#[test]
fn an_event_satisfies_one_wait_of_a_run_and_no_other_ever() {
    check(
        r#"
        fork join both 2
        wait both/0/paid event order/paid=7
        wait both/1/paid event order/paid=7
        event e4 order/paid=7 {"by":"card"}
        event e4 order/paid=7 {"by":"card"}
        ask wait-for both/1/paid
        event e5 order/paid=7 {"by":"cash"}
        ask wait-for both/0/paid
        ask wait-for both/1/paid
        wait both/0/again event order/paid=7 found e4 order/paid=7 1; e5 order/paid=7 2
        next
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/0/paid event order/paid=7
                2 @0ms both/0/paid waits for event order/paid "7"
              = accepted
            > wait both/1/paid event order/paid=7
                3 @0ms both/1/paid waits for event order/paid "7"
              = accepted
            > event e4 order/paid=7 {"by":"card"}
                4 @0ms both/0/paid received e4: {"by":"card"}
              = accepted
            > event e4 order/paid=7 {"by":"card"}
              = accepted
            > ask wait-for both/1/paid
              = wait
            > event e5 order/paid=7 {"by":"cash"}
                5 @0ms both/1/paid received e5: {"by":"cash"}
              = accepted
            > ask wait-for both/0/paid
              = recorded {"by":"card"}
            > ask wait-for both/1/paid
              = recorded {"by":"cash"}
            > wait both/0/again event order/paid=7 found e4 order/paid=7 1; e5 order/paid=7 2
                6 @0ms both/0/again waits for event order/paid "7"
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn the_event_that_started_the_run_satisfies_none_of_its_waits() {
    check(
        r#"
        wait placed event order/placed found order-1 order/placed 1
        event order-1 order/placed 1
        next
        "#,
        expect![[r#"
            > wait placed event order/placed found order-1 order/placed 1
                1 @0ms placed waits for event order/placed ""
              = accepted
            > event order-1 order/placed 1
              = accepted
            > next
            waiting at 0ms: await
            waiting at 0ms: await
        "#]],
    );
}

#[test]
fn an_event_is_compared_in_full_by_name_and_key() {
    check(
        r#"
        wait paid event order/paid=7
        event e4 order/paid=8 {}
        event e5 order/paid {}
        event e6 order/pai=d7 {}
        next
        event e7 order/paid=7 {}
        next
        "#,
        expect![[r#"
            > wait paid event order/paid=7
                1 @0ms paid waits for event order/paid "7"
              = accepted
            > event e4 order/paid=8 {}
              = accepted
            > event e5 order/paid {}
              = accepted
            > event e6 order/pai=d7 {}
              = accepted
            > next
            waiting at 0ms: await
            > event e7 order/paid=7 {}
                2 @0ms paid received e7: {}
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn the_wait_that_began_first_takes_the_event() {
    check(
        r#"
        fork join both 2
        wait both/1/late event order/paid
        wait both/0/early event order/paid
        event e4 order/paid 1
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/1/late event order/paid
                2 @0ms both/1/late waits for event order/paid ""
              = accepted
            > wait both/0/early event order/paid
                3 @0ms both/0/early waits for event order/paid ""
              = accepted
            > event e4 order/paid 1
                4 @0ms both/1/late received e4: 1
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn of_event_and_deadline_the_first_entry_decides() {
    check(
        r#"
        wait paid event order/paid until 5000
        +5s
        next
        event e4 order/paid 1
        ask wait-for paid
        wait refunded event order/refunded until 9000
        +4s
        ask wait-for refunded
        event e5 order/refunded 1
        next
        "#,
        expect![[r#"
            > wait paid event order/paid until 5000
                1 @0ms paid waits for event order/paid "" until 5000ms
              = accepted
            > +5s
            > next
            running at 5000ms: drive
            > event e4 order/paid 1
                2 @5000ms paid received e4: 1
              = accepted
            > ask wait-for paid
              = recorded 1
            > wait refunded event order/refunded until 9000
                3 @5000ms refunded waits for event order/refunded "" until 9000ms
              = accepted
            > +4s
            > ask wait-for refunded
                4 @9000ms refunded timed out
              = recorded as timed out
            > event e5 order/refunded 1
              = accepted
            > next
            running at 9000ms: drive
            running at 9000ms: drive
        "#]],
    );
}

#[test]
fn an_event_found_when_the_wait_begins_satisfies_it_in_the_same_decision() {
    check(
        r#"
        wait paid event order/paid until 5000 found e4 order/paid=8 1; e5 order/paid 2; e6 order/paid 3
        ask wait-for paid
        wait more event order/paid found e5 order/paid 2; e6 order/paid 3
        "#,
        expect![[r#"
            > wait paid event order/paid until 5000 found e4 order/paid=8 1; e5 order/paid 2; e6 order/paid 3
                1 @0ms paid waits for event order/paid "" until 5000ms
                2 @0ms paid received e5: 2
              = accepted
            > ask wait-for paid
              = recorded 2
            > wait more event order/paid found e5 order/paid 2; e6 order/paid 3
                3 @0ms more waits for event order/paid ""
                4 @0ms more received e6: 3
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn code_judges_what_it_is_offered_and_takes_it_or_goes_on_waiting() {
    check(
        r#"
        wait big judged order/paid until 60000
        next
        event e4 order/paid 1
        next
        ask wait-for big
        reject big
        next
        ask wait-for big
        wait big judged order/paid until 70000 found e4 order/paid 1
        next
        ask wait-for big
        event e4 order/paid 1
        event e5 order/paid 2
        ask wait-for big
        accept big
        ask wait-for big
        accept big
        next
        "#,
        expect![[r#"
            > wait big judged order/paid until 60000
                1 @0ms big waits for judged event order/paid "" until 60000ms
              = accepted
            > next
            waiting at 0ms: wake at 60000ms
            > event e4 order/paid 1
                2 @0ms big is offered e4: 1
              = accepted
            > next
            running at 0ms: drive
            > ask wait-for big
              = judge 1
            > reject big
                3 @0ms big rejected e4
              = accepted
            > next
            running at 0ms: drive
            > ask wait-for big
              = execute attempt 1
            > wait big judged order/paid until 70000 found e4 order/paid 1
                4 @0ms big waits for judged event order/paid "" until 60000ms
              = accepted
            > next
            waiting at 0ms: wake at 60000ms
            > ask wait-for big
              = wait until 60000ms
            > event e4 order/paid 1
              = accepted
            > event e5 order/paid 2
                5 @0ms big is offered e5: 2
              = accepted
            > ask wait-for big
              = judge 2
            > accept big
                6 @0ms big received e5
              = accepted
            > ask wait-for big
              = recorded 2
            > accept big
              ! step big does not stand where the request takes it to stand
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn an_event_that_was_turned_down_is_there_for_the_next_wait_which_looks() {
    check(
        r#"
        fork join both 2
        wait both/0/big judged order/paid
        wait both/1/any event order/paid
        event e4 order/paid 1
        event e4 order/paid 1
        reject both/0/big
        event e4 order/paid 1
        ask wait-for both/1/any
        wait both/1/any event order/paid found e4 order/paid 1
        ask wait-for both/1/any
        wait both/0/big judged order/paid found e4 order/paid 1
        next
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/0/big judged order/paid
                2 @0ms both/0/big waits for judged event order/paid ""
              = accepted
            > wait both/1/any event order/paid
                3 @0ms both/1/any waits for event order/paid ""
              = accepted
            > event e4 order/paid 1
                4 @0ms both/0/big is offered e4: 1
              = accepted
            > event e4 order/paid 1
              = accepted
            > reject both/0/big
                5 @0ms both/0/big rejected e4
              = accepted
            > event e4 order/paid 1
              = hold
            > ask wait-for both/1/any
              = execute attempt 1
            > wait both/1/any event order/paid found e4 order/paid 1
                6 @0ms both/1/any received e4: 1
              = accepted
            > ask wait-for both/1/any
              = recorded 1
            > wait both/0/big judged order/paid found e4 order/paid 1
                7 @0ms both/0/big waits for judged event order/paid ""
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn what_came_while_a_wait_was_judging_is_found_when_it_looks_again() {
    check(
        r#"
        wait big judged order/paid
        event e4 order/paid 1
        event e5 order/paid 2
        reject big
        event e6 order/paid 3
        wait big judged order/paid found e4 order/paid 1; e5 order/paid 2; e6 order/paid 3
        ask wait-for big
        "#,
        expect![[r#"
            > wait big judged order/paid
                1 @0ms big waits for judged event order/paid ""
              = accepted
            > event e4 order/paid 1
                2 @0ms big is offered e4: 1
              = accepted
            > event e5 order/paid 2
              = hold
            > reject big
                3 @0ms big rejected e4
              = accepted
            > event e6 order/paid 3
              = hold
            > wait big judged order/paid found e4 order/paid 1; e5 order/paid 2; e6 order/paid 3
                4 @0ms big is offered e5: 2
              = accepted
            > ask wait-for big
              = judge 2
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_wait_looks_for_what_it_recorded_whatever_code_says_later() {
    check(
        r#"
        wait big judged order/paid=7 until 5000
        event e4 order/paid=7 1
        reject big
        wait big judged order/paid=8 until 9000 found e5 order/paid=8 2
        next
        "#,
        expect![[r#"
            > wait big judged order/paid=7 until 5000
                1 @0ms big waits for judged event order/paid "7" until 5000ms
              = accepted
            > event e4 order/paid=7 1
                2 @0ms big is offered e4: 1
              = accepted
            > reject big
                3 @0ms big rejected e4
              = accepted
            > wait big judged order/paid=8 until 9000 found e5 order/paid=8 2
                4 @0ms big waits for judged event order/paid "7" until 5000ms
              = accepted
            > next
            waiting at 0ms: wake at 5000ms
            waiting at 0ms: wake at 5000ms
        "#]],
    );
}

#[test]
fn an_event_offered_to_a_branch_that_lost_is_there_for_the_others_which_look() {
    check(
        r#"
        fork join all 2
        wait all/1/any event order/paid
        fork race all/0/first 2
        wait all/0/first/1/big judged order/paid
        event e3 order/paid 0
        ask wait-for all/1/any
        event e4 order/paid 1
        wait all/1/more event order/paid until 9000 found e4 order/paid 1
        ask wait-for all/1/more
        end all/0/first 0 ok 1
        next
        ask wait-for all/1/more
        wait all/1/more event order/paid until 9000 found e4 order/paid 1
        "#,
        expect![[r#"
            > fork join all 2
                1 @0ms join all of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait all/1/any event order/paid
                2 @0ms all/1/any waits for event order/paid ""
              = accepted
            > fork race all/0/first 2
                3 @0ms race all/0/first of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait all/0/first/1/big judged order/paid
                4 @0ms all/0/first/1/big waits for judged event order/paid ""
              = accepted
            > event e3 order/paid 0
                5 @0ms all/1/any received e3: 0
              = accepted
            > ask wait-for all/1/any
              = recorded 0
            > event e4 order/paid 1
                6 @0ms all/0/first/1/big is offered e4: 1
              = accepted
            > wait all/1/more event order/paid until 9000 found e4 order/paid 1
                7 @0ms all/1/more waits for event order/paid "" until 9000ms
              = accepted
            > ask wait-for all/1/more
              = wait until 9000ms
            > end all/0/first 0 ok 1
                8 @0ms branch 0 of all/0/first ended and won: 1
              = recorded 1
            > next
            running at 0ms: drive
            > ask wait-for all/1/more
              = execute attempt 1
            > wait all/1/more event order/paid until 9000 found e4 order/paid 1
                9 @0ms all/1/more received e4: 1
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn an_event_that_is_being_judged_is_given_to_no_other_wait() {
    check(
        r#"
        fork join both 2
        wait both/0/big judged order/paid
        event e4 order/paid 1
        wait both/1/any event order/paid found e4 order/paid 1
        ask wait-for both/1/any
        accept both/0/big
        event e4 order/paid 1
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/0/big judged order/paid
                2 @0ms both/0/big waits for judged event order/paid ""
              = accepted
            > event e4 order/paid 1
                3 @0ms both/0/big is offered e4: 1
              = accepted
            > wait both/1/any event order/paid found e4 order/paid 1
                4 @0ms both/1/any waits for event order/paid ""
              = accepted
            > ask wait-for both/1/any
              = wait
            > accept both/0/big
                5 @0ms both/0/big received e4
              = accepted
            > event e4 order/paid 1
              = accepted
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn while_a_wait_judges_one_event_those_behind_it_wait_their_turn() {
    check(
        r#"
        fork join both 2
        wait both/0/big judged order/paid
        wait both/1/any event order/paid
        event e4 order/paid 1
        event e5 order/paid 2
        next
        reject both/0/big
        ask wait-for both/1/any
        ask wait-for both/0/big
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/0/big judged order/paid
                2 @0ms both/0/big waits for judged event order/paid ""
              = accepted
            > wait both/1/any event order/paid
                3 @0ms both/1/any waits for event order/paid ""
              = accepted
            > event e4 order/paid 1
                4 @0ms both/0/big is offered e4: 1
              = accepted
            > event e5 order/paid 2
              = hold
            > next
            running at 0ms: drive
            > reject both/0/big
                5 @0ms both/0/big rejected e4
              = accepted
            > ask wait-for both/1/any
              = execute attempt 1
            > ask wait-for both/0/big
              = execute attempt 1
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_wait_past_its_deadline_still_judges_what_it_was_offered_before() {
    check(
        r#"
        wait big judged order/paid until 5000
        event e4 order/paid 1
        +6s
        ask wait-for big
        reject big
        next
        ask wait-for big
        wait big judged order/paid until 5000
        ask wait-for big
        "#,
        expect![[r#"
            > wait big judged order/paid until 5000
                1 @0ms big waits for judged event order/paid "" until 5000ms
              = accepted
            > event e4 order/paid 1
                2 @0ms big is offered e4: 1
              = accepted
            > +6s
            > ask wait-for big
              = judge 1
            > reject big
                3 @6000ms big rejected e4
              = accepted
            > next
            running at 6000ms: drive
            > ask wait-for big
              = execute attempt 1
            > wait big judged order/paid until 5000
                4 @6000ms big waits for judged event order/paid "" until 5000ms
              = accepted
            > ask wait-for big
                5 @6000ms big timed out
              = recorded as timed out
            running at 6000ms: drive
        "#]],
    );
}

#[test]
fn signals_that_came_before_are_taken_oldest_first() {
    check(
        r#"
        signal approve 1
        signal approve 2
        signal refuse 3
        wait ok signal approve
        ask signal ok
        wait ok:2 signal approve until 9000
        ask signal ok:2
        wait ok:3 signal approve until 9000
        next
        signal approve 4
        ask signal ok:3
        "#,
        expect![[r#"
            > signal approve 1
                1 @0ms signal approve: 1
              = accepted
            > signal approve 2
                2 @0ms signal approve: 2
              = accepted
            > signal refuse 3
                3 @0ms signal refuse: 3
              = accepted
            > wait ok signal approve
                4 @0ms ok waits for signal approve
                5 @0ms signal ok attempt 1 succeeded: 1
              = accepted
            > ask signal ok
              = recorded 1
            > wait ok:2 signal approve until 9000
                6 @0ms ok:2 waits for signal approve until 9000ms
                7 @0ms signal ok:2 attempt 1 succeeded: 2
              = accepted
            > ask signal ok:2
              = recorded 2
            > wait ok:3 signal approve until 9000
                8 @0ms ok:3 waits for signal approve until 9000ms
              = accepted
            > next
            waiting at 0ms: wake at 9000ms
            > signal approve 4
                9 @0ms signal approve: 4
                10 @0ms signal ok:3 attempt 1 succeeded: 4
              = accepted
            > ask signal ok:3
              = recorded 4
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_signal_is_taken_at_once_by_the_wait_that_began_first() {
    check(
        r#"
        fork join both 2
        wait both/1/a signal approve
        wait both/0/b signal approve
        signal approve 1
        signal approve 2
        signal approve 3
        next
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/1/a signal approve
                2 @0ms both/1/a waits for signal approve
              = accepted
            > wait both/0/b signal approve
                3 @0ms both/0/b waits for signal approve
              = accepted
            > signal approve 1
                4 @0ms signal approve: 1
                5 @0ms signal both/1/a attempt 1 succeeded: 1
              = accepted
            > signal approve 2
                6 @0ms signal approve: 2
                7 @0ms signal both/0/b attempt 1 succeeded: 2
              = accepted
            > signal approve 3
                8 @0ms signal approve: 3
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_quarantined_run_takes_what_is_told_once_and_only_its_code_stands_still() {
    check(
        r#"
        fork join all 4
        wait all/0/paid event order/paid
        wait all/1/ok signal approve
        invoke all/2/pack 3
        wait all/3/big judged order/shipped
        quarantine gone
        event e4 order/paid 1
        signal approve 2
        child 3 completed 3
        event e5 order/shipped 4
        next
        accept all/3/big
        resume
        ask wait-for all/0/paid
        ask signal all/1/ok
        ask invoke all/2/pack
        ask wait-for all/3/big
        "#,
        expect![[r#"
            > fork join all 4
                1 @0ms join all of 4 branches, 4 at a time
              = fork, 4 at a time
            > wait all/0/paid event order/paid
                2 @0ms all/0/paid waits for event order/paid ""
              = accepted
            > wait all/1/ok signal approve
                3 @0ms all/1/ok waits for signal approve
              = accepted
            > invoke all/2/pack 3
                4 @0ms all/2/pack started pack as run 3, on close cancel
              = accepted
            > wait all/3/big judged order/shipped
                5 @0ms all/3/big waits for judged event order/shipped ""
              = accepted
            > quarantine gone
                6 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > event e4 order/paid 1
                7 @0ms all/0/paid received e4: 1
              = accepted
            > signal approve 2
                8 @0ms signal approve: 2
                9 @0ms signal all/1/ok attempt 1 succeeded: 2
              = accepted
            > child 3 completed 3
                10 @0ms invoke all/2/pack attempt 1 succeeded: 3
              = accepted
            > event e5 order/shipped 4
                11 @0ms all/3/big is offered e5: 4
              = accepted
            > next
            quarantined at 0ms: held
            > accept all/3/big
              ! run is quarantined: resume it first
            > resume
                12 @0ms resumed
              = accepted
            > ask wait-for all/0/paid
              = recorded 1
            > ask signal all/1/ok
              = recorded 2
            > ask invoke all/2/pack
              = recorded 3
            > ask wait-for all/3/big
              = judge 4
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn a_quarantined_run_waits_past_its_deadlines_until_it_is_released() {
    check(
        r#"
        wait paid event order/paid until 5000
        quarantine gone
        +6s
        ask wait-for paid
        event e4 order/paid 1
        resume
        ask wait-for paid
        "#,
        expect![[r#"
            > wait paid event order/paid until 5000
                1 @0ms paid waits for event order/paid "" until 5000ms
              = accepted
            > quarantine gone
                2 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > +6s
            > ask wait-for paid
              = stop
            > event e4 order/paid 1
                3 @6000ms paid received e4: 1
              = accepted
            > resume
                4 @6000ms resumed
              = accepted
            > ask wait-for paid
              = recorded 1
            running at 6000ms: drive
        "#]],
    );
}

#[test]
fn what_arrives_is_no_progress_of_code() {
    check(
        r#"
        fork join both 2
        wait both/0/paid event order/paid
        wait both/1/ok signal approve
        crash code#1 alone
        crash code#1 alone
        event e4 order/paid 1
        signal approve 1
        crash code#1 alone
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/0/paid event order/paid
                2 @0ms both/0/paid waits for event order/paid ""
              = accepted
            > wait both/1/ok signal approve
                3 @0ms both/1/ok waits for signal approve
              = accepted
            > crash code#1 alone
                4 @0ms recovered workflow code attempt 1, alone
              = accepted
            > crash code#1 alone
                5 @0ms recovered workflow code attempt 1, alone
              = accepted
            > event e4 order/paid 1
                6 @0ms both/0/paid received e4: 1
              = accepted
            > signal approve 1
                7 @0ms signal approve: 1
                8 @0ms signal both/1/ok attempt 1 succeeded: 1
              = accepted
            > crash code#1 alone
                9 @0ms recovered workflow code attempt 1, alone
                10 @0ms quarantined: engine died 3 times while driving it alone, at last in workflow code
              = stop
            quarantined at 0ms: held
        "#]],
    );
}

#[test]
fn failing_code_backs_off_whatever_arrives_meanwhile() {
    check(
        r#"
        fork join both 2
        wait both/0/paid event order/paid
        throw panicked boom
        next
        event e4 order/paid 1
        next
        "#,
        expect![[r#"
            > fork join both 2
                1 @0ms join both of 2 branches, 2 at a time
              = fork, 2 at a time
            > wait both/0/paid event order/paid
                2 @0ms both/0/paid waits for event order/paid ""
              = accepted
            > throw panicked boom
                3 @0ms failure 1 of workflow code, again at 1000ms: panicked boom
              = park until 1000ms
            > next
            waiting at 0ms: wake at 1000ms
            > event e4 order/paid 1
                4 @0ms both/0/paid received e4: 1
              = accepted
            > next
            waiting at 0ms: wake at 1000ms
            waiting at 0ms: wake at 1000ms
        "#]],
    );
}

#[test]
fn a_wait_begins_behind_the_steps_of_its_line_alone() {
    check(
        r#"
        ask pay
        fail pay boom
        sleep nap 5000
        invoke pack 3
        ok pay#2 7
        sleep pay 5000
        sleep nap 5000
        sleep nap 5000
        "#,
        expect![[r#"
            > ask pay
              = execute attempt 1
            > fail pay boom
                1 @0ms run pay attempt 1 failed, again at 1000ms: retryable boom
              = accepted
            > sleep nap 5000
              ! step nap reported while step pay before it has no result yet
            > invoke pack 3
              ! step pack reported while step pay before it has no result yet
            > ok pay#2 7
                2 @0ms run pay attempt 2 succeeded: 7
              = accepted
            > sleep pay 5000
              ! step pay already has a result
            > sleep nap 5000
                3 @0ms nap waits until 5000ms
              = accepted
            > sleep nap 5000
              ! step nap already has a result
            waiting at 0ms: wake at 5000ms
        "#]],
    );
}

#[test]
fn a_wait_that_turns_out_impossible_fails_and_is_not_tried_again() {
    check(
        r#"
        ask wait-for paid
        fail wait-for paid key of 3000 bytes
        ask wait-for paid
        ask invoke pack
        ok invoke pack 7
        "#,
        expect![[r#"
            > ask wait-for paid
              = execute attempt 1
            > fail wait-for paid key of 3000 bytes
                1 @0ms wait-for paid attempt 1 failed, for good: retryable key of 3000 bytes
              = accepted
            > ask wait-for paid
              = recorded failure after 1 attempts: retryable key of 3000 bytes
            > ask invoke pack
              = execute attempt 1
            > ok invoke pack 7
              ! step pack does not stand where the request takes it to stand
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn an_event_that_cancels_the_run_is_heard_only_when_it_came_later() {
    check(
        r#"
        begin cancel-on=order/cancelled=7
        event e1 order/cancelled=7 {}
        event e2 order/cancelled=8 {}
        event e3 order/cancelled=7 {}
        event e4 order/cancelled=7 {}
        next
        "#,
        expect![[r#"
            > begin cancel-on=order/cancelled=7
            > event e1 order/cancelled=7 {}
              = accepted
            > event e2 order/cancelled=8 {}
              = accepted
            > event e3 order/cancelled=7 {}
                1 @0ms cancel requested: event e3 (order/cancelled) asks for it
              = accepted
            > event e4 order/cancelled=7 {}
              = accepted
            > next
            running at 0ms: conclude the cancellation
            running at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn an_event_cancels_a_quarantined_run_as_a_person_does() {
    check(
        r#"
        begin cancel-on=order/cancelled=7
        quarantine gone
        event e3 order/cancelled=7 {}
        "#,
        expect![[r#"
            > begin cancel-on=order/cancelled=7
            > quarantine gone
                1 @0ms quarantined: this binary registers no workflow named gone
              = stop
            > event e3 order/cancelled=7 {}
                2 @0ms cancel requested: event e3 (order/cancelled) asks for it
                3 @0ms run cancelled
              = stop
            cancelled at 0ms: done
        "#]],
    );
}

#[test]
fn a_run_being_cancelled_takes_no_event_but_on_its_undo_lines() {
    check(
        r#"
        fork scope trip 1
        wait trip/0/paid event order/paid
        cancel customer left
        event e4 order/paid 1
        undo trip
        wait trip/undo/paid event order/paid
        event e4 order/paid 1
        next
        "#,
        expect![[r#"
            > fork scope trip 1
                1 @0ms scope trip of 1 branches, 1 at a time
              = fork, 1 at a time
            > wait trip/0/paid event order/paid
                2 @0ms trip/0/paid waits for event order/paid ""
              = accepted
            > cancel customer left
                3 @0ms cancel requested: customer left
              = accepted
            > event e4 order/paid 1
              = accepted
            > undo trip
                4 @0ms trip begins to undo
              = accepted
            > wait trip/undo/paid event order/paid
                5 @0ms trip/undo/paid waits for event order/paid ""
              = accepted
            > event e4 order/paid 1
                6 @0ms trip/undo/paid received e4: 1
              = accepted
            > next
            running at 0ms: drive
            running at 0ms: drive
        "#]],
    );
}

#[test]
fn code_of_a_line_that_is_held_judges_nothing() {
    check(
        r#"
        wait big judged order/paid
        event e4 order/paid 1
        cancel customer left
        accept big
        ask wait-for big
        next
        "#,
        expect![[r#"
            > wait big judged order/paid
                1 @0ms big waits for judged event order/paid ""
              = accepted
            > event e4 order/paid 1
                2 @0ms big is offered e4: 1
              = accepted
            > cancel customer left
                3 @0ms cancel requested: customer left
              = accepted
            > accept big
              = hold
            > ask wait-for big
              = hold
            > next
            running at 0ms: conclude the cancellation
            running at 0ms: conclude the cancellation
        "#]],
    );
}

#[test]
fn the_waits_of_a_branch_that_lost_are_over() {
    check(
        r#"
        fork race first 3
        wait first/1/big judged order/paid
        event e4 order/paid 1
        wait first/2/ok signal approve
        end first 0 ok 1
        accept first/1/big
        signal approve 1
        past first
        wait any event order/paid found e4 order/paid 1
        wait ok signal approve
        "#,
        expect![[r#"
            > fork race first 3
                1 @0ms race first of 3 branches, 3 at a time
              = fork, 3 at a time
            > wait first/1/big judged order/paid
                2 @0ms first/1/big waits for judged event order/paid ""
              = accepted
            > event e4 order/paid 1
                3 @0ms first/1/big is offered e4: 1
              = accepted
            > wait first/2/ok signal approve
                4 @0ms first/2/ok waits for signal approve
              = accepted
            > end first 0 ok 1
                5 @0ms branch 0 of first ended and won: 1
              = recorded 1
            > accept first/1/big
              = hold
            > signal approve 1
                6 @0ms signal approve: 1
              = accepted
            > past first
            > wait any event order/paid found e4 order/paid 1
                7 @0ms any waits for event order/paid ""
                8 @0ms any received e4: 1
              = accepted
            > wait ok signal approve
                9 @0ms ok waits for signal approve
                10 @0ms signal ok attempt 1 succeeded: 1
              = accepted
            running at 0ms: drive
        "#]],
    );
}
