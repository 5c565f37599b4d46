//! Damage: a value alone stops its run, a file stops the opening; nothing is guessed or rewritten.

mod files;
mod value;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Call, Crowd, Death, Engine, Said, Site, Witness, exit};
use files::{Files, Spot};

/// The orders of the run to be damaged, of one like it, and of one that is over.
const DAMAGED: &str = "damaged";
const LIKE_IT: &str = "like-it";
const OVER: &str = "over";

fn fail_the_second(call: &Call) -> Answer {
    match (call.step.as_str(), call.order.as_str()) {
        ("second", DAMAGED | LIKE_IT) => Answer::Fail,
        (_, _) => Answer::Go,
    }
}

/// The damage a command in JSON speaks of, as run and sequence.
fn found(said: &Said) -> Result<Vec<(String, u64)>> {
    let report: Value = serde_json::from_str(&said.stdout).with_context(|| said.all())?;
    let damage = report["damage"].as_array().with_context(|| said.all())?;
    let found = damage.iter().map(|found| {
        let run = found["run"].as_str().context("no run is named")?;
        Ok((
            run.to_owned(),
            found["seq"].as_u64().context("no sequence is named")?,
        ))
    });
    found.collect::<Result<_>>().with_context(|| said.all())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_value_is_named_and_sets_its_run_aside_while_others_go_on() -> Result<()> {
    let witness = Witness::start(fail_the_second).await?;
    let mut site = Site::of_workflows()?.with_options(&["--retry-initial-ms", "1500"]);
    site.set("STEPWELL_WITNESS", witness.address());
    let engine = Engine::start(&site).await?;
    let damaged = engine.start_run("test/plain", DAMAGED).await?;
    let like_it = engine.start_run("test/plain", LIKE_IT).await?;
    let over = engine.start_run("test/plain", OVER).await?;
    engine.reaches(&damaged, &[RunStatus::Waiting]).await?;
    engine.reaches(&like_it, &[RunStatus::Waiting]).await?;
    engine.reaches(&over, &[RunStatus::Completed]).await?;
    // A clean end settles everything; the kill leaves no seal, so that the value alone is damaged.
    engine.end().await?;
    Engine::start(&site).await?.kill().await?;
    let seq = value::damage_last_block(site.data(), &damaged)?;

    let verified = site.say(&["journal", "verify", "-o", "json"]).await?;
    ensure!(verified.code == Some(exit::CORRUPT), "{}", verified.all());
    ensure!(
        found(&verified)? == [(damaged.clone(), seq)],
        "seq {seq}: {}",
        verified.all()
    );
    let checked = site.say(&["store", "check", "--full"]).await?;
    ensure!(checked.code == Some(exit::CORRUPT), "{}", checked.all());
    ensure!(checked.all().contains(&damaged), "{}", checked.all());

    witness.decide(|_| Answer::Go);
    let engine = Engine::start(&site).await?;
    let seen = engine.reaches(&damaged, &[RunStatus::Quarantined]).await?;
    let reason = seen.quarantine.unwrap_or_default();
    ensure!(
        reason.contains("damaged") && reason.contains(&seq.to_string()),
        "{reason}"
    );
    engine.reaches(&like_it, &[RunStatus::Completed]).await?;
    ensure!(engine.run(&over).await?.status == RunStatus::Completed);
    let fresh = engine.start_run("test/plain", "fresh").await?;
    engine.reaches(&fresh, &[RunStatus::Completed]).await?;
    let verified = site.say(&["journal", "verify"]).await?;
    ensure!(
        verified.code == Some(exit::CORRUPT),
        "beside the engine: {}",
        verified.all()
    );
    ensure!(verified.all().contains(&damaged), "{}", verified.all());
    // No body of it ran any more: what comes behind the damage is nobody's to guess.
    let attempts = witness
        .attempts("plain")
        .remove(&(DAMAGED.to_owned(), "second".to_owned()));
    ensure!(attempts == Some(vec![1]), "{attempts:?}");
    engine.end().await
}

/// A store with runs of every size, ended cleanly.
async fn closed_store() -> Result<Site> {
    let site = Site::of_workflows()?;
    for (opening, padding) in [(0, 0), (1, 20_000)] {
        let engine = Engine::start(&site).await?;
        let ids = (0..40).map(|n| format!("run-{opening}-{n:02}"));
        let crowd = Crowd::singly("test/plain", ids).padded(padding);
        let posted = crowd.post(&engine, 4, |_| Ok(())).await?;
        ensure!(posted.acknowledged.len() == 40, "{:?}", posted.refused);
        engine.all_settle().await?;
        engine.end().await?;
    }
    Ok(site)
}

/// Flips a byte and sees that both `store check` and `serve` refuse and name the file, and that
/// with the byte flipped back every file is as it was.
async fn is_refused(site: &Site, spot: &Spot, files: &Files) -> Result<()> {
    spot.flip(site.data())?;
    let checked = site.say(&["store", "check"]).await?;
    ensure!(
        checked.code == Some(exit::CORRUPT) && checked.stderr.contains(&spot.file),
        "store check: {}",
        checked.all()
    );
    let death = Engine::start_in_vain(site).await?;
    let said = site.log_tail();
    ensure!(
        death == Death::Exited(exit::CORRUPT),
        "serve: {death:?}: {said}"
    );
    let error = said.lines().rfind(|line| line.starts_with("error:"));
    let error = error.unwrap_or_default();
    ensure!(
        error.contains(&spot.file) && error.contains("at byte"),
        "serve: {said}"
    );
    spot.flip(site.data())?;
    files.are_still_in(site.data())
}

/// Refuses each of `spots` alone.
async fn are_refused(site: &Site, spots: &[Spot]) -> Result<()> {
    let files = Files::read(site.data())?;
    for spot in spots {
        let refused = is_refused(site, spot, &files).await;
        refused.with_context(|| spot.to_string())?;
    }
    println!(
        "{} flipped bytes refused: {}",
        spots.len(),
        files::table(spots)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_a_file_of_a_closed_store_is_refused_by_name_and_nothing_is_rewritten()
-> Result<()> {
    let site = closed_store().await?;
    let spots = files::spots(site.data())?;
    are_refused(&site, &spots).await?;
    // With every byte flipped back the store is as it was.
    let engine = Engine::start(&site).await?;
    let runs = engine.runs().await?;
    ensure!(runs.len() == 80 && runs.values().all(|run| run.status == RunStatus::Completed));
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_log_of_a_killed_engine_is_refused_and_nothing_is_rewritten()
-> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let crowd = Crowd::singly("test/plain", (0..40).map(|n| format!("run-{n:02}")));
    let posted = crowd.post(&engine, 1, |_| Ok(())).await?;
    ensure!(posted.acknowledged.len() == 40, "{:?}", posted.refused);
    engine.all_settle().await?;
    engine.kill().await?;
    let spots = files::spots_of_log(site.data())?;
    are_refused(&site, &spots).await?;
    let engine = Engine::start(&site).await?;
    ensure!(engine.all_settle().await?.len() == 40);
    engine.end().await
}
