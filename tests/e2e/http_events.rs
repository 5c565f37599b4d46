//! Events over HTTP: what is accepted, what is answered, what can be read afterwards.

use serde_json::{Value, json};

use crate::cli_stage::{Served, answer, client, order};

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn an_event_is_answered_once_durable_and_its_run_can_be_followed_to_the_end() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let (status, body) = engine.post("/e/dev", order("http-1")).await;
    assert_eq!(
        (status, &body),
        (200, &json!({ "ids": ["http-1"], "status": 200 }))
    );

    let runs = engine.ended_runs("http-1").await;
    let [run] = runs.as_slice() else {
        panic!("one run: {runs:?}")
    };
    assert_eq!(run["workflow"], "fulfill-order");
    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(run["output"]["status"], "fulfilled");

    let id = run["run_id"].as_str().unwrap();
    let (status, shown) = engine.get(&format!("/v1/runs/{id}")).await;
    assert_eq!(status, 200);
    for key in [
        "id",
        "workflow",
        "status",
        "started_at",
        "ended_at",
        "event",
        "output",
        "in_flight",
    ] {
        assert!(keys(&shown).contains(&key), "run JSON lacks {key}: {shown}");
    }
    assert_eq!(
        (&shown["id"], &shown["event"]),
        (&json!(id), &json!("http-1"))
    );

    let (status, journal) = engine.get(&format!("/v1/runs/{id}/journal")).await;
    assert_eq!(status, 200);
    assert_eq!(keys(&journal), ["entries", "run", "status", "workflow"]);
    let entries = journal["entries"].as_array().unwrap();
    for (seq, entry) in entries.iter().enumerate() {
        assert_eq!(entry["seq"], seq);
        for key in ["seq", "at", "kind", "step", "attempt"] {
            assert!(keys(entry).contains(&key), "entry lacks {key}: {entry}");
        }
    }
    let recorded = entries
        .iter()
        .filter(|entry| entry["kind"] == "step-succeeded");
    let steps: Vec<_> = recorded
        .map(|entry| entry["step"].as_str().unwrap())
        .collect();
    let expected = [
        "capture-payment",
        "reserve-inventory",
        "send-confirmation",
        "record-to-sheet",
    ];
    assert_eq!(steps, expected);

    let (status, event) = engine.get("/v1/events/http-1").await;
    assert_eq!(status, 200);
    assert_eq!(
        (&event["name"], &event["runs"]),
        (&json!("store/order.placed"), &json!([id]))
    );
}

#[tokio::test]
async fn the_same_event_id_starts_one_run_and_answers_alike() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let both = format!("[{0},{0}]", order("twice"));
    let (first, second) = tokio::join!(
        engine.post("/e/dev", order("twice")),
        engine.post("/e/dev", both)
    );
    assert_eq!(first, (200, json!({ "ids": ["twice"], "status": 200 })));
    assert_eq!(
        second,
        (200, json!({ "ids": ["twice", "twice"], "status": 200 }))
    );
    assert_eq!(engine.ended_runs("twice").await.len(), 1);
    let (_, list) = engine.get("/v1/runs").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_starts_nothing_is_stored_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let sent = r#"[{"name":"nobody/listens","data":{"n":1.50},"id":"n/1","v":"2","ts":1700000000123},
                   {"name":"nobody/listens","data":null}]"#;
    let (status, body) = engine.post("/e/dev", sent).await;
    assert_eq!(status, 200, "{body}");
    let ids = body["ids"].as_array().unwrap();
    assert_eq!((ids.len(), &ids[0]), (2, &json!("n/1")));
    let (status, event) = engine.get("/v1/events/n%2F1").await;
    assert_eq!(status, 200, "{event}");
    assert_eq!(
        (&event["data"]["n"], &event["v"], &event["ts"]),
        (&json!(1.5), &json!("2"), &json!(1_700_000_000_123_u64))
    );
    let (status, runs) = engine.get("/v1/events/n%2F1/runs").await;
    assert_eq!((status, runs), (200, json!({ "data": [] })));
}

#[tokio::test]
async fn runs_are_listed_newest_first_a_page_at_a_time() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    for n in 0..3 {
        let (status, _) = engine.post("/e/dev", order(&format!("page-{n}"))).await;
        assert_eq!(status, 200);
        engine.ended_runs(&format!("page-{n}")).await;
    }
    let (_, first) = engine
        .get("/v1/runs?limit=2&status=completed&workflow=fulfill-order")
        .await;
    let events = |page: &Value| -> Vec<String> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["event"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(events(&first), ["page-2", "page-1"]);
    let cursor = first["cursor"].as_str().unwrap();
    let (_, second) = engine
        .get(&format!("/v1/runs?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(
        (events(&second), &second["cursor"]),
        (vec!["page-0".to_owned()], &Value::Null)
    );
    let (_, none) = engine.get("/v1/runs?workflow=another").await;
    assert_eq!(none, json!({ "data": [], "cursor": null }));
}

#[tokio::test]
async fn operator_routes_answer_this_machine_by_its_own_names_alone() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let url = format!("{}/v1/runs", engine.url);
    let (status, body) = answer(client().get(&url).header("host", "evil.example")).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (403, &json!("operator-routes-closed"))
    );
    let cancel = format!("{url}/01JD5NRB9WY5BK7GB58PPHFCQG/cancel");
    let (status, _) = answer(
        client()
            .post(cancel)
            .header("origin", "https://evil.example"),
    )
    .await;
    assert_eq!(status, 403);
    let health = format!("{}/health", engine.url);
    let (status, _) = answer(client().get(health).header("host", "evil.example")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn health_and_workflows_tell_what_is_there() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let (status, health) = engine.get("/health").await;
    assert_eq!(
        (status, &health["status"], &health["ready"]),
        (200, &json!("ok"), &json!(true))
    );
    let (_, workflows) = engine.get("/v1/workflows").await;
    let first = &workflows["data"][0];
    assert_eq!(
        (&first["name"], &first["event"]),
        (&json!("fulfill-order"), &json!("store/order.placed"))
    );
    assert_eq!(first["steps"].as_array().unwrap().len(), 4, "{first}");
}
