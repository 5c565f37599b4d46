//! Client commands: against an engine, straight on the directory, and with what exit code.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::cli_stage::{Served, Waiting, ended, fed, json, order, printed, refusal};

/// An engine that fulfilled one order under the event id `cli-1`, and its run's id.
async fn fulfilled(data: &std::path::Path) -> (Served, String) {
    let engine = Served::dev(data);
    let (status, _) = engine.post("/e/dev", order("cli-1")).await;
    assert_eq!(status, 200);
    let runs = engine.ended_runs("cli-1").await;
    (engine, runs[0]["run_id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_stopped_store_shows_the_same_as_its_engine_did() {
    let data = tempfile::tempdir().unwrap();
    let (engine, run) = fulfilled(data.path()).await;
    let dir = data.path().to_str().unwrap();
    let commands: [&[&str]; 3] = [
        &["runs", "list", "-o", "json"],
        &["runs", "show", &run, "-o", "json"],
        &["journal", "show", &run, "-o", "json"],
    ];
    let ask = |words: &[&str], at: [&str; 2]| json(&ended(&[words, &at].concat()));
    let online: Vec<Value> = commands
        .iter()
        .map(|words| ask(words, ["--url", &engine.url]))
        .collect();
    // While the engine holds the directory, naming the directory asks the engine.
    let held: Vec<Value> = commands
        .iter()
        .map(|words| ask(words, ["--data", dir]))
        .collect();
    assert_eq!(engine.stop().code(), Some(0));
    let offline: Vec<Value> = commands
        .iter()
        .map(|words| ask(words, ["--data", dir]))
        .collect();
    assert_eq!(online, held);
    assert_eq!(online, offline);
}

#[tokio::test]
async fn runs_are_named_by_the_beginning_of_their_id_and_by_standard_input() {
    let data = tempfile::tempdir().unwrap();
    let (engine, run) = fulfilled(data.path()).await;
    let url = engine.url.as_str();
    let ids = printed(&ended(&["runs", "list", "-o", "ids", "--url", url]));
    assert_eq!(ids.trim(), run);
    let shown = printed(&ended(&[
        "runs",
        "show",
        &run[..12],
        "-o",
        "ids",
        "--url",
        url,
    ]));
    assert_eq!(shown.trim(), run);
    let lower = run.to_ascii_lowercase();
    assert_eq!(
        printed(&ended(&["runs", "show", &lower, "-o", "ids", "--url", url])).trim(),
        run
    );
    assert_eq!(
        printed(&fed(
            &["runs", "show", "-", "-o", "ids", "--url", url],
            &ids
        ))
        .trim(),
        run
    );
    let tail = printed(&ended(&[
        "journal", "tail", &run, "-o", "jsonl", "--url", url,
    ]));
    assert!(
        tail.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert!(
        tail.lines().last().unwrap().contains("run-completed"),
        "{tail}"
    );
}

#[tokio::test]
async fn send_prints_the_id_and_can_wait_for_the_end() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let url = engine.url.as_str();
    let whole: Value = serde_json::from_str(&order("sent-1")).unwrap();
    let order_data = whole["data"].to_string();
    let words = [
        "send",
        "store/order.placed",
        &order_data,
        "--id",
        "sent-1",
        "--url",
        url,
    ];
    assert_eq!(printed(&ended(&words)), "sent-1\n");
    let waited = json(&ended(&[&words[..], &["--wait", "-o", "json"]].concat()));
    assert_eq!(waited[0]["status"], "completed", "{waited}");
    let from_stdin = [
        "send",
        "store/order.placed",
        "-",
        "--id",
        "sent-2",
        "--url",
        url,
    ];
    assert_eq!(printed(&fed(&from_stdin, &order_data)), "sent-2\n");
    // A variant nobody sells: the step is given up at once and the run fails.
    let unknown = order_data
        .replace("var_step-socks-one", "var_unknown")
        .replace("ord_sent-1", "ord_sent-3");
    let failing = [
        "send",
        "store/order.placed",
        &unknown,
        "--id",
        "sent-3",
        "--wait",
        "--url",
        url,
    ];
    let (code, said) = refusal(&ended(&failing));
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("is failed") && said.contains("code run-not-completed"),
        "{said}"
    );
}

#[tokio::test]
async fn every_refusal_has_its_exit_code() {
    let data = tempfile::tempdir().unwrap();
    let (engine, run) = fulfilled(data.path()).await;
    let url = engine.url.clone();
    let empty = data.path().join("absent");
    let absent = empty.to_str().unwrap();
    for (words, exit, code) in [
        (
            vec!["runs", "cancel", &run, "--url", &url],
            13,
            "run-refuses",
        ),
        (
            vec!["runs", "resume", &run, "--url", &url],
            13,
            "run-refuses",
        ),
        (
            vec!["runs", "show", "01JD5NRB9WY5BK7GB58PPHFCQG", "--url", &url],
            4,
            "no-such-run",
        ),
        (vec!["runs", "show", "7Z", "--url", &url], 4, "no-such-run"),
        (vec!["runs", "show", "l!", "--url", &url], 2, "bad-run-id"),
        (
            vec!["send", "a", "--key", "wrong", "--url", &url],
            3,
            "unknown-event-key",
        ),
        (
            vec!["send", "stepwell/x", "--url", &url],
            2,
            "malformed-body",
        ),
        (vec!["send", "a", "{", "--url", &url], 2, "usage"),
        (
            vec!["runs", "list", "--url", "http://127.0.0.1:9"],
            12,
            "engine-unreachable",
        ),
        (vec!["runs", "list", "--url", "ftp://x"], 2, "usage"),
        (vec!["runs", "list", "--data", absent], 4, "store-missing"),
        (
            vec!["store", "check", "--data", data.path().to_str().unwrap()],
            6,
            "store-locked",
        ),
        (
            vec![
                "serve",
                "--log-format",
                "text",
                "--retries",
                "100000",
                "--data",
                absent,
            ],
            2,
            "config-refused",
        ),
    ] {
        let (found, said) = refusal(&ended(&words));
        assert_eq!(found, exit, "{words:?}: {said}");
        assert!(said.contains(&format!("code {code} ")), "{words:?}: {said}");
    }
    let (found, _) = refusal(&ended(&["runs", "lst"]));
    assert_eq!(found, 2);
    assert!(!empty.exists());
}

#[tokio::test]
async fn a_stopped_store_is_checked_and_verified() {
    let data = tempfile::tempdir().unwrap();
    let (engine, _) = fulfilled(data.path()).await;
    let online = json(&ended(&[
        "journal",
        "verify",
        "-o",
        "json",
        "--url",
        &engine.url,
    ]));
    assert_eq!(
        (&online["runs"], &online["damage"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(engine.stop().code(), Some(0));
    let dir = data.path().to_str().unwrap();
    let checked = json(&ended(&[
        "store", "check", "--full", "-o", "json", "--data", dir,
    ]));
    assert_eq!(
        (&checked["runs"], &checked["damage"], &checked["clean"]),
        (&json!(1), &json!([]), &json!(true))
    );
    let verified = json(&ended(&["journal", "verify", "-o", "json", "--data", dir]));
    assert_eq!(verified["damage"], json!([]));
    let info = json(&ended(&["store", "info", "-o", "json", "--data", dir]));
    assert_eq!((&info["runs"], &info["clean"]), (&json!(1), &json!(true)));
}

#[test]
fn workflows_and_completions_need_no_engine() {
    let here = json(&ended(&["workflows", "list", "--here", "-o", "json"]));
    assert_eq!(here["data"][0]["name"], "fulfill-order");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&ended(&["completions", shell]));
        assert!(
            script.contains("demo") && script.contains("journal"),
            "{shell}"
        );
    }
}

#[tokio::test]
async fn a_second_command_on_a_directory_is_told_of_the_lock_and_not_sent_to_an_engine_that_died() {
    let data = tempfile::tempdir().unwrap();
    let (engine, run) = fulfilled(data.path()).await;
    let dir = data.path().to_str().unwrap();
    engine.signal(Signal::SIGKILL);
    engine.wait();
    assert!(
        data.path().join("engine.json").exists(),
        "what the engine said of itself stays behind"
    );
    let (code, said) = refusal(&ended(&["send", "a", "--data", dir]));
    assert_eq!(code, 12, "{said}");
    assert!(said.contains("no engine has"), "{said}");

    // It has the directory open for as long as its standard input may name more runs.
    let mut first = Waiting::start(&["runs", "show", "-", "-o", "ids", "--data", dir]);
    first.until_it_holds(data.path());
    for words in [
        vec!["runs", "list", "--data", dir],
        vec!["journal", "show", &run, "--data", dir],
        vec!["store", "info", "--data", dir],
    ] {
        let (code, said) = refusal(&ended(&words));
        assert_eq!(code, 6, "{words:?}: {said}");
        let holder = format!("process {}", first.pid());
        assert!(
            said.contains(&holder) && said.contains("code store-locked "),
            "{words:?}: {said}"
        );
    }
    let (code, said) = refusal(&ended(&["send", "a", "--data", dir]));
    assert_eq!(code, 12, "{said}");
    assert_eq!(first.told(&run), format!("{run}\n"));
    assert_eq!(
        printed(&ended(&["runs", "list", "-o", "ids", "--data", dir])).trim(),
        run
    );
}

#[tokio::test]
async fn send_says_when_no_run_was_started_and_where_to_look() {
    let data = tempfile::tempdir().unwrap();
    let engine = Served::dev(data.path());
    let url = engine.url.as_str();
    for words in [&[][..], &["--wait"], &["-o", "json"]] {
        let misspelt = ["send", "store/order.plcaed", "--url", url];
        let (code, said) = refusal(&ended(&[&misspelt, words].concat()));
        assert_eq!(code, 0, "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("store/order.plcaed") && said.contains("`stepwell workflows list`"),
            "{said}"
        );
    }
    let whole: Value = serde_json::from_str(&order("heard")).unwrap();
    let order_data = whole["data"].to_string();
    let sent = ended(&["send", "store/order.placed", &order_data, "--url", url]);
    assert_eq!(refusal(&sent), (0, String::new()));
}

#[tokio::test]
async fn store_info_answers_the_same_fields_with_an_engine_and_without() {
    let data = tempfile::tempdir().unwrap();
    let (engine, _) = fulfilled(data.path()).await;
    let dir = data.path().to_str().unwrap();
    let info = |at: [&str; 2]| {
        json(&ended(
            &[&["store", "info", "-o", "json"], &at[..]].concat(),
        ))
    };
    let online = info(["--url", &engine.url]);
    assert_eq!(online["engine"]["status"], "ok");
    assert_eq!(engine.stop().code(), Some(0));
    let offline = info(["--data", dir]);
    let fields =
        |info: &Value| -> Vec<String> { info.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(fields(&online), fields(&offline));
    assert_eq!(offline["engine"], Value::Null);
    for same in ["directory", "store", "formats", "generation"] {
        assert_eq!(online[same], offline[same], "{same}");
    }
    let opening = |info: &Value| info["opening"].as_u64().unwrap();
    assert!(opening(&online) < opening(&offline));
    assert_eq!(
        (&offline["runs"], &offline["clean"]),
        (&json!(1), &json!(true))
    );
    let table = printed(&ended(&["store", "info", "--data", dir]));
    assert!(table.contains("no engine runs on it"), "{table}");
}

#[tokio::test]
async fn a_refused_command_closes_the_directory_as_cleanly_as_any_other() {
    let data = tempfile::tempdir().unwrap();
    let (engine, run) = fulfilled(data.path()).await;
    assert_eq!(engine.stop().code(), Some(0));
    let dir = data.path().to_str().unwrap();
    for (words, exit) in [
        (vec!["runs", "show", "7Z"], 4),
        (vec!["runs", "cancel", &run], 13),
        (vec!["runs", "resume", &run], 13),
        (vec!["journal", "show", "l!"], 2),
        (vec!["journal", "tail", "7Z"], 4),
        (vec!["journal", "verify", "7Z"], 4),
    ] {
        let (code, said) = refusal(&ended(&[&words[..], &["--data", dir]].concat()));
        assert_eq!(code, exit, "{words:?}: {said}");
        let info = json(&ended(&["store", "info", "-o", "json", "--data", dir]));
        assert_eq!(info["clean"], true, "{words:?}");
    }
}

#[test]
fn bench_measures_steps_beside_a_bare_loop_and_counts_syncs_and_processor_time() {
    let disk = tempfile::tempdir().unwrap();
    let words = ["bench", "--rounds", "1", "--seconds", "0.05", "-o", "json"];
    let at = ["--disk", disk.path().to_str().unwrap()];
    let report = json(&ended(&[&words[..], &at].concat()));
    for figure in ["step_us", "bare_us", "ratio"] {
        let median = report["sequential"][figure]["median"].as_f64().unwrap();
        assert!(median > 0.0, "{figure}: {report}");
    }
    let orders = report["orders"].as_array().unwrap();
    let clients: Vec<_> = orders.iter().map(|orders| &orders["clients"]).collect();
    assert_eq!(clients, [&json!(1), &json!(16), &json!(256)]);
    for orders in orders {
        for figure in ["steps_per_s", "syncs_per_step", "log_bytes_per_step"] {
            let median = orders[figure]["median"].as_f64().unwrap();
            assert!(median > 0.0, "{figure}: {orders}");
        }
        assert!(orders["cpu_us_per_step"]["median"].is_f64(), "{orders}");
    }
    let left: Vec<_> = std::fs::read_dir(disk.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn bench_sleepers_starts_parks_reopens_and_sees_every_run_complete_once() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("store");
    let words = ["bench", "sleepers", "--count", "20", "-o", "json"];
    let at = ["--data", data.to_str().unwrap()];
    let ended = ended(&[&words[..], &at].concat());
    let report = json(&ended);
    assert_eq!(report["count"], 20);
    let parked = &report["parked"];
    for figure in ["start_s", "log_bytes_per_run"] {
        assert!(parked[figure].as_f64().unwrap() > 0.0, "{figure}: {report}");
    }
    // So few runs may cost no page of memory and no block of the disk.
    assert!(parked["memory_bytes_per_run"].is_f64(), "{report}");
    assert!(report["disk_bytes_per_run"].is_f64(), "{report}");
    let order = &report["order"];
    for figure in [
        "open_store_ms",
        "start_engine_ms",
        "order_ms",
        "opening_to_order_ms",
    ] {
        assert!(order[figure].as_f64().unwrap() > 0.0, "{figure}: {report}");
    }
    assert_eq!(report["fired"]["completed_once"], 20);
    assert_eq!(report["fired"]["otherwise"], 0);
    let (_, said) = refusal(&ended);
    assert!(said.contains("starting runs: 20 of 20"), "{said}");
    // A directory that was named stays, closed, and is not written into a second time.
    let (code, said) = refusal(&crate::cli_stage::ended(&[&words[..], &at].concat()));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is not empty"), "{said}");
}

#[test]
fn bench_long_run_compares_late_steps_with_early_ones_and_times_the_replay() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("store");
    let words = [
        "bench", "long-run", "--steps", "300", "--rounds", "1", "-o", "json",
    ];
    let at = ["--data", data.to_str().unwrap()];
    let report = json(&ended(&[&words[..], &at].concat()));
    assert_eq!(report["steps"], 300);
    for whose in ["shard", "process"] {
        for figure in [
            "early_us",
            "late_us",
            "ratio",
            "early_mean_us",
            "late_mean_us",
            "mean_ratio",
        ] {
            let median = &report[whose][figure]["median"];
            assert!(median.as_f64().unwrap() > 0.0, "{whose} {figure}: {report}");
        }
    }
    for figure in [
        "step_us",
        "log_bytes_per_step",
        "load_ms",
        "replay_ms",
        "reopen_ms",
    ] {
        let median = &report[figure]["median"];
        assert!(median.as_f64().unwrap() > 0.0, "{figure}: {report}");
    }
}
