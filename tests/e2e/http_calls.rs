//! Runs started, signalled and ended by call: what is answered, and what survives `kill -9`.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use stepwell_core::run::RunStatus;
use stepwell_server::wire::{EntryKind, WaitKind};

use crate::harness::{Answer, Engine, Site, Witness};

/// An hour, in milliseconds: longer than any test.
const HOUR_MS: u64 = 3_600_000;

/// Starts a run and answers its id.
async fn started(engine: &Engine, workflow: &str, order: &str) -> Result<String> {
    let asked = json!({ "workflow": workflow, "input": { "order": order } });
    let (status, run) = engine.post("/v1/runs", asked).await?;
    ensure!(
        (status, &run["new"]) == (201, &json!(true)),
        "{status}: {run}"
    );
    let id = run["id"].as_str().context("no id")?;
    Ok(id.to_owned())
}

/// A site whose bodies tell `witness`.
fn site_with(witness: &Witness) -> Result<Site> {
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    Ok(site)
}

/// The names of the steps of which bodies were seen, in order.
fn bodies(witness: &Witness) -> Vec<String> {
    witness.calls().into_iter().map(|call| call.step).collect()
}

async fn refused(engine: &Engine, path: &str, body: Value, expected: (u16, &str)) -> Result<()> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, answer) = engine.post(path, &body).await?;
    let code = answer["error"]["code"].as_str().unwrap_or_default();
    ensure!(
        (status, code) == expected,
        "{path} {body}: {status}: {answer}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_under_a_key_is_one_run_however_often_it_is_asked_for() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let asked = json!({
        "workflow": "paying", "input": { "order": "o1" }, "key": "order/1", "keep_key_ms": HOUR_MS,
    });
    let crowd = (0..32).map(|_| engine.post("/v1/runs", &asked));
    let answers = try_join_all(crowd).await?;
    let fresh: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == 201)
        .collect();
    ensure!(fresh.len() == 1, "{answers:?}");
    let id = fresh[0].1["id"].as_str().context("no id")?;
    for (status, run) in &answers {
        ensure!(
            matches!(status, 200 | 201) && run["id"] == json!(id),
            "{status}: {run}"
        );
        ensure!(run["new"] == json!(*status == 201), "{status}: {run}");
    }
    engine.waits(id).await?;

    // The engine dies while the run waits; the key stays taken.
    engine.kill().await?;
    let engine = Engine::start(&site).await?;
    let (status, again) = engine.post("/v1/runs", &asked).await?;
    ensure!(status == 200 && again["new"] == json!(false), "{again}");
    ensure!(again["id"] == json!(id), "{again}");
    let event = json!({ "order": "o1", "amount": 28 });
    engine.send("test/paid", "paid-o1", event).await?;
    let run = engine.reaches(id, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some("28"), "{run:?}");
    let (status, ended) = engine.post("/v1/runs", &asked).await?;
    ensure!(status == 200 && ended["id"] == json!(id), "{ended}");
    ensure!(engine.runs().await?.len() == 1);
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_again_once_its_run_has_ended_and_its_time_is_over() -> Result<()> {
    let site = Site::of_workflows()?.with_options(&["--keep-start-keys-s", "0"]);
    let engine = Engine::start(&site).await?;
    let mut asked = json!({ "workflow": "napping", "input": { "order": "o0" }, "key": "k" });
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (status, run) = engine.post("/v1/runs", &asked).await?;
        ensure!(status == 201, "{run}");
        let id = run["id"].as_str().context("no id")?.to_owned();
        engine.reaches(&id, &[RunStatus::Completed]).await?;
        ids.push(id);
    }
    // The start itself may say otherwise, of the run it starts.
    asked["keep_key_ms"] = json!(HOUR_MS);
    let (status, kept) = engine.post("/v1/runs", &asked).await?;
    let id = kept["id"].as_str().context("no id")?.to_owned();
    ensure!(status == 201 && !ids.contains(&id), "{kept}");
    engine.reaches(&id, &[RunStatus::Completed]).await?;
    let (status, again) = engine.post("/v1/runs", &asked).await?;
    ensure!(status == 200 && again["id"] == json!(id), "{again}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_what_it_waits_for_and_takes_only_the_event_with_its_key() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let id = started(&engine, "paying", "o2").await?;
    let run = engine.waits(&id).await?;
    let waits = run.waiting_for.context("no waits")?;
    let [wait] = waits.as_slice() else {
        anyhow::bail!("one wait: {waits:?}")
    };
    ensure!(wait.kind == WaitKind::Event, "{wait:?}");
    ensure!(wait.r#for == "event test/paid with key o2", "{wait:?}");
    ensure!(wait.step.as_deref() == Some("payment"), "{wait:?}");
    ensure!(wait.until.is_none(), "{wait:?}");
    ensure!(run.children == Some(Vec::new()) && run.parent.is_none());

    let of = |order: &str, amount: u32| json!({ "order": order, "amount": amount });
    engine.send("test/paid", "paid-o3", of("o3", 1)).await?;
    engine.send("test/paid", "paid-o2", of("o2", 2)).await?;
    let run = engine.reaches(&id, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some("2"), "{run:?}");
    ensure!(run.waiting_for == Some(Vec::new()), "{run:?}");

    // The event that takes an order back cancels the run that waits for its payment.
    let id = started(&engine, "paying", "o4").await?;
    engine.waits(&id).await?;
    let back = json!({ "order": "o4" });
    engine.send("test/withdrawn", "back-o4", back).await?;
    engine.reaches(&id, &[RunStatus::Cancelled]).await?;
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_a_run_that_waited_through_a_kill_of_the_engine() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let id = started(&engine, "approving", "o5").await?;
    let run = engine.waits(&id).await?;
    let kinds: Vec<_> = run
        .waiting_for
        .iter()
        .flatten()
        .map(|wait| wait.kind)
        .collect();
    ensure!(kinds == [WaitKind::Signal], "{run:?}");
    engine.kill().await?;

    let engine = Engine::start(&site).await?;
    let path = format!("/v1/runs/{id}/signals/approve");
    let (status, answer) = engine.post(&path, json!({ "by": "ada" })).await?;
    ensure!(
        status == 202 && answer["id"] == json!(id),
        "{status}: {answer}"
    );
    // Durable when answered, whatever comes next.
    engine.kill().await?;
    let engine = Engine::start(&site).await?;
    let run = engine.reaches(&id, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""ada""#), "{run:?}");
    ensure!(bodies(&witness) == ["ask"], "{:?}", witness.calls());
    refused(&engine, &path, Value::Null, (409, "run-refuses")).await?;
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_finds_its_run_by_workflow_and_key_and_needs_no_body() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let asked = json!({ "workflow": "approving", "input": { "order": "o6" }, "key": "o/6" });
    let (_, run) = engine.post("/v1/runs", asked).await?;
    let id = run["id"].as_str().context("no id")?;
    // Before the code asks for it, as far as the sender knows.
    let path = "/v1/workflows/approving/keys/o%2F6/signals/approve";
    let (status, answer) = engine.post(path, "").await?;
    ensure!(
        status == 202 && answer["id"] == json!(id),
        "{status}: {answer}"
    );
    let run = engine.reaches(id, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""nobody""#), "{run:?}");
    refused(&engine, path, Value::Null, (404, "not-found")).await?;
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_waits_for_its_child_through_a_kill_and_each_names_the_other() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let id = started(&engine, "delegating", "o7").await?;
    let parent = engine.waits(&id).await?;
    let children = parent.children.context("no children")?;
    let [child] = children.as_slice() else {
        anyhow::bail!("one child: {children:?}")
    };
    let waits = parent.waiting_for.context("no waits")?;
    ensure!(waits[0].kind == WaitKind::Child, "{waits:?}");
    ensure!(
        waits[0].r#for == format!("the end of run {child}"),
        "{waits:?}"
    );
    let waiting = engine.waits(child).await?;
    ensure!(waiting.parent.as_deref() == Some(&*id), "{waiting:?}");
    engine.kill().await?;

    let engine = Engine::start(&site).await?;
    let path = format!("/v1/runs/{child}/signals/approve");
    engine.post(&path, json!({ "by": "bob" })).await?;
    let run = engine.reaches(&id, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""bob""#), "{run:?}");
    ensure!(run.children == Some(vec![child.clone()]), "{run:?}");

    // A parent that is cancelled takes its child along.
    let id = started(&engine, "delegating", "o8").await?;
    let parent = engine.waits(&id).await?;
    let child = parent.children.context("no children")?.remove(0);
    engine.waits(&child).await?;
    let (status, _) = engine.post(&format!("/v1/runs/{id}/cancel"), "").await?;
    ensure!(status == 202);
    engine.reaches(&id, &[RunStatus::Cancelled]).await?;
    engine.reaches(&child, &[RunStatus::Cancelled]).await?;
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_undoes_what_its_scope_did_and_a_killed_one_does_not() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let cancelled = started(&engine, "booking", "o9").await?;
    engine.waits(&cancelled).await?;
    // The engine dies in between: the scope is open all the same.
    engine.kill().await?;
    let engine = Engine::start(&site).await?;
    let why = json!({ "reason": "no leave" });
    let (status, _) = engine
        .post(&format!("/v1/runs/{cancelled}/cancel"), &why)
        .await?;
    ensure!(status == 202);
    let run = engine.reaches(&cancelled, &[RunStatus::Cancelled]).await?;
    let asked = run.cancel_requested.context("no request")?;
    ensure!(
        asked.reason == "no leave" && !asked.kill && asked.at.is_some(),
        "{asked:?}"
    );
    ensure!(
        bodies(&witness) == ["book", "unbook"],
        "{:?}",
        witness.calls()
    );

    let killed = started(&engine, "booking", "o10").await?;
    engine.waits(&killed).await?;
    let path = format!("/v1/runs/{killed}/kill");
    let (status, _) = engine.post(&path, json!({ "reason": "stuck" })).await?;
    ensure!(status == 202);
    let run = engine.reaches(&killed, &[RunStatus::Cancelled]).await?;
    let asked = run.cancel_requested.context("no request")?;
    ensure!(
        asked.reason == "stuck" && asked.kill && asked.at.is_some(),
        "{asked:?}"
    );
    let journal = engine.journal(&killed).await?;
    let last = journal.entries.last().map(|entry| entry.kind);
    ensure!(last == Some(EntryKind::RunKilled), "{journal:?}");
    refused(&engine, &path, Value::Null, (409, "run-refuses")).await?;
    engine.end().await?;
    ensure!(
        bodies(&witness) == ["book", "unbook", "book"],
        "{:?}",
        witness.calls()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_does_not_wait_for_its_body_and_a_cancelled_one_does() -> Result<()> {
    let witness = Witness::start(|_| Answer::Hold).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    let killed = started(&engine, "approving", "h1").await?;
    let cancelled = started(&engine, "approving", "h2").await?;
    witness.sees("h1", "ask").await?;
    witness.sees("h2", "ask").await?;
    engine
        .post(&format!("/v1/runs/{cancelled}/cancel"), "")
        .await?;
    engine.post(&format!("/v1/runs/{killed}/kill"), "").await?;
    engine.reaches(&killed, &[RunStatus::Cancelled]).await?;
    let run = engine.run(&cancelled).await?;
    ensure!(run.status == RunStatus::Running, "{run:?}");
    witness.decide(|_| Answer::Go);
    engine.reaches(&cancelled, &[RunStatus::Cancelled]).await?;
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_fails_is_undone_and_one_that_ends_well_is_not() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let site = site_with(&witness)?;
    let engine = Engine::start(&site).await?;
    for (order, confirmed, status) in [
        ("o11", true, RunStatus::Completed),
        ("o12", false, RunStatus::Failed),
    ] {
        let id = started(&engine, "booking", order).await?;
        engine.waits(&id).await?;
        let path = format!("/v1/runs/{id}/signals/confirm");
        engine.post(&path, json!(confirmed)).await?;
        engine.reaches(&id, &[status]).await?;
    }
    ensure!(
        bodies(&witness) == ["book", "book", "unbook"],
        "{:?}",
        witness.calls()
    );
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_can_be_put_off_and_given_deadlines_and_sleeps_survive_a_kill() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let (status, put_off) = engine
        .post(
            "/v1/runs",
            json!({ "workflow": "napping", "input": { "order": "o13" }, "delay_ms": HOUR_MS }),
        )
        .await?;
    ensure!(status == 201, "{put_off}");
    let put_off = put_off["id"].as_str().context("no id")?;
    let run = engine.waits(put_off).await?;
    let waits = run.waiting_for.context("no waits")?;
    ensure!(
        waits[0].kind == WaitKind::Start && waits[0].step.is_none(),
        "{waits:?}"
    );
    ensure!(
        waits[0].until == run.wake_at && run.wake_at.is_some(),
        "{waits:?}"
    );

    let nap = |ms: u64| json!({ "order": "o14", "nap_ms": ms });
    let bounded = json!({
        "workflow": "napping", "input": nap(HOUR_MS), "finish_within_ms": HOUR_MS,
    });
    let (_, bounded) = engine.post("/v1/runs", bounded).await?;
    let after = bounded["finish_by"].as_str().context("no deadline")?;
    ensure!(
        after > bounded["started_at"].as_str().context("no start")?,
        "{bounded}"
    );

    let hasty = json!({ "workflow": "napping", "input": nap(HOUR_MS), "finish_within_ms": 1 });
    let (_, hasty) = engine.post("/v1/runs", hasty).await?;
    let hasty = hasty["id"].as_str().context("no id")?;
    engine.reaches(hasty, &[RunStatus::Cancelled]).await?;

    let past = json!({ "workflow": "napping", "input": nap(0), "at": "2020-01-01T00:00:00Z" });
    let (_, past) = engine.post("/v1/runs", past).await?;
    let past = past["id"].as_str().context("no id")?;
    engine.reaches(past, &[RunStatus::Completed]).await?;

    let asleep = json!({ "workflow": "napping", "input": nap(1_500) });
    let (_, asleep) = engine.post("/v1/runs", asleep).await?;
    let asleep = asleep["id"].as_str().context("no id")?;
    let run = engine.waits(asleep).await?;
    let until = run.waiting_for.context("no waits")?[0].until;
    engine.kill().await?;
    let engine = Engine::start(&site).await?;
    let run = engine.reaches(asleep, &[RunStatus::Completed]).await?;
    ensure!(run.ended_at >= until, "{run:?} slept until {until:?}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_as_another_names_it() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let asked = json!({ "workflow": "renewing", "input": { "order": "o15", "nap_ms": 1 } });
    let (_, first) = engine.post("/v1/runs", asked).await?;
    let first = first["id"].as_str().context("no id")?;
    let first = engine.reaches(first, &[RunStatus::Completed]).await?;
    let next = first.continued_as.context("no next run")?;
    ensure!(first.output.is_none(), "{:?}", first.output);
    let next = engine.reaches(&next, &[RunStatus::Completed]).await?;
    let output = next.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""o15""#), "{next:?}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_or_signalled_is_refused_by_name() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let bad = (400, "bad-parameter");
    for (body, expected) in [
        (json!({ "workflow": "unknown" }), (404, "not-found")),
        (json!({ "input": {} }), bad),
        (json!({ "workflow": "napping", "inputs": 1 }), bad),
        (json!({ "workflow": "napping", "delay_ms": "1" }), bad),
        (json!({ "workflow": "napping", "at": "soon" }), bad),
        (json!(["napping"]), bad),
        (
            json!({ "workflow": "napping", "key": "" }),
            (400, "request-refused"),
        ),
        (
            json!({ "workflow": "napping", "input": "x".repeat(600_000) }),
            (413, "body-too-large"),
        ),
        (Value::Null, (400, "malformed-body")),
    ] {
        refused(&engine, "/v1/runs", body, expected).await?;
    }
    let absent = "01JD5NRB9WY5BK7GB58PPHFCQG";
    for (path, expected) in [
        (
            format!("/v1/runs/{absent}/signals/approve"),
            (404, "no-such-run"),
        ),
        (format!("/v1/runs/{absent}/kill"), (404, "no-such-run")),
        (
            "/v1/runs/abc/signals/approve".to_owned(),
            (400, "bad-run-id"),
        ),
        ("/v1/runs/abc/kill".to_owned(), (400, "bad-run-id")),
        (
            "/v1/workflows/approving/keys/none/signals/approve".to_owned(),
            (404, "not-found"),
        ),
        (
            format!("/v1/runs/{absent}/signals/{}", "n".repeat(200)),
            (400, "request-refused"),
        ),
    ] {
        refused(&engine, &path, Value::Null, expected).await?;
    }
    let path = format!("/v1/runs/{absent}/signals/approve");
    let (status, answer) = engine.post(&path, "{").await?;
    ensure!(
        status == 400 && answer["error"]["code"] == json!("malformed-body"),
        "{answer}"
    );
    ensure!(engine.runs().await?.is_empty(), "a refusal started a run");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_signals_are_for_operators_alone() -> Result<()> {
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_OPERATOR_TOKEN", "open-sesame");
    let engine = Engine::start(&site).await?;
    for path in [
        "/v1/runs",
        "/v1/runs/01JD5NRB9WY5BK7GB58PPHFCQG/kill",
        "/v1/runs/01JD5NRB9WY5BK7GB58PPHFCQG/signals/approve",
        "/v1/workflows/approving/keys/k/signals/approve",
    ] {
        let asked = json!({ "workflow": "napping" });
        refused(&engine, path, asked, (401, "operator-token-needed")).await?;
    }
    engine.end().await
}
