//! Delivery: results are handed out in the journal's order, and past what nobody asks for.

use std::sync::Arc;

use super::parse::parse_address;
use super::script::played;
use crate::run::state::RunState;
use crate::run::{Delivery, Turn};

/// What is handed out when each of `asked` asks in turn, round after round, until nobody gets on.
fn handed(delivery: &mut Delivery, state: &RunState, asked: &[&str]) -> Vec<String> {
    let mut waiting: Vec<_> = asked.iter().map(|step| parse_address(step)).collect();
    let mut handed = Vec::new();
    while let Some(at) = waiting
        .iter()
        .position(|step| delivery.turn(state, step) == Turn::Now)
    {
        delivery.delivered();
        handed.push(waiting.remove(at).to_string());
    }
    handed
}

#[test]
fn results_are_handed_out_in_the_order_of_the_journal_whoever_asks_first() {
    let state = played(
        r#"
        fork join both 2
        ok both/1/pay 1
        ok both/0/pay 2
        "#,
    );
    for asked in [["both/0/pay", "both/1/pay"], ["both/1/pay", "both/0/pay"]] {
        let order = handed(&mut Delivery::default(), &state, &asked);
        assert_eq!(order, ["both/1/pay", "both/0/pay"]);
    }
    let mut delivery = Delivery::default();
    let turn = delivery.turn(&state, &parse_address("both/0/pay"));
    assert_eq!(turn, Turn::Later);
}

#[test]
fn what_is_recorded_for_a_line_that_is_over_keeps_nobody_waiting() {
    let state = played(
        r#"
        fork race first 2
        ok first/1/slow 1
        ok first/0/fast 2
        end first 0 ok 3
        "#,
    );
    let mut delivery = Delivery::default();
    let winner = parse_address("first/0/fast");
    assert_eq!(delivery.turn(&state, &winner), Turn::Later);
    delivery.leave(Arc::from("first/1"));
    assert_eq!(delivery.turn(&state, &winner), Turn::Now);
}

#[test]
fn a_result_recorded_after_a_cancellation_is_never_handed_out_but_what_undoes_is() {
    let state = played(
        r#"
        fork scope trip 1
        ask trip/0/flight
        ok trip/0/flight 1
        ask trip/0/flight
        ask trip/0/hotel
        cancel enough
        ok trip/0/hotel 2
        undo trip
        ok undo trip/undo/hotel 3
        "#,
    );
    let mut delivery = Delivery::default();
    assert!(!delivery.caught_up_with_cancel(&state));
    let asked = ["trip/0/hotel", "trip/0/flight", "trip/undo/hotel"];
    let order = handed(&mut delivery, &state, &asked);
    assert_eq!(order, ["trip/0/flight", "trip/undo/hotel"]);
    assert!(delivery.caught_up_with_cancel(&state));
    let late = parse_address("trip/0/hotel");
    assert_eq!(delivery.turn(&state, &late), Turn::Never);
}

#[test]
fn what_undid_the_scope_of_a_loser_keeps_nobody_waiting_on_replay() {
    let state = played(
        r#"
        fork race first 2
        fork scope first/1/trip 1
        ok first/1/trip/0/flight 1
        end first 0 ok 2
        undo first/1/trip
        ask undo first/1/trip/undo/flight
        ok undo first/1/trip/undo/flight 3
        ask undo first/1/trip/undo/flight
        end first/1/trip undo
        past first
        ask ship
        ok ship 4
        "#,
    );
    let mut delivery = Delivery::default();
    delivery.leave(Arc::from("first/1"));
    let ship = parse_address("ship");
    assert_eq!(delivery.turn(&state, &ship), Turn::Now);
}

#[test]
fn what_undid_a_scope_that_failed_is_walked_through_again() {
    let state = played(
        r#"
        fork scope trip 1
        undo trip boom
        ask undo trip/undo/flight
        ok undo trip/undo/flight 1
        ask undo trip/undo/flight
        end trip undo
        past trip
        ask ship
        ok ship 2
        "#,
    );
    let mut delivery = Delivery::default();
    delivery.leave(Arc::from("trip/0"));
    let order = handed(&mut delivery, &state, &["ship", "trip/undo/flight"]);
    assert_eq!(order, ["trip/undo/flight", "ship"]);
}

#[test]
fn what_is_recorded_on_a_line_that_lost_before_is_never_handed_to_its_code() {
    let script = "
        fork race first 2
        fork scope first/0/trip 1
        ask first/0/trip/0/act
        end first 1 ok 1
        ok first/0/trip/0/act 7";
    let state = super::script::played(script);
    let step = super::parse::parse_address("first/0/trip/0/act");
    let progress = &state.steps[&step].progress;
    assert!(
        matches!(progress, crate::run::StepProgress::Done(_)),
        "a scope around it learns what there is to undo"
    );
    assert!(
        !state.results.contains(&step),
        "its code was told live that it had lost, and would hear this first on a replay"
    );
}
