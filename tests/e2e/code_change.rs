//! Code that no longer fits an open run: the run is set aside, and goes on once the code is back.

use anyhow::{Result, ensure};
use stepwell_core::run::RunStatus;
use stepwell_server::wire::EntryKind;

use crate::harness::{Answer, Call, Engine, Site, Witness, exit};

/// The variable that chooses the shape of the workflow.
const SHAPE: &str = "STEPWELL_WORKFLOW_SHAPE";

/// The order whose second step fails and waits for its next attempt.
const BACKING_OFF: &str = "backing-off";

/// The order whose second step is in flight when the engine is killed.
const IN_FLIGHT: &str = "in-flight";

/// The steps as the workflow is first deployed.
const STEPS: [&str; 3] = ["collect", "weigh", "ship"];

fn stop_at_the_second(call: &Call) -> Answer {
    match (call.step.as_str(), call.order.as_str()) {
        ("weigh", BACKING_OFF) => Answer::Fail,
        ("weigh", _) => Answer::Hold,
        (_, _) => Answer::Go,
    }
}

/// Both sides are named by the API and by the CLI.
async fn is_set_aside(site: &Site, engine: &Engine, run: &str, sides: [&str; 2]) -> Result<()> {
    let seen = engine.reaches(run, &[RunStatus::Quarantined]).await?;
    let reason = seen.quarantine.unwrap_or_default();
    ensure!(
        sides.iter().all(|side| reason.contains(side)),
        "{sides:?} in {reason:?}"
    );
    let shown = site.say(&["runs", "show", run]).await?;
    ensure!(shown.code == Some(exit::OK), "{}", shown.all());
    for side in sides.iter().chain(&["quarantined"]) {
        ensure!(shown.stdout.contains(side), "{side} in {}", shown.stdout);
    }
    Ok(())
}

/// Deploys `shape` over two open runs, then takes it back: one waiting in backoff, one killed in
/// flight, both behind a recorded `collect` and at `weigh`.
async fn deploy_and_take_back(shape: &str, sides: [&str; 2]) -> Result<()> {
    let witness = Witness::start(stop_at_the_second).await?;
    let mut site = Site::of_workflows()?.with_options(&["--retry-initial-ms", "1500"]);
    site.set("STEPWELL_WITNESS", witness.address());
    let engine = Engine::start(&site).await?;
    let runs = [
        engine.start_run("test/shaped", BACKING_OFF).await?,
        engine.start_run("test/shaped", IN_FLIGHT).await?,
    ];
    engine.reaches(&runs[0], &[RunStatus::Waiting]).await?;
    witness.sees(IN_FLIGHT, "weigh").await?;
    engine.kill().await?;

    witness.decide(|_| Answer::Go);
    site.set(SHAPE, shape);
    let engine = Engine::start(&site).await?;
    for run in &runs {
        is_set_aside(&site, &engine, run, sides).await?;
    }
    // Another run of the changed workflow is none the worse.
    let fresh = engine.start_run("test/shaped", "fresh").await?;
    engine.reaches(&fresh, &[RunStatus::Completed]).await?;
    // Released while the code is as it was, it is set aside again.
    let resumed = site.say(&["runs", "resume", &runs[0]]).await?;
    ensure!(resumed.code == Some(exit::OK), "{}", resumed.all());
    is_set_aside(&site, &engine, &runs[0], sides).await?;
    engine.end().await?;

    site.unset(SHAPE);
    let engine = Engine::start(&site).await?;
    for run in &runs {
        ensure!(
            engine.run(run).await?.status == RunStatus::Quarantined,
            "nobody released it"
        );
        let resumed = site.say(&["runs", "resume", run]).await?;
        ensure!(resumed.code == Some(exit::OK), "{}", resumed.all());
        engine.reaches(run, &[RunStatus::Completed]).await?;
        let journal = engine.journal(run).await?;
        let done = journal
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::StepSucceeded);
        let done: Vec<_> = done.filter_map(|entry| entry.step.as_deref()).collect();
        ensure!(done == STEPS, "recorded {done:?}");
    }
    let seen = witness.attempts("shaped");
    for order in [BACKING_OFF, IN_FLIGHT] {
        for (step, expected) in STEPS.iter().zip([&[1][..], &[1, 2], &[1]]) {
            let attempts = seen.get(&(order.to_owned(), (*step).to_owned()));
            let attempts = attempts.map(Vec::as_slice).unwrap_or_default();
            ensure!(
                attempts == expected,
                "{step} of {order} ran as {attempts:?}"
            );
        }
    }
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_step_sets_open_runs_aside_until_it_has_its_name_back() -> Result<()> {
    deploy_and_take_back("renamed", ["weigh", "measure"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reordered_steps_set_open_runs_aside_until_they_are_in_order_again() -> Result<()> {
    deploy_and_take_back("reordered", ["collect", "weigh"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_step_sets_open_runs_aside_until_it_is_back() -> Result<()> {
    deploy_and_take_back("removed", ["weigh", "ship"]).await
}
