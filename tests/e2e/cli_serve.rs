//! `serve` and `dev` as processes: where they listen, how they end, who may open the directory.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::cli_stage::{Served, answer, client, ended, order, refusal, stepwell};

#[test]
fn sigterm_drains_and_ends_with_exit_0() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    assert!(data.path().join("engine.json").exists());
    assert_eq!(engine.stop().code(), Some(0));
    assert!(!data.path().join("engine.json").exists());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_and_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let (status, _) = engine.post("/e/dev", order("before-kill")).await;
    assert_eq!(status, 200);
    engine.signal(Signal::SIGKILL);
    engine.wait();
    let engine = Served::dev(data.path());
    let runs = engine.ended_runs("before-kill").await;
    assert_eq!((runs.len(), &runs[0]["status"]), (1, &json!("completed")));
}

#[test]
fn a_port_that_is_taken_is_found_before_the_store_is_touched() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let other = data.path().join("other");
    let output = ended(&[
        "serve",
        "--log-format",
        "text",
        "--port",
        &port,
        "--data",
        other.to_str().unwrap(),
    ]);
    let (code, said) = refusal(&output);
    assert_eq!(code, 11, "{said}");
    assert!(
        said.contains("code not-bound") && said.contains(&port),
        "{said}"
    );
    assert!(!other.exists());
}

#[test]
fn a_second_engine_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let output = ended(&[
        "serve",
        "--port",
        "0",
        "--data",
        data.path().to_str().unwrap(),
    ]);
    let (code, said) = refusal(&output);
    assert_eq!(code, 6, "{said}");
    assert!(
        said.contains(&format!("process {}", engine.pid())),
        "{said}"
    );
    assert_eq!(engine.stop().code(), Some(0));
}

#[tokio::test]
async fn serve_takes_its_keys_from_the_environment_and_its_settings_from_a_file() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("stepwell.toml");
    let store = data.path().join("store");
    std::fs::write(
        &file,
        format!("port = 0\ndata = {store:?}\noperator_token = \"t\"\n"),
    )
    .unwrap();
    let mut command = stepwell();
    command
        .args(["serve", "--config"])
        .arg(&file)
        .env("STEPWELL_EVENT_KEYS", "one,two");
    let engine = Served::start(command);
    for (key, status) in [("one", 200), ("two", 200), ("dev", 401)] {
        let (found, _) = engine
            .post(&format!("/e/{key}"), r#"{"name":"a","data":1}"#)
            .await;
        assert_eq!(found, status, "{key}");
    }
    let runs = format!("{}/v1/runs", engine.url);
    let (status, answered): (u16, Value) = answer(client().get(&runs)).await;
    assert_eq!(
        (status, &answered["error"]["code"]),
        (401, &json!("operator-token-needed"))
    );
    let (status, _) = answer(client().get(&runs).bearer_auth("t")).await;
    assert_eq!(status, 200);
    let mut list = stepwell();
    list.args(["runs", "list", "--url", &engine.url]);
    assert_eq!(list.output().unwrap().status.code(), Some(3));
    let shown = list.env("STEPWELL_OPERATOR_TOKEN", "t").output().unwrap();
    assert_eq!(shown.status.code(), Some(0));
}

#[tokio::test]
async fn while_it_drains_it_says_so_and_a_second_signal_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut engine = Served::dev(data.path());
    let line = engine.until_said("stand-ins on ");
    let stand_ins = line.strip_prefix("stand-ins on ").unwrap().to_owned();
    let hang = client()
        .post(format!("{stand_ins}/_fakes/switch"))
        .header("content-type", "application/json")
        .body(r#"{"service":"stripe","mode":"hang"}"#);
    assert_eq!(answer(hang).await.0, 204);
    assert_eq!(engine.post("/e/dev", order("hangs")).await.0, 200);
    engine.in_flight("hangs", "capture-payment").await;

    engine.signal(Signal::SIGTERM);
    engine.until_said("SIGTERM: draining");
    let late = client()
        .post(format!("{}/e/dev", engine.url))
        .body(order("late"))
        .send()
        .await
        .unwrap();
    assert_eq!(late.status().as_u16(), 503);
    assert!(late.headers().contains_key("retry-after"));
    let body: Value = serde_json::from_str(&late.text().await.unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "shutting-down");
    let (status, health) = engine.get("/health").await;
    assert_eq!((status, &health["status"]), (503, &json!("draining")));

    engine.signal(Signal::SIGTERM);
    assert_eq!(engine.wait().code(), Some(130));
    let engine = Served::dev(data.path());
    let runs = engine.ended_runs("hangs").await;
    assert_eq!(runs[0]["status"], "completed", "{runs:?}");
}

/// The lines as JSON objects.
fn objects<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    let object = |line: &'a str| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(object["level"].is_string(), "{line}");
        object
    };
    lines.into_iter().map(object).collect()
}

#[tokio::test]
async fn with_a_log_in_json_every_line_of_an_engine_is_an_object() {
    let data = tempfile::tempdir().unwrap();
    for filter in ["debug", "off"] {
        let mut command = stepwell();
        command
            .args(["serve", "--port", "0", "--log-format", "json"])
            .args(["--log", filter, "--data"])
            .arg(data.path())
            .env("STEPWELL_EVENT_KEYS", "key");
        let mut engine = Served::start(command);
        let (status, _) = engine.post("/e/key", r#"{"name":"a","data":1}"#).await;
        assert_eq!(status, 200);
        engine.signal(Signal::SIGTERM);
        let lines = engine.every_line();
        assert_eq!(engine.wait().code(), Some(0));
        let objects = objects(lines.iter().map(String::as_str));
        // What is said rather than logged is there whatever the filter says.
        for words in ["stepwell listens on", "SIGTERM: draining", "stopped; 0 run"] {
            let said = |object: &Value| {
                object["message"]
                    .as_str()
                    .is_some_and(|message| message.starts_with(words))
            };
            assert!(objects.iter().any(said), "{words}: {lines:#?}");
        }
    }
}

#[test]
fn with_a_log_in_json_a_refusal_is_an_object_with_code_and_exit() {
    let data = tempfile::tempdir().unwrap();
    let _holder = Served::dev(data.path());
    let dir = data.path().to_str().unwrap();
    for (words, exit, code) in [
        (vec!["--port", "0"], 6, "store-locked"),
        (vec!["--retries", "100000"], 2, "config-refused"),
        (vec!["--log", "=="], 2, "config-refused"),
    ] {
        let serve = ["serve", "--log-format", "json", "--data", dir];
        let (found, said) = refusal(&ended(&[&serve, &words[..]].concat()));
        assert_eq!(found, exit, "{said}");
        let objects = objects(said.lines());
        let last = objects.last().unwrap();
        assert_eq!(
            (&last["level"], &last["code"], &last["exit"]),
            (&json!("ERROR"), &json!(code), &json!(exit)),
            "{said}"
        );
    }
}

#[test]
fn dev_suggests_commands_of_the_very_program_that_runs() {
    let data = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_stepwell-first-workflow");
    let mut command = std::process::Command::new(program);
    command
        .args(["dev", "--port", "0", "--log-format", "text", "--data"])
        .arg(data.path());
    let mut engine = Served::start(command);
    let send = engine.until_said(" send ");
    let expected = format!("{program} send user/signed.up '{{}}' --url {}", engine.url);
    assert_eq!(send.trim(), expected);
    engine.until_said(&format!("{program} runs list --url {}", engine.url));
}
