//! `check` with an engine and without, and the look an engine takes when it starts.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stepwell_core::run::RunStatus;
use stepwell_fakes::Fakes;

use crate::harness::{Answer, Engine, Site, Witness, exit, printed, said};

/// The variable that chooses the shape of the workflow.
const SHAPE: &str = "STEPWELL_WORKFLOW_SHAPE";

/// A site whose runs wait for an hour behind an attempt that failed.
fn patient_site(witness: &Witness) -> Result<Site> {
    let hour = ["--retry-initial-ms", "3600000", "--retry-max-ms", "3600000"];
    let mut site = Site::of_workflows()?.with_options(&hour);
    site.set("STEPWELL_WITNESS", witness.address());
    Ok(site)
}

/// A run that a renamed step breaks, and two that it does not: one has not come there, the other is
/// of another workflow.
async fn three_runs(site: &Site, engine: &Engine) -> Result<[String; 3]> {
    let broken = engine.start_run("test/shaped", "stuck").await?;
    let early = engine.start_run("test/shaped", "early").await?;
    let other = printed(site, &["start", "approving", r#"{"order":"other"}"#]).await?;
    for run in [&broken, &early, &other] {
        engine.waits(run).await?;
    }
    Ok([broken, early, other])
}

async fn witness() -> Result<Witness> {
    Witness::start(|call| match (call.order.as_str(), call.step.as_str()) {
        ("stuck", "weigh") | ("early", "collect") => Answer::Fail,
        (_, _) => Answer::Go,
    })
    .await
}

/// The finding of `run` in what a check printed as JSON.
fn finding<'a>(report: &'a Value, run: &str) -> Result<&'a Value> {
    let runs = report["runs"].as_array().context("no runs")?;
    let found = runs.iter().find(|found| found["run"] == json!(run));
    found.with_context(|| format!("no {run} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_run_and_step_that_a_binary_would_break_with_an_engine_and_without()
-> Result<()> {
    let witness = witness().await?;
    let mut site = patient_site(&witness)?;
    let engine = Engine::start(&site).await?;
    let [broken, early, other] = three_runs(&site, &engine).await?;
    let safe = printed(&site, &["check"]).await?;
    ensure!(!safe.contains(&broken), "{safe}");

    let mut engine = Some(engine);
    site.set(SHAPE, "renamed");
    for place in ["with an engine", "without one"] {
        let found = said(&site, &["check"], exit::BREAKS).await?;
        for words in [&*broken, "shaped", "run weigh", "run measure"] {
            ensure!(found.stdout.contains(words), "{place}: {words}: {found:?}");
        }
        for fits in [&early, &other] {
            ensure!(!found.stdout.contains(fits.as_str()), "{place}: {found:?}");
        }
        ensure!(found.stderr.contains("1 of 3 run(s) break"), "{found:?}");
        ensure!(found.stderr.contains("code code-breaks-runs "), "{found:?}");
        let ids = said(&site, &["check", "-o", "ids"], exit::BREAKS).await?;
        ensure!(ids.stdout.trim_end() == broken, "{ids:?}");
        let report = said(&site, &["check", "-o", "json"], exit::BREAKS).await?;
        let report: Value = serde_json::from_str(&report.stdout)?;
        let found = finding(&report, &broken)?;
        ensure!(
            found["recorded"] == json!("run weigh") && found["attempted"] == json!("run measure"),
            "{place}: {found}"
        );
        ensure!(finding(&report, &early)?["verdict"] == json!("fits"));
        let lines = said(&site, &["check", "-o", "jsonl"], exit::BREAKS).await?;
        ensure!(lines.stdout.lines().count() == 3, "{lines:?}");
        if let Some(engine) = engine.take() {
            ensure!(
                engine.run(&broken).await?.status == RunStatus::Waiting,
                "a check changes nothing"
            );
            engine.end().await?;
        }
    }
    site.unset(SHAPE);
    printed(&site, &["check"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_sets_aside_at_its_start_what_breaks_and_runs_the_others() -> Result<()> {
    let witness = witness().await?;
    let mut site = patient_site(&witness)?;
    let engine = Engine::start(&site).await?;
    let [broken, early, other] = three_runs(&site, &engine).await?;
    engine.kill().await?;

    witness.decide(|_| Answer::Go);
    site.set(SHAPE, "renamed");
    let engine = Engine::start(&site).await?;
    // Nothing of it is due for an hour.
    let held = engine.reaches(&broken, &[RunStatus::Quarantined]).await?;
    let reason = held.quarantine.unwrap_or_default();
    ensure!(
        reason.contains("run weigh") && reason.contains("run measure"),
        "{reason}"
    );
    printed(&site, &["runs", "retry", &early]).await?;
    printed(&site, &["runs", "signal", &other, "approve"]).await?;
    for run in [&early, &other] {
        engine.reaches(run, &[RunStatus::Completed]).await?;
    }
    let fresh = engine.start_run("test/shaped", "fresh").await?;
    engine.reaches(&fresh, &[RunStatus::Completed]).await?;
    ensure!(engine.run(&broken).await?.status == RunStatus::Quarantined);
    engine.end().await?;
    let log = site.log_tail();
    ensure!(
        log.contains("open runs were held against this code") && log.contains(&broken),
        "{log}"
    );

    site.unset(SHAPE);
    let engine = Engine::start(&site).await?;
    printed(&site, &["runs", "resume", &broken]).await?;
    engine.waits(&broken).await?;
    printed(&site, &["runs", "retry", &broken]).await?;
    engine.reaches(&broken, &[RunStatus::Completed]).await?;
    let collected = witness.attempts("shaped");
    let collected = collected.get(&("stuck".to_owned(), "collect".to_owned()));
    ensure!(collected == Some(&vec![1]), "{collected:?}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_a_check_lacks_is_said_and_is_no_break() -> Result<()> {
    let mut site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let run = printed(&site, &["start", "needing", r#"{"order":"n"}"#]).await?;
    engine.waits(&run).await?;
    printed(&site, &["check"]).await?;
    engine.end().await?;
    site.set("STEPWELL_WORKFLOW_LACKING", "1");
    let found = said(&site, &["check"], exit::UNCHECKED).await?;
    for words in [&*run, "cannot be checked past step open", "Ledger"] {
        ensure!(found.stdout.contains(words), "{words}: {found:?}");
    }
    ensure!(found.stderr.contains("code check-incomplete "), "{found:?}");
    ensure!(!found.stderr.contains("panicked"), "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_swag_store_is_checked_to_the_end_without_its_database_or_services() -> Result<()> {
    let fakes = Fakes::start(([127, 0, 0, 1], 0).into()).await?;
    let site = Site::of_swag_store(&fakes)?;
    let engine = Engine::start(&site).await?;
    let order = serde_json::from_str::<Value>(&crate::cli_stage::order("checked"))?;
    let id = "checked";
    engine
        .send("store/order.placed", id, order["data"].clone())
        .await?;
    let runs = engine.event_runs(id).await?;
    let run = runs.first().context("no run")?.run_id.clone();
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let file = site.data().with_file_name("order.jsonl");
    let file = file.to_str().context("a file in UTF-8")?;
    printed(&site, &["journal", "export", &run, "--to", file]).await?;
    engine.end().await?;
    drop(fakes);
    let checked = site.say_alone(&["check", file, "-o", "json"]).await?;
    ensure!(checked.code == Some(exit::OK), "{checked:?}");
    let report: Value = serde_json::from_str(&checked.stdout)?;
    let found = finding(&report, &run)?;
    ensure!(
        found["verdict"] == json!("fits") && found["results"] == json!(4),
        "{found}"
    );
    Ok(())
}
