//! Runs that are paused: what still ends, what does not begin, and how they go on.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stepwell_core::run::RunStatus;
use stepwell_server::wire::EntryKind;

use crate::harness::{Answer, Engine, Site, Witness, exit, json_of, printed, said, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_ends_the_body_in_flight_and_begins_nothing_until_it_is_resumed() -> Result<()>
{
    let witness = Witness::start(|_| Answer::Hold).await?;
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    let engine = Engine::start(&site).await?;
    let run = engine.start_run("test/plain", "held").await?;
    witness.sees("held", "first").await?;
    let told = printed(&site, &["runs", "pause", &run, "--reason", "provider down"]).await?;
    ensure!(told == format!("{run} is asked to pause"), "{told}");
    engine.reaches(&run, &[RunStatus::Paused]).await?;
    let shown = printed(&site, &["runs", "show", &run]).await?;
    ensure!(
        shown.contains("is paused since ")
            && shown.contains(": provider down; step first is in flight and may end"),
        "{shown}"
    );
    witness.decide(|_| Answer::Go);
    let recorded = async || {
        let journal = engine.journal(&run).await?;
        let done = |kind| kind == EntryKind::StepSucceeded;
        Ok(journal
            .entries
            .iter()
            .any(|entry| done(entry.kind))
            .then_some(journal))
    };
    soon("the body in flight to be recorded", recorded).await?;

    // It stays so across a restart.
    engine.kill().await?;
    let engine = Engine::start(&site).await?;
    let other = engine.start_run("test/plain", "other").await?;
    engine.reaches(&other, &[RunStatus::Completed]).await?;
    let paused = engine.run(&run).await?;
    let pause = paused.paused.context("no pause")?;
    ensure!(
        paused.status == RunStatus::Paused && pause.since.is_some(),
        "{pause:?}"
    );
    let list = json_of(&site, &["runs", "list", "--status", "paused"]).await?;
    ensure!(list["data"][0]["id"] == json!(run), "{list}");
    let begun = witness.attempts("plain");
    ensure!(
        !begun.contains_key(&("held".to_owned(), "second".to_owned())),
        "{begun:?}"
    );

    printed(&site, &["runs", "resume", &run]).await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let begun = witness.attempts("plain");
    for step in ["first", "second", "third"] {
        let attempts = begun.get(&("held".to_owned(), step.to_owned()));
        ensure!(attempts == Some(&vec![1]), "{step}: {attempts:?}");
    }
    let journal = printed(&site, &["journal", "show", &run]).await?;
    ensure!(journal.contains("provider down"), "{journal}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_over_http_takes_signals_and_a_cancel_ends_it() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let mut runs = Vec::new();
    for order in ["p1", "p2"] {
        let start = ["start", "approving", &format!(r#"{{"order":"{order}"}}"#)];
        let run = printed(&site, &start).await?;
        engine.waits(&run).await?;
        let path = format!("/v1/runs/{run}/pause");
        let (status, _) = engine.post(&path, json!({ "reason": "look" })).await?;
        ensure!(status == 202);
        engine.reaches(&run, &[RunStatus::Paused]).await?;
        runs.push(run);
    }
    let [signalled, cancelled] = &runs[..] else {
        anyhow::bail!("two runs");
    };
    let path = format!("/v1/runs/{signalled}/signals/approve");
    let (status, _) = engine.post(&path, json!({ "by": "ada" })).await?;
    ensure!(status == 202);
    let (status, _) = engine
        .post(&format!("/v1/runs/{cancelled}/cancel"), "")
        .await?;
    ensure!(status == 202);
    engine.reaches(cancelled, &[RunStatus::Cancelled]).await?;
    ensure!(engine.run(signalled).await?.status == RunStatus::Paused);
    let resume = format!("/v1/runs/{signalled}/resume");
    engine.post(&resume, "").await?;
    let run = engine.reaches(signalled, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""ada""#), "{run:?}");
    for path in [resume, format!("/v1/runs/{signalled}/pause")] {
        let (status, answer) = engine.post(&path, "").await?;
        ensure!(
            status == 409 && answer["error"]["code"] == json!("run-refuses"),
            "{path}: {answer}"
        );
    }
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_without_an_engine_before_anything_of_it_goes_on() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let run = printed(&site, &["start", "approving", r#"{"order":"n"}"#]).await?;
    engine.waits(&run).await?;
    engine.end().await?;
    printed(&site, &["runs", "pause", &run, "--reason", "later"]).await?;
    let shown = printed(&site, &["runs", "show", &run]).await?;
    ensure!(
        shown.contains("; a pause was requested and not taken up yet: later"),
        "{shown}"
    );
    let engine = Engine::start(&site).await?;
    engine.reaches(&run, &[RunStatus::Paused]).await?;
    printed(&site, &["runs", "signal", &run, "approve"]).await?;
    ensure!(engine.run(&run).await?.status == RunStatus::Paused);
    printed(&site, &["runs", "resume", &run]).await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let refused = said(&site, &["runs", "pause", &run], exit::CONFLICT).await?;
    ensure!(refused.stderr.contains("code run-refuses "), "{refused:?}");
    engine.end().await
}
