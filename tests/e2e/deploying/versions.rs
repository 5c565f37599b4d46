//! Versions of a workflow side by side, and changes that code asks for.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Engine, Site, Witness, exit, json_of, printed, said};

/// The variable that says which versions there are.
const VERSION: &str = "STEPWELL_WORKFLOW_VERSION";

async fn started(site: &Site, engine: &Engine) -> Result<String> {
    let run = printed(site, &["start", "shipping", r#"{"order":"v"}"#]).await?;
    engine.waits(&run).await?;
    Ok(run)
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_end_on_the_version_that_began_them_while_new_ones_begin_on_the_next() -> Result<()> {
    let mut site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let old = started(&site, &engine).await?;
    engine.kill().await?;

    site.set(VERSION, "2");
    printed(&site, &["check"]).await?;
    let engine = Engine::start(&site).await?;
    let new = started(&site, &engine).await?;
    let list = json_of(&site, &["workflows", "list"]).await?;
    let list = list["data"].as_array().context("no list")?;
    let versions: Vec<_> = list
        .iter()
        .filter(|workflow| workflow["name"] == json!("shipping"))
        .map(|workflow| (&workflow["version"], &workflow["current"]))
        .collect();
    let expected = [(&json!(1), &json!(false)), (&json!(2), &json!(true))];
    ensure!(versions == expected, "{versions:?}");
    for (run, version, output) in [(&old, 1, "by road"), (&new, 2, "by rail")] {
        printed(&site, &["runs", "signal", run, "go"]).await?;
        let run = engine.reaches(run, &[RunStatus::Completed]).await?;
        let found = run.output.as_ref().map(|output| output.as_json());
        ensure!(
            run.version == version && found == Some(&json!(output).to_string()),
            "{run:?}"
        );
    }
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_version_is_gone_breaks_and_is_quarantined_alone() -> Result<()> {
    let mut site = Site::of_workflows()?;
    site.set(VERSION, "2");
    let engine = Engine::start(&site).await?;
    let new = started(&site, &engine).await?;
    site.unset(VERSION);
    let found = said(&site, &["check", "-o", "json"], exit::BREAKS).await?;
    let report: Value = serde_json::from_str(&found.stdout)?;
    let found = &report["runs"][0];
    ensure!(
        found["run"] == json!(new) && found["version"] == json!(2),
        "{report}"
    );
    engine.end().await?;
    let engine = Engine::start(&site).await?;
    engine.reaches(&new, &[RunStatus::Quarantined]).await?;
    let old = started(&site, &engine).await?;
    ensure!(engine.run(&old).await?.version == 1);
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_applies_to_runs_that_come_to_it_and_to_none_that_were_past_it() -> Result<()> {
    let witness = Witness::start(|call| match (call.order.as_str(), call.step.as_str()) {
        ("past", "weigh") | ("before", "collect") => Answer::Fail,
        (_, _) => Answer::Go,
    })
    .await?;
    let hour = ["--retry-initial-ms", "3600000", "--retry-max-ms", "3600000"];
    let mut site = Site::of_workflows()?.with_options(&hour);
    site.set("STEPWELL_WITNESS", witness.address());
    let engine = Engine::start(&site).await?;
    let past = engine.start_run("test/shaped", "past").await?;
    let before = engine.start_run("test/shaped", "before").await?;
    engine.waits(&past).await?;
    engine.waits(&before).await?;
    engine.kill().await?;

    witness.decide(|_| Answer::Go);
    site.set("STEPWELL_WORKFLOW_SHAPE", "patched");
    printed(&site, &["check"]).await?;
    let engine = Engine::start(&site).await?;
    for (run, step, patched) in [(&past, "weigh", false), (&before, "measure", true)] {
        printed(&site, &["runs", "retry", run]).await?;
        engine.reaches(run, &[RunStatus::Completed]).await?;
        let journal = printed(&site, &["journal", "show", run]).await?;
        ensure!(journal.contains(step), "{journal}");
        let told = journal.contains("change measure-goods applies");
        ensure!(told == patched, "{journal}");
    }
    engine.end().await
}
