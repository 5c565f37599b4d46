//! Hostile and mistaken requests: each gets its status, its code and its place, and changes nothing.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::cli_stage::{PATIENCE, Served, client};

/// Status and code.
type Expected = (u16, &'static str);

async fn refused(engine: &Served, body: Vec<u8>, expected: Expected, words: &str) {
    let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
    let (status, answer) = engine.post("/e/dev", body).await;
    let code = answer["error"]["code"].as_str().unwrap_or_default();
    assert_eq!((status, code), expected, "{shown}: {answer}");
    assert_eq!(
        (&answer["ids"], &answer["status"]),
        (&json!([]), &json!(status))
    );
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{shown}: {message}");
}

#[tokio::test]
async fn malformed_events_are_refused_with_their_place_and_nothing_is_stored() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let bad: Expected = (400, "malformed-body");
    let nested = |levels: usize| {
        format!(
            r#"{{"name":"a","data":{}1{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "byte 0: the body is empty"),
        (b"not json".to_vec(), "byte 0: expected an event object"),
        (b"{\"name\":\"a\",\"data\":NaN}".to_vec(), "byte 19"),
        (
            b"{\"name\":\"a\xff\",\"data\":1}".to_vec(),
            "byte 10: not UTF-8",
        ),
        (
            b"\xef\xbb\xbf{\"name\":\"a\",\"data\":1}".to_vec(),
            "byte order mark",
        ),
        (
            br#"{"name":"","data":1}"#.to_vec(),
            "event 0, field `name`, byte 8",
        ),
        (
            br#"{"name":"stepwell/x","data":1}"#.to_vec(),
            "engine's own",
        ),
        (
            br#"{"name":"a\u001b[2J","data":1}"#.to_vec(),
            "control character",
        ),
        (br#"{"name":"a"}"#.to_vec(), "field `data`"),
        (
            br#"{"name":"a","data":{"k":1,"k":2}}"#.to_vec(),
            "a key that the same object already has",
        ),
        (br#"{"name":"a","data":"\ud800"}"#.to_vec(), "field `data`"),
        (
            br#"{"name":"a","data":1e999}"#.to_vec(),
            "number out of range",
        ),
        (
            br#"{"name":"a","data":1,"dta":2}"#.to_vec(),
            "a field that no event has",
        ),
        (
            br#"[{"name":"a","data":1},{"name":"b"}]"#.to_vec(),
            "event 1, field `data`",
        ),
        (br#"[{"name":"a","data":1},{"nam"#.to_vec(), "EOF"),
        (nested(64).into_bytes(), "nesting deeper than 64"),
        (nested(100_000).into_bytes(), "nesting deeper than 64"),
    ];
    for (body, words) in cases {
        refused(&engine, body, bad, words).await;
    }
    let (_, runs) = engine.get("/v1/runs").await;
    assert_eq!(runs["data"], json!([]));
    assert_eq!(engine.stop().code(), Some(0));
}

#[tokio::test]
async fn what_is_too_large_or_too_many_is_refused_by_its_limit() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let long = format!(r#"{{"name":"a","data":"{}"}}"#, "x".repeat(600 * 1024));
    refused(
        &engine,
        long.into_bytes(),
        (413, "event-too-large"),
        "event 0",
    )
    .await;
    let many = format!("[{}]", vec![r#"{"name":"a","data":1}"#; 5_001].join(","));
    refused(&engine, many.into_bytes(), (400, "too-many-events"), "5001").await;
    let huge = vec![b' '; 5 * 1024 * 1024];
    refused(&engine, huge, (413, "body-too-large"), "4194304").await;
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_once_it_is_over_the_limit() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let mut stream = TcpStream::connect(engine.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /e/dev HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    // Endless, for all the engine knows: it answers and closes while this still writes.
    while stream.write_all(chunk.as_bytes()).is_ok() {}
    let mut answer = [0; 64];
    // A reset may overtake the answer; what counts is that the engine stopped reading.
    let read = stream.read(&mut answer).unwrap_or(0);
    let said = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 413"),
        "{said}"
    );
    assert_eq!(engine.get("/health").await.0, 200);
}

#[tokio::test]
async fn an_unknown_key_is_refused_before_its_body_is_read() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    for key in ["other", "DEV", "dev%20", "de"] {
        let (status, answer) = engine.post(&format!("/e/{key}"), "not json").await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (401, &json!("unknown-event-key")),
            "{key}"
        );
    }
}

#[tokio::test]
async fn other_mistakes_are_named() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let absent = "01JD5NRB9WY5BK7GB58PPHFCQG";
    for (path, status, code) in [
        ("/v1/events/absent".to_owned(), 404, "no-such-event"),
        ("/v1/events/absent/runs".to_owned(), 404, "no-such-event"),
        (format!("/v1/runs/{absent}"), 404, "no-such-run"),
        (format!("/v1/runs/{absent}/journal"), 404, "no-such-run"),
        ("/v1/runs/abc".to_owned(), 400, "bad-run-id"),
        (format!("/v1/runs/8{}", "0".repeat(25)), 400, "bad-run-id"),
        ("/v1/runs?status=done".to_owned(), 400, "bad-parameter"),
        ("/v1/runs?limit=0".to_owned(), 400, "bad-parameter"),
        ("/v1/runs?cursor=x".to_owned(), 400, "bad-parameter"),
        ("/v1/runs?stat=x".to_owned(), 400, "bad-parameter"),
        ("/v1/nothing".to_owned(), 404, "no-such-route"),
        ("/nothing".to_owned(), 404, "no-such-route"),
        ("/e/dev".to_owned(), 405, "method-not-allowed"),
    ] {
        let (found, answer) = engine.get(&path).await;
        assert_eq!(
            (found, answer["error"]["code"].as_str().unwrap_or("")),
            (status, code),
            "{path}"
        );
    }
    let (status, answer) = engine.post(&format!("/v1/runs/{absent}/cancel"), "").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("no-such-run"))
    );
    let (status, answer) = engine
        .post(&format!("/v1/runs/{absent}/cancel"), "[]")
        .await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &json!("bad-parameter"))
    );
    let packed = client()
        .post(format!("{}/e/dev", engine.url))
        .header("content-encoding", "gzip")
        .body("x");
    let (status, answer): (u16, Value) = crate::cli_stage::answer(packed).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (415, &json!("body-encoded"))
    );
}
