//! What is found in journals, where two outputs differ, and how that is said.

use serde_json::json;
use stepwell_core::entry::{Retried, StepSucceeded};
use stepwell_core::{Payload, Seq, StepAddress, StepKind, Timestamp};

use super::*;

fn said(expected: Value, found: Value) -> Option<String> {
    Comparable::Output(expected).difference(&Comparable::Output(found))
}

#[test]
fn of_two_outputs_the_first_place_that_differs_is_named() {
    let order = |stock: u32| json!({ "id": "a", "goods": [{ "stock": 1 }, { "stock": stock }] });
    assert_eq!(said(order(2), order(2)), None);
    let place = "the output 3 at .goods[1].stock, calmly to 2";
    assert_eq!(said(order(2), order(3)).as_deref(), Some(place));
    let whole = "the output {\"b\":1}, calmly to {\"a\":1}";
    let other_fields = said(json!({ "a": 1 }), json!({ "b": 1 }));
    assert_eq!(other_fields.as_deref(), Some(whole));
}

fn address() -> StepAddress {
    StepAddress::root("charge", 1).unwrap()
}

fn entry(body: EntryBody) -> Entry {
    Entry {
        seq: Seq::FIRST,
        at: Timestamp::ZERO,
        body,
    }
}

fn charged(attempt: u32) -> Entry {
    entry(EntryBody::StepSucceeded(StepSucceeded {
        step: address(),
        kind: StepKind::Run,
        attempt,
        output: Payload::null(),
        database: None,
    }))
}

#[test]
fn a_result_recorded_twice_is_found_unless_a_person_had_it_tried_again() {
    let retried = entry(EntryBody::Retried(Retried {
        reason: String::new(),
        steps: vec![address()],
    }));
    assert_eq!(recorded_twice(&[charged(1)]), None);
    let twice = [charged(1), charged(2)];
    assert_eq!(recorded_twice(&twice).as_deref(), Some("charge"));
    assert_eq!(recorded_twice(&[charged(1), retried, charged(1)]), None);
}
