//! Bodies and what is said of them.

use stepwell_core::limits::{EVENT_BYTES_DEFAULT, EVENTS_PER_REQUEST, JSON_DEPTH};

use super::*;

const BOUNDS: Bounds = Bounds {
    event_bytes_max: EVENT_BYTES_DEFAULT,
    events_max: EVENTS_PER_REQUEST,
};

fn refusal(body: impl AsRef<[u8]>) -> String {
    match parse(body.as_ref(), BOUNDS) {
        Ok(events) => format!("accepted {} event(s)", events.len()),
        Err(error) => error.to_string(),
    }
}

fn event_with(data: &str) -> String {
    format!(r#"{{"name":"a","data":{data}}}"#)
}

#[test]
fn one_event_keeps_its_data_as_it_came() {
    let body = br#" {"id":"x-1","name":"store/order.placed","data":{"b": 1.50, "a":[]},
        "ts":1700000000123,"v":"2","user":{"id":7}} "#;
    let events = parse(body, BOUNDS).unwrap();
    let [event] = events.as_slice() else {
        panic!("one event")
    };
    assert_eq!(event.id.as_deref(), Some("x-1"));
    assert_eq!(event.name, "store/order.placed");
    assert_eq!(event.data.as_json(), r#"{"b": 1.50, "a":[]}"#);
    assert_eq!(event.user.as_ref().unwrap().as_json(), r#"{"id":7}"#);
    assert_eq!(event.v.as_deref(), Some("2"));
    assert_eq!(event.ts.unwrap().as_ms(), 1_700_000_000_123);
}

#[test]
fn an_array_is_read_in_order_and_may_be_empty() {
    let body = br#"[{"name":"a","data":1},{"name":"b","data":null}]"#;
    let names: Vec<_> = parse(body, BOUNDS)
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(parse(b"[]", BOUNDS).unwrap().len(), 0);
}

#[test]
fn text_that_is_no_json_is_refused_with_its_place() {
    for (body, expected) in [
        ("", "byte 0: the body is empty"),
        ("  ", "byte 2: the body is empty"),
        ("7", "byte 0: expected an event object or an array"),
        ("NaN", "byte 0: expected an event object or an array"),
        ("\u{feff}{}", "byte 0: a byte order mark"),
        (r#"{"name":"a","data":{}"#, "EOF while parsing an object"),
        (
            r#"{"name":"a","data":{}} x"#,
            "byte 23: trailing characters",
        ),
        (r#"{"name":"a","data":NaN}"#, "byte 19: expected value"),
        (r#"{"name":"a","data":-Infinity}"#, "invalid number"),
        (
            r#"{"name":"a","data":{},}"#,
            "byte 22: key must be a string",
        ),
        ("{\"name\":\"a\",\"data\":\"\n\"}", "control character"),
    ] {
        let said = refusal(body);
        assert!(said.contains(expected), "{body:?} said: {said}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_refused_with_their_place() {
    let said = refusal(b"{\"name\":\"a\xff\",\"data\":1}");
    assert!(said.contains("byte 10: not UTF-8"), "{said}");
}

#[test]
fn fields_are_refused_by_index_name_and_byte() {
    for (body, expected) in [
        (r#"{"data":{}}"#, "event 0, field `name`, byte 0: missing"),
        (r#"{"name":"a"}"#, "event 0, field `data`, byte 0: missing"),
        (
            r#"{"name":"","data":{}}"#,
            "event 0, field `name`, byte 8: give 1 to 128",
        ),
        (
            r#"{"name":7,"data":{}}"#,
            "event 0, field `name`, byte 8: expected a string",
        ),
        (
            r#"{"name":"a b","data":{}}"#,
            "field `name`, byte 8: give 1 to 128",
        ),
        (
            r#"{"name":"a\u0000","data":{}}"#,
            "field `name`, byte 8: holds a control",
        ),
        (
            r#"{"name":"stepwell/x","data":{}}"#,
            "field `name`, byte 8: `stepwell/` begins",
        ),
        (
            r#"{"name":"a","data":{},"id":""}"#,
            "field `id`, byte 27: empty",
        ),
        (
            r#"{"name":"a","data":{},"id":null}"#,
            "field `id`, byte 27: expected a string",
        ),
        (
            r#"{"name":"a","data":{},"ts":-1}"#,
            "field `ts`, byte 27: expected whole",
        ),
        (
            r#"{"name":"a","data":{},"ts":1.5}"#,
            "field `ts`, byte 27: expected whole",
        ),
        (
            r#"{"name":"a","data":{},"ts":1e300}"#,
            "field `ts`, byte 27: expected whole",
        ),
        (
            r#"{"name":"a","data":{},"v":2}"#,
            "field `v`, byte 26: expected a string",
        ),
        (
            r#"{"name":"a","dta":{}}"#,
            "event 0, byte 16: a field that no event has",
        ),
        (
            r#"{"name":"a","name":"b","data":{}}"#,
            "event 0, byte 21: field `name` twice",
        ),
        (
            r#"[{"name":"a","data":{}},7]"#,
            "event 1, byte 24: expected an event object",
        ),
        (
            r#"[{"name":"a","data":{}},{"name":"a"}]"#,
            "event 1, field `data`, byte 24: missing",
        ),
    ] {
        let said = refusal(body);
        assert!(said.contains(expected), "{body:?} said: {said}");
    }
}

#[test]
fn data_is_looked_at_to_the_last_character() {
    for (data, expected) in [
        (r#""\ud800""#, "field `data`, byte"),
        (r#"{"\ud800":1}"#, "field `data`, byte"),
        ("1e999", "number out of range"),
        (
            r#"{"a":1,"b":{"c":1,"c":2}}"#,
            "a key that the same object already has",
        ),
    ] {
        let said = refusal(event_with(data));
        assert!(said.contains(expected), "{data:?} said: {said}");
    }
    let user = r#"{"name":"a","data":{},"user":{"a":1,"a":2}}"#;
    assert!(refusal(user).contains("field `user`"));
}

#[test]
fn a_refusal_quotes_nothing_of_the_payload() {
    for data in [
        r#"{"hush":1,"hush":2}"#,
        r#"{"hush":1e999}"#,
        r#""hush\ud800""#,
    ] {
        let said = refusal(event_with(data));
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn nesting_is_bounded_before_anything_recursive_sees_it() {
    // The event object is one level itself.
    let nested = |levels: usize| event_with(&("[".repeat(levels) + &"]".repeat(levels)));
    assert_eq!(refusal(nested(JSON_DEPTH - 1)), "accepted 1 event(s)");
    assert_eq!(
        refusal(format!("[{}]", nested(JSON_DEPTH - 1))),
        "accepted 1 event(s)"
    );
    let said = refusal(nested(JSON_DEPTH));
    assert!(
        said.contains(&format!("nesting deeper than {JSON_DEPTH}")),
        "{said}"
    );
    assert!(refusal(event_with(&"[".repeat(1_000_000))).contains("nesting deeper"));
    assert!(refusal("[".repeat(1_000_000)).contains("nesting deeper"));
}

#[test]
fn brackets_inside_strings_do_not_nest() {
    let text = format!(r#""{}\"[[""#, "[".repeat(200));
    assert_eq!(refusal(event_with(&text)), "accepted 1 event(s)");
}

#[test]
fn sizes_and_counts_are_bounded() {
    let small = Bounds {
        event_bytes_max: 40,
        events_max: 2,
    };
    let long = event_with(&format!("\"{}\"", "x".repeat(40)));
    let error = parse(format!("[{},{long}]", event_with("1")).as_bytes(), small).unwrap_err();
    assert!(
        matches!(
            error,
            BodyError::EventTooLarge {
                index: 1,
                limit: 40,
                ..
            }
        ),
        "{error}"
    );
    let three = format!("[{0},{0},{0}]", event_with("1"));
    let error = parse(three.as_bytes(), small).unwrap_err();
    assert_eq!(error, BodyError::TooManyEvents { count: 3, limit: 2 });
}

#[test]
fn many_keys_in_one_object_are_read() {
    let pairs: Vec<_> = (0..50_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let body = event_with(&format!("{{{}}}", pairs.join(",")));
    let wide = Bounds {
        event_bytes_max: 4 << 20,
        ..BOUNDS
    };
    assert_eq!(parse(body.as_bytes(), wide).unwrap().len(), 1);
}
