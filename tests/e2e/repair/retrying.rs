//! Failed runs tried again, and what cannot be.

use anyhow::{Result, ensure};
use serde_json::json;
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Engine, Site, Witness, exit, printed, said};

/// A site without retries, whose bodies tell `witness`.
fn site_with(witness: &Witness) -> Result<Site> {
    let mut site = Site::of_workflows()?.with_options(&["--retries", "0"]);
    site.set("STEPWELL_WITNESS", witness.address());
    Ok(site)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_that_is_retried_completes_and_runs_no_recorded_step_again() -> Result<()> {
    let witness = Witness::start(|call| match call.step.as_str() {
        "second" => Answer::Fail,
        _ => Answer::Go,
    })
    .await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let by_command = engine.start_run("test/plain", "c").await?;
    let by_http = engine.start_run("test/plain", "h").await?;
    let offline = engine.start_run("test/plain", "o").await?;
    for run in [&by_command, &by_http, &offline] {
        engine.reaches(run, &[RunStatus::Failed]).await?;
    }
    let shown = printed(&site, &["runs", "show", &by_command]).await?;
    let hint = format!("`stepwell runs retry {by_command}`");
    ensure!(shown.contains(&hint), "{shown}");
    // Still broken: it fails again, as the same run.
    printed(&site, &["runs", "retry", &by_command]).await?;
    witness_sees_twice(&witness, &engine, &by_command).await?;
    engine.reaches(&by_command, &[RunStatus::Failed]).await?;

    witness.decide(|_| Answer::Go);
    let retry = ["runs", "retry", &by_command, "--reason", "mended"];
    let told = printed(&site, &retry).await?;
    ensure!(told == format!("{by_command} is tried again"), "{told}");
    let path = format!("/v1/runs/{by_http}/retry");
    let (status, run) = engine.post(&path, json!({ "reason": "mended" })).await?;
    ensure!(status == 202 && run["id"] == json!(by_http), "{run}");
    for run in [&by_command, &by_http] {
        engine.reaches(run, &[RunStatus::Completed]).await?;
        let journal = printed(&site, &["journal", "show", run]).await?;
        ensure!(journal.contains("again second: mended"), "{journal}");
    }
    let (status, answer) = engine.post(&path, "").await?;
    ensure!(
        status == 409 && answer["error"]["code"] == json!("run-refuses"),
        "{answer}"
    );
    engine.end().await?;
    printed(&site, &["runs", "retry", &offline]).await?;
    let engine = Engine::start(&site).await?;
    engine.reaches(&offline, &[RunStatus::Completed]).await?;
    engine.end().await?;
    let seen = witness.attempts("plain");
    for order in ["c", "h", "o"] {
        let attempts = seen.get(&(order.to_owned(), "first".to_owned()));
        ensure!(attempts == Some(&vec![1]), "first of {order}: {attempts:?}");
    }
    Ok(())
}

/// Waits until a second body of the failing step was seen.
async fn witness_sees_twice(witness: &Witness, engine: &Engine, run: &str) -> Result<()> {
    crate::harness::soon(&format!("run {run} to be tried again"), async || {
        let seen = witness.attempts("plain");
        let twice = seen.get(&("c".to_owned(), "second".to_owned()));
        let twice = twice.is_some_and(|attempts| attempts.len() == 2);
        Ok((twice && engine.run(run).await?.status == RunStatus::Failed).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_undone_is_not_retried_and_the_refusal_says_how_to_go_on() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let run = printed(&site, &["start", "booking", r#"{"order":"u"}"#]).await?;
    engine.waits(&run).await?;
    printed(&site, &["runs", "signal", &run, "confirm", "false"]).await?;
    engine.reaches(&run, &[RunStatus::Failed]).await?;
    let refused = said(&site, &["runs", "retry", &run], exit::CONFLICT).await?;
    ensure!(
        refused.stderr.contains("fork") && refused.stderr.contains("code run-refuses "),
        "{refused:?}"
    );
    let bodies = witness.calls().len();
    ensure!(bodies == 2, "booked and unbooked: {:?}", witness.calls());
    engine.end().await
}
