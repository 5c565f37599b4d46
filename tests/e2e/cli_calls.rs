//! Runs started, signalled and ended from the command line, with an engine and without.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stepwell_core::run::RunStatus;

use crate::harness::{Answer, Engine, Site, Witness, exit, json_of, printed, said};

#[tokio::test(flavor = "multi_thread")]
async fn start_prints_the_id_once_for_a_key_and_can_wait_for_the_end() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let input = r#"{"order":"c1"}"#;
    let start = ["start", "napping", input, "--key", "c1"];
    let id = printed(&site, &start).await?;
    let again = said(&site, &start, exit::OK).await?;
    ensure!(again.stdout.trim_end() == id, "{again:?}");
    ensure!(again.stderr.contains("key c1 is taken"), "{again:?}");
    let whole = json_of(&site, &start).await?;
    ensure!(
        whole["id"] == json!(id) && whole["new"] == json!(false),
        "{whole}"
    );

    let waited = [&start[..], &["--wait"]].concat();
    let shown = printed(&site, &waited).await?;
    ensure!(shown.contains(&id) && shown.contains(r#""c1""#), "{shown}");
    // The last run is the one to be waited for.
    let renewing = [
        "start",
        "renewing",
        r#"{"order":"c2","nap_ms":1}"#,
        "--wait",
    ];
    let last = json_of(&site, &renewing).await?;
    ensure!(last["output"] == json!("c2"), "{last}");

    let hour = r#"{"order":"c3","nap_ms":3600000}"#;
    let hasty = ["start", "napping", hour, "--finish-within", "1ms", "--wait"];
    let cut = said(&site, &hasty, exit::RUN_FAILED).await?;
    ensure!(cut.stderr.contains("code run-not-completed "), "{cut:?}");

    let file = site.data().with_file_name("input.json");
    std::fs::write(&file, input)?;
    let from_file = format!("@{}", file.display());
    let put_off = [
        "start", "napping", &from_file, "--delay", "1h30m", "-o", "ids",
    ];
    let id = printed(&site, &put_off).await?;
    let shown = printed(&site, &["runs", "show", &id]).await?;
    ensure!(shown.contains("waits for its start at "), "{shown}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_sent_to_a_run_or_to_the_key_it_was_started_under() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let start = ["start", "approving", r#"{"order":"s1"}"#];
    let by_id = printed(&site, &start).await?;
    engine.waits(&by_id).await?;
    let shown = printed(&site, &["runs", "show", &by_id]).await?;
    ensure!(
        shown.contains("waits for signal approve at step word since ")
            && shown.contains(", without a limit of its own"),
        "{shown}"
    );
    let signal = ["runs", "signal", &by_id, "approve", r#"{"by":"ada"}"#];
    let told = printed(&site, &signal).await?;
    ensure!(told == format!("{by_id} has signal approve"), "{told}");
    let run = engine.reaches(&by_id, &[RunStatus::Completed]).await?;
    let output = run.output.as_ref().map(|output| output.as_json());
    ensure!(output == Some(r#""ada""#), "{run:?}");

    let by_key = printed(&site, &[&start[..], &["--key", "s/2"]].concat()).await?;
    let at_key = ["runs", "signal", "--workflow", "approving", "--key", "s/2"];
    let signal = [&at_key[..], &["approve", "-o", "ids"]].concat();
    ensure!(printed(&site, &signal).await? == by_key);
    engine.reaches(&by_key, &[RunStatus::Completed]).await?;

    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_signalled_or_killed_has_its_exit_code() -> Result<()> {
    let site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let start = ["start", "approving", r#"{"order":"r1"}"#, "--key", "r/1"];
    let by_id = printed(&site, &start).await?;
    let at_key = ["runs", "signal", "--workflow", "approving", "--key", "r/1"];
    let signal = [&at_key[..], &["approve"]].concat();
    printed(&site, &signal).await?;
    engine.reaches(&by_id, &[RunStatus::Completed]).await?;
    for (words, code, name) in [
        (&signal[..], exit::NOT_FOUND, "not-found"),
        (
            &["runs", "signal", &by_id, "approve"],
            exit::CONFLICT,
            "run-refuses",
        ),
        (
            &["runs", "signal", "7Z", "approve"],
            exit::NOT_FOUND,
            "no-such-run",
        ),
        (&["runs", "signal", &by_id], exit::USAGE, "usage"),
        (
            &["runs", "signal", &by_id, "approve", "{"],
            exit::USAGE,
            "usage",
        ),
        (&["runs", "kill", &by_id], exit::CONFLICT, "run-refuses"),
        (&["start", "unknown"], exit::NOT_FOUND, "not-found"),
        (&["start", "napping", "{"], exit::USAGE, "usage"),
        (
            &["start", "napping", "--key", ""],
            exit::USAGE,
            "request-refused",
        ),
    ] {
        let said = said(&site, words, code).await?;
        ensure!(
            said.stderr.contains(&format!("code {name} ")),
            "{words:?}: {said:?}"
        );
    }
    for words in [
        &["start", "napping", "--delay", "10"][..],
        &["start", "napping", "--at", "tomorrow"],
        &[
            "start",
            "napping",
            "--at",
            "2030-01-01T00:00:00Z",
            "--delay",
            "1s",
        ],
        &["runs", "signal", "--key", "k", "approve"],
    ] {
        said(&site, words, exit::USAGE).await?;
    }
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_killed_without_an_engine_and_ends_when_one_opens_the_directory() -> Result<()> {
    let witness = Witness::start(|_| Answer::Go).await?;
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    let engine = Engine::start(&site).await?;
    let start = |order: &str| format!(r#"{{"order":"{order}"}}"#);
    let killed = printed(&site, &["start", "booking", &start("k1")]).await?;
    let cancelled = printed(&site, &["start", "booking", &start("k2")]).await?;
    engine.waits(&killed).await?;
    engine.waits(&cancelled).await?;
    engine.end().await?;

    for words in [
        &["start", "booking", "{}"][..],
        &["runs", "signal", &killed, "confirm", "true"],
    ] {
        let said = said(&site, words, exit::UNREACHABLE).await?;
        ensure!(said.stderr.contains("code engine-unreachable "), "{said:?}");
    }
    let kill = ["runs", "kill", &killed, "--reason", "stuck"];
    let told = printed(&site, &kill).await?;
    ensure!(
        told == format!("{killed} is to end where it stands"),
        "{told}"
    );
    printed(&site, &["runs", "cancel", &cancelled]).await?;
    let shown = printed(&site, &["runs", "show", &killed]).await?;
    ensure!(
        shown.contains("; a kill was requested and not taken up yet: stuck"),
        "{shown}"
    );
    let shown = json_of(&site, &["runs", "show", &cancelled]).await?;
    let asked = json!({ "at": null, "reason": "", "kill": false });
    ensure!(shown["cancel_requested"] == asked, "{shown}");

    let engine = Engine::start(&site).await?;
    for id in [&killed, &cancelled] {
        engine.reaches(id, &[RunStatus::Cancelled]).await?;
    }
    let shown = printed(&site, &["runs", "show", &killed]).await?;
    ensure!(
        shown.contains("was killed, nothing was undone: stuck"),
        "{shown}"
    );
    let undone: Vec<_> = witness
        .calls()
        .into_iter()
        .filter(|call| call.step == "unbook")
        .map(|call| call.order)
        .collect();
    ensure!(undone == ["k2"], "{undone:?}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_listed_with_what_starts_and_ends_their_runs() -> Result<()> {
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WORKFLOW_SCHEDULED", "1");
    let engine = Engine::start(&site).await?;
    let list = json_of(&site, &["workflows", "list"]).await?;
    let workflows = list["data"].as_array().context("no list")?;
    let of = |name: &str| {
        let found = workflows
            .iter()
            .find(|workflow| workflow["name"] == json!(name));
        found.cloned().unwrap_or_default()
    };
    let paying = of("paying");
    ensure!(paying["cancel_on"] == json!(["test/withdrawn"]), "{paying}");
    ensure!(paying["on_failure"] == json!("regretting"), "{paying}");
    ensure!(paying["start_within_ms"] == json!(7_200_000), "{paying}");
    ensure!(paying["finish_within_ms"] == json!(172_800_000), "{paying}");
    let cron = &of("leaping")["cron"];
    ensure!(cron["expression"] == json!("0 9 29 2 *"), "{cron}");
    ensure!(cron["zone"] == json!("America/Los_Angeles"), "{cron}");
    ensure!(
        cron["missed"] == json!("latest") && cron["overlap"] == json!("skip"),
        "{cron}"
    );
    let next = cron["next_at"].as_str().context("no next tick")?;
    // Nine o'clock there is five in the afternoon in UTC, before daylight saving begins.
    ensure!(next.ends_with("-02-29T17:00:00.000Z"), "{cron}");

    let table = printed(&site, &["workflows", "list"]).await?;
    for words in [
        "event test/plain",
        "call only",
        &format!("cron 0 9 29 2 * America/Los_Angeles, next at {next}"),
        "test/withdrawn",
        "regretting",
        "starts within 2h, ends within 2d",
    ] {
        ensure!(table.contains(words), "{words}: {table}");
    }
    engine.end().await
}
