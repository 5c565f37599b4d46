//! SIGTERM under load: exit 0, nothing acknowledged lost, everything goes on at the next start.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Crowd, Death, Engine, Site, Witness, soon};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_events_arrive_loses_nothing_that_was_acknowledged() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    let mut engine = Engine::start(&site).await?;
    let crowd = Crowd::singly("test/plain", (0..2_000).map(|n| format!("load-{n:04}")));
    let end_in_the_middle = |answered| match answered {
        500 => engine.ask_to_end(),
        _ => Ok(()),
    };
    let posted = crowd.post(&engine, 16, end_in_the_middle).await?;
    ensure!(
        engine.death().await? == Death::Exited(0),
        "{}",
        site.log_tail()
    );
    ensure!(
        posted.acknowledged.len() < 2_000,
        "asked to end when all was over"
    );
    let odd = posted
        .refused
        .iter()
        .find(|(status, _)| *status != StatusCode::SERVICE_UNAVAILABLE);
    ensure!(odd.is_none(), "{odd:?}");

    let engine = Engine::start(&site).await?;
    for id in &posted.acknowledged {
        let runs = engine.event_runs(id).await?.len();
        ensure!(runs == 1, "event {id} was acknowledged and has {runs} runs");
    }
    let runs = engine.all_settle().await?;
    let odd = runs.values().find(|run| run.status != RunStatus::Completed);
    ensure!(odd.is_none(), "{odd:?}");
    // No body ran twice: none was cut short.
    for (step, attempts) in witness.attempts("plain") {
        ensure!(attempts == [1], "{step:?} ran as attempts {attempts:?}");
    }
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_while_the_engine_drains_is_recorded() -> Result<()> {
    let hold = |step: &str| {
        if step == "second" {
            Answer::Hold
        } else {
            Answer::Go
        }
    };
    let witness = Witness::start(move |call| hold(&call.step)).await?;
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    let mut engine = Engine::start(&site).await?;
    let run = engine.start_run("test/plain", "ends").await?;
    witness.sees("ends", "second").await?;
    engine.ask_to_end()?;
    soon("the engine to drain", async || {
        Ok(site.log_tail().contains("draining").then_some(()))
    })
    .await?;
    witness.decide(|_| Answer::Go);
    ensure!(
        engine.death().await? == Death::Exited(0),
        "{}",
        site.log_tail()
    );

    let engine = Engine::start(&site).await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let attempts = witness.attempts("plain");
    ensure!(
        attempts.values().all(|attempts| *attempts == [1]),
        "{attempts:?}"
    );
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_within_the_limit_goes_on_at_the_next_start() -> Result<()> {
    let hold = |step: &str| {
        if step == "second" {
            Answer::Hold
        } else {
            Answer::Go
        }
    };
    let witness = Witness::start(move |call| hold(&call.step)).await?;
    let mut site = Site::of_workflows()?.with_options(&["--drain-limit-s", "1"]);
    site.set("STEPWELL_WITNESS", witness.address());
    let mut engine = Engine::start(&site).await?;
    let run = engine.start_run("test/plain", "hangs").await?;
    witness.sees("hangs", "second").await?;
    engine.ask_to_end()?;
    ensure!(
        engine.death().await? == Death::Exited(0),
        "{}",
        site.log_tail()
    );

    witness.decide(|_| Answer::Go);
    let engine = Engine::start(&site).await?;
    engine.reaches(&run, &[RunStatus::Completed]).await?;
    let seen = |step: &str| {
        witness
            .attempts("plain")
            .remove(&("hangs".to_owned(), step.to_owned()))
    };
    ensure!(seen("first") == Some(vec![1]), "first: {:?}", seen("first"));
    ensure!(
        seen("second") == Some(vec![1, 2]),
        "second: {:?}",
        seen("second")
    );
    ensure!(seen("third") == Some(vec![1]), "third: {:?}", seen("third"));
    engine.end().await
}
