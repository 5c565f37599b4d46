//! The front page keeps its word: its workflow is compiled, its commands are run.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli_stage::{Served, printed, stepwell};

const README: &str = include_str!("../../README.md");
const FIRST_WORKFLOW: &str = include_str!("../first_workflow.rs");

/// Every command line of the page, and the test that runs it.
const COMMANDS: [(&str, &str); 14] = [
    ("cargo run --release -- demo", "cli_demo"),
    ("./verify", "the_check_of_the_readme_is_what_ci_runs"),
    (
        "cargo new hello-stepwell",
        "the_five_minutes_of_the_readme_work",
    ),
    ("cd hello-stepwell", "the_five_minutes_of_the_readme_work"),
    ("cargo run -- dev", "the_five_minutes_of_the_readme_work"),
    (
        "cargo run -- send user/signed.up '{\"name\":\"Ada\"}'",
        "the_five_minutes_of_the_readme_work",
    ),
    (
        "cargo run -- runs list",
        "the_five_minutes_of_the_readme_work",
    ),
    (
        "cargo run -- journal show RUN",
        "the_five_minutes_of_the_readme_work",
    ),
    (
        "curl -d '{\"name\":\"user/signed.up\",\"data\":{\"name\":\"Ada\"}}' \
         http://127.0.0.1:8288/e/dev",
        "the_five_minutes_of_the_readme_work",
    ),
    ("cargo run -- check", "the_five_minutes_of_the_readme_work"),
    (
        "cargo run -- runs pause --workflow welcome --dry-run",
        "the_five_minutes_of_the_readme_work",
    ),
    (
        "cargo run -- runs retry --status failed --dry-run",
        "the_five_minutes_of_the_readme_work",
    ),
    (
        "cargo run -- runs fork RUN --from send-greeting --dry-run",
        "the_five_minutes_of_the_readme_work",
    ),
    (
        "STEPWELL_EVENT_KEYS=a-long-random-key stepwell serve --data /var/lib/stepwell --port 8288",
        "the_production_command_of_the_readme_serves_under_its_key",
    ),
];

/// The lines of the page's blocks in `language`, indentation of lists taken away.
fn lines_in(language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut lines = Vec::new();
    let mut indent = None;
    for line in README.lines() {
        let bare = line.trim_start();
        match indent {
            None if bare == fence => indent = Some(line.len() - bare.len()),
            None => {}
            Some(_) if bare == "```" => indent = None,
            Some(indent) => lines.push(line.get(indent..).unwrap_or_default().to_owned()),
        }
    }
    lines
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_command_of_the_readme_is_one_that_a_test_runs() {
    let on_page = lines_in("sh");
    let known: Vec<_> = COMMANDS
        .iter()
        .map(|(command, _)| (*command).to_owned())
        .collect();
    assert_eq!(on_page, known);
}

#[test]
fn the_first_workflow_of_the_readme_is_the_one_that_is_compiled() {
    let (first, code) = FIRST_WORKFLOW.split_once("\n\n").unwrap();
    assert!(first.starts_with("//!"), "{first}");
    assert_eq!(lines_in("rust").join("\n").trim_end(), code.trim_end());
}

#[test]
fn the_packages_the_readme_names_are_there() {
    for line in lines_in("toml") {
        let Some(path) = line.split("path = \"../stepwell/").nth(1) else {
            continue;
        };
        let manifest = root()
            .join(path.trim_end_matches("\" }"))
            .join("Cargo.toml");
        let name = line.split(' ').next().unwrap();
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(
            text.contains(&format!("name = \"{name}\"")),
            "{}",
            manifest.display()
        );
    }
}

#[test]
fn the_check_of_the_readme_is_what_ci_runs() {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(root().join("verify"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111, "verify can be run");
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.lines().any(|line| line.trim() == "./verify"), "{ci}");
}

/// The binary of the page's own workflow, in an empty directory.
fn hello(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwell-first-workflow"));
    command.current_dir(directory);
    command
}

#[tokio::test]
async fn the_five_minutes_of_the_readme_work() {
    let place = tempfile::tempdir().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let made = Command::new(cargo)
        .args(["new", "--vcs", "none", "hello-stepwell"])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let directory = place.path().join("hello-stepwell");
    // A free port instead of the page's, which another engine of this machine may hold.
    let mut dev = hello(&directory);
    dev.args(["dev", "--port", "0"]);
    let engine = Served::start(dev);
    assert!(
        directory.join(".stepwell").is_dir(),
        "data is kept in ./.stepwell"
    );
    let run = |words: &[&str]| {
        printed(
            &hello(&directory)
                .args(words)
                .args(["--url", &engine.url])
                .output()
                .unwrap(),
        )
    };
    run(&["send", "user/signed.up", "{\"name\":\"Ada\"}", "--wait"]);
    let body = r#"{"name":"user/signed.up","data":{"name":"Ada"}}"#;
    let url = format!("{}/e/dev", engine.url);
    let answer = reqwest::Client::new()
        .post(url)
        .body(body)
        .send()
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["status"], 200, "{answer}");
    let list = run(&["runs", "list"]);
    assert_eq!(list.lines().count(), 1 + 2, "{list}");
    let id = run(&["runs", "list", "-o", "ids"]);
    let id = id.lines().last().unwrap();
    let journal = run(&["journal", "show", id]);
    for step in ["write-greeting", "send-greeting"] {
        assert!(journal.contains(step), "{journal}");
    }
    let checked = run(&["check"]);
    assert!(checked.contains("every binary fits"), "{checked}");
    let dry = ["runs", "pause", "--workflow", "welcome", "--dry-run"];
    assert!(run(&dry).contains("pause: 0 run(s)"));
    let dry = ["runs", "retry", "--status", "failed", "--dry-run"];
    assert!(run(&dry).contains("retry: 0 run(s)"));
    let fork = run(&["runs", "fork", id, "--from", "send-greeting", "--dry-run"]);
    assert!(fork.contains("kept: write-greeting"), "{fork}");
}

#[tokio::test]
async fn the_production_command_of_the_readme_serves_under_its_key() {
    let data = tempfile::tempdir().unwrap();
    let mut serve = stepwell();
    serve.env("STEPWELL_EVENT_KEYS", "a-long-random-key");
    serve
        .args(["serve", "--port", "0", "--data"])
        .arg(data.path());
    let engine = Served::start(serve);
    let body = r#"{"name":"nobody/listens","data":{}}"#;
    for (key, expected) in [("a-long-random-key", 200), ("dev", 401)] {
        let url = format!("{}/e/{key}", engine.url);
        let answer = reqwest::Client::new()
            .post(url)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), expected);
    }
}
