//! Runs forked from others: shown first, begun with what they keep.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Engine, Site, Witness, exit, json_of, printed, said};

fn site_with(witness: &Witness) -> Result<Site> {
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    Ok(site)
}

/// How many bodies of `step` were seen.
fn bodies(witness: &Witness, step: &str) -> usize {
    let calls = witness.calls();
    calls.iter().filter(|call| call.step == step).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_shows_what_it_does_again_before_it_does_it_and_keeps_the_rest() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let run = engine.start_run("test/plain", "f").await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let fork = ["runs", "fork", &run, "--from", "second"];
    let would = printed(&site, &[&fork[..], &["--dry-run"]].concat()).await?;
    for words in ["kept: first", "second", "third", "there already"] {
        ensure!(would.contains(words), "{words}: {would}");
    }
    ensure!(
        would.contains("2 effect(s) that are there already"),
        "{would}"
    );
    // Nobody is there to be asked: it is shown, and not done.
    let refused = said(&site, &fork, exit::USAGE).await?;
    ensure!(
        refused.stderr.contains("kept: first") && refused.stderr.contains("--yes"),
        "{refused:?}"
    );
    ensure!(engine.runs().await?.len() == 1, "a look begins nothing");

    let forked = said(
        &site,
        &[&fork[..], &["--yes", "-o", "ids"]].concat(),
        exit::OK,
    )
    .await?;
    ensure!(forked.stderr.contains("kept: first"), "{forked:?}");
    let new = forked.stdout.trim_end();
    ensure!(new != run, "{forked:?}");
    engine.reaches(new, &[RunStatus::Completed]).await?;
    ensure!(bodies(&witness, "first") == 1 && bodies(&witness, "second") == 2);
    let shown = printed(&site, &["runs", "show", new]).await?;
    let from = format!("run {run}, done anew from step second");
    ensure!(shown.contains(&from), "{shown}");
    let journal = printed(&site, &["journal", "show", new]).await?;
    ensure!(
        journal.contains(&format!("forked from run {run}")),
        "{journal}"
    );
    let old = json_of(&site, &["runs", "show", &run]).await?;
    ensure!(old["status"] == json!("completed"), "{old}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_over_http_takes_another_input_and_says_what_it_does_again() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let run = engine.start_run("test/plain", "g").await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let path = format!("/v1/runs/{run}/fork");
    let asked = json!({ "from": "third", "input": { "order": "g2" }, "dry_run": true });
    let (status, would) = engine.post(&path, asked).await?;
    ensure!(status == 200 && would["run"] == Value::Null, "{would}");
    ensure!(would["keeps"] == json!(["first", "second"]), "{would}");
    let again = json!([{ "step": "third", "kind": "run", "effect": true, "database": null }]);
    ensure!(would["again"] == again, "{would}");
    ensure!(engine.runs().await?.len() == 1, "a look begins nothing");
    let asked = json!({ "from": "third", "input": { "order": "g2" } });
    let (status, forked) = engine.post(&path, asked).await?;
    ensure!(status == 201, "{forked}");
    let new = forked["run"].as_str().context("no run")?;
    let ended = engine.reaches(new, &[RunStatus::Completed]).await?;
    let output = ended.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""g2""#), "{ended:?}");
    let from = ended.forked_from.context("not forked")?;
    ensure!(from.run == run && from.step == "third", "{from:?}");

    for (body, status, code) in [
        (json!({ "from": "fourth" }), 409, "cannot-fork"),
        (json!({ "from": "" }), 400, "bad-parameter"),
        (json!({}), 400, "bad-parameter"),
    ] {
        let (found, answer) = engine.post(&path, &body).await?;
        ensure!(
            found == status && answer["error"]["code"] == json!(code),
            "{body}: {answer}"
        );
    }
    let absent = "/v1/runs/01JD5NRB9WY5BK7GB58PPHFCQG/fork";
    let (status, _) = engine.post(absent, json!({ "from": "third" })).await?;
    ensure!(status == 404);
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_code_would_not_go_on_from_is_refused_before_it_is_begun() -> Result<()> {
    let mut site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let run = printed(&site, &["start", "shipping", r#"{"order":"s"}"#]).await?;
    engine.waits(&run).await?;
    printed(&site, &["runs", "signal", &run, "go"]).await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    engine.end().await?;
    site.set("STEPWELL_WORKFLOW_VERSION", "2");
    let engine = Engine::start(&site).await?;
    let fork = ["runs", "fork", &run, "--from", "ship-by-road", "--dry-run"];
    printed(&site, &fork).await?;
    for (version, words) in [("2", "recorded run pack"), ("3", "without version 3")] {
        let fork = [&fork[..], &["--version", version]].concat();
        let refused = said(&site, &fork, exit::CONFLICT).await?;
        ensure!(
            refused.stderr.contains("code cannot-fork ") && refused.stderr.contains(words),
            "{refused:?}"
        );
    }
    // From the beginning nothing is kept, so any version goes.
    let fork = [
        "runs",
        "fork",
        &run,
        "--from",
        "pack",
        "--version",
        "2",
        "--yes",
    ];
    let new = json_of(&site, &fork).await?;
    let new = new["run"].as_str().context("no run")?;
    engine.waits(new).await?;
    printed(&site, &["runs", "signal", new, "go"]).await?;
    let ended = engine.reaches(new, &[RunStatus::Completed]).await?;
    ensure!(ended.version == 2, "{ended:?}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_forked_without_an_engine_and_driven_by_the_next() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let run = engine.start_run("test/plain", "o").await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    engine.end().await?;
    let fork = ["runs", "fork", &run, "--from", "third", "--yes"];
    let forked = json_of(&site, &fork).await?;
    let new = forked["run"].as_str().context("no run")?;
    let engine = Engine::start(&site).await?;
    engine.reaches(new, &[RunStatus::Completed]).await?;
    ensure!(bodies(&witness, "second") == 1 && bodies(&witness, "third") == 2);
    engine.end().await
}
