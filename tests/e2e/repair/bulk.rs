//! One request to many runs, by command and over HTTP.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Engine, Site, Witness, exit, json_of, printed, said};

/// Fails the second step of every order.
async fn failing() -> Result<(Witness, Site)> {
    let witness = Witness::start(|call| match call.step.as_str() {
        "second" => Answer::Fail,
        _ => Answer::Go,
    })
    .await?;
    let mut site = Site::of_workflows()?.with_options(&["--retries", "0"]);
    site.set("STEPWELL_WITNESS", witness.address());
    Ok((witness, site))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_changes_nothing_and_a_yes_has_all_of_them_tried_again() -> Result<()>
{
    let (witness, site) = failing().await?;
    let engine = Engine::start(&site).await?;
    let mut failed = Vec::new();
    for number in 0..12 {
        let run = engine
            .start_run("test/plain", &format!("b{number}"))
            .await?;
        engine.reaches(&run, &[RunStatus::Failed]).await?;
        failed.push(run);
    }
    // Undone, and so refused.
    let undone = printed(&site, &["start", "booking", r#"{"order":"u"}"#]).await?;
    engine.waits(&undone).await?;
    printed(&site, &["runs", "signal", &undone, "confirm", "false"]).await?;
    engine.reaches(&undone, &[RunStatus::Failed]).await?;
    let bodies = witness.calls().len();

    let retry = ["runs", "retry", "--status", "failed"];
    let look = [&retry[..], &["--dry-run"]].concat();
    let told = printed(&site, &look).await?;
    for words in [
        "retry: 13 run(s), 12 would take it, 1 would not",
        "and 2 more",
        &undone,
        "fork",
    ] {
        ensure!(told.contains(words), "{words}: {told}");
    }
    let report = json_of(&site, &look).await?;
    ensure!(
        report["dry_run"] == json!(true) && report["matched"] == json!(13),
        "{report}"
    );
    let refused = said(&site, &retry, exit::USAGE).await?;
    ensure!(
        refused.stderr.contains("12 would take it") && refused.stderr.contains("--yes"),
        "{refused:?}"
    );
    for run in &failed {
        ensure!(engine.run(run).await?.status == RunStatus::Failed);
    }
    ensure!(witness.calls().len() == bodies, "a look runs nothing");

    witness.decide(|_| Answer::Go);
    let report = json_of(
        &site,
        &[&retry[..], &["--yes", "--reason", "back"]].concat(),
    )
    .await?;
    ensure!(
        report["taken"] == json!(12) && report["refused"] == json!(1),
        "{report}"
    );
    for run in &failed {
        engine.reaches(run, &[RunStatus::Completed]).await?;
    }
    // Only the one that refuses is left.
    let refused = said(&site, &look, exit::CONFLICT).await?;
    ensure!(
        refused.stderr.contains("none of 1 run(s) takes it"),
        "{refused:?}"
    );
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_workflow_are_paused_and_resumed_over_http_a_page_at_a_time() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let mut runs = Vec::new();
    for number in 0..5 {
        let input = format!(r#"{{"order":"w{number}"}}"#);
        let run = printed(&site, &["start", "approving", &input]).await?;
        engine.waits(&run).await?;
        runs.push(run);
    }
    let other = printed(&site, &["start", "paying", r#"{"order":"x"}"#]).await?;
    let mut ask = json!({ "action": "pause", "workflow": "approving", "limit": 2 });
    ask["dry_run"] = json!(true);
    let (status, would) = engine.post("/v1/runs/bulk", &ask).await?;
    ensure!(status == 200 && would["taken"] == json!(2), "{would}");
    ensure!(would["cursor"] == would["first_taken"][1]["id"], "{would}");
    ask["dry_run"] = json!(false);
    let mut pages = Vec::new();
    loop {
        let (status, page) = engine.post("/v1/runs/bulk", &ask).await?;
        ensure!(status == 200, "{page}");
        pages.push(page["taken"].clone());
        match &page["cursor"] {
            Value::Null => break,
            cursor => ask["cursor"] = cursor.clone(),
        }
    }
    ensure!(pages == [json!(2), json!(2), json!(1)], "{pages:?}");
    for run in &runs {
        engine.reaches(run, &[RunStatus::Paused]).await?;
    }
    ensure!(engine.run(&other).await?.status == RunStatus::Waiting);

    let named = json!({ "action": "resume", "runs": [&runs[0], &other] });
    let (_, page) = engine.post("/v1/runs/bulk", &named).await?;
    ensure!(
        page["taken"] == json!(1) && page["first_refused"][0]["id"] == json!(other),
        "{page}"
    );
    let code = &page["first_refused"][0]["error"]["code"];
    ensure!(code == &json!("run-refuses"), "{page}");
    for body in [
        json!({ "action": "pause" }),
        json!({ "action": "erase", "status": "failed" }),
        json!({ "action": "pause", "status": "asleep" }),
    ] {
        let (status, answer) = engine.post("/v1/runs/bulk", &body).await?;
        ensure!(
            status == 400 && answer["error"]["code"] == json!("bad-parameter"),
            "{body}: {answer}"
        );
    }
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_selected_without_an_engine_are_cancelled_once_one_opens() -> Result<()> {
    let mut site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let start = ["start", "approving", r#"{"order":"s"}"#];
    let runs = [printed(&site, &start).await?, printed(&site, &start).await?];
    for run in &runs {
        engine.waits(run).await?;
    }
    engine.end().await?;
    let cancel = ["runs", "cancel", "--workflow", "approving"];
    // Where programs give commands nobody is asked.
    site.set("CI", "true");
    let report = json_of(&site, &cancel).await?;
    ensure!(report["taken"] == json!(2), "{report}");
    site.unset("CI");
    let ids = said(&site, &[&cancel[..], &["-o", "ids"]].concat(), exit::USAGE).await?;
    ensure!(ids.stderr.contains("runs list -o ids"), "{ids:?}");
    let engine = Engine::start(&site).await?;
    for run in &runs {
        engine.reaches(run, &[RunStatus::Cancelled]).await?;
    }
    // One that refuses does not keep the others from being asked.
    let other = printed(&site, &start).await?;
    let both = ["runs", "cancel", &runs[0], &other];
    let refused = said(&site, &both, exit::CONFLICT).await?;
    ensure!(refused.stdout.contains(&other), "{refused:?}");
    engine.reaches(&other, &[RunStatus::Cancelled]).await?;
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_are_for_operators_alone() -> Result<()> {
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_OPERATOR_TOKEN", "open-sesame");
    let engine = Engine::start(&site).await?;
    let run = "/v1/runs/01JD5NRB9WY5BK7GB58PPHFCQG";
    let each = ["pause", "retry", "fork", "resume"];
    let mut paths = each.map(|word| format!("{run}/{word}")).to_vec();
    paths.push("/v1/runs/bulk".to_owned());
    let asked = reqwest::Method::GET;
    let export = engine.answer(asked, &format!("{run}/export")).await?;
    ensure!(export == 401, "export answers {export}");
    for path in paths {
        let (status, answer) = engine.post(&path, json!({})).await?;
        let code = &answer["error"]["code"];
        ensure!(
            status == 401 && code == &json!("operator-token-needed"),
            "{path}: {answer}"
        );
    }
    engine.end().await
}
