//! Journals taken out of a store, and held against code elsewhere.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stepwell_core::run::RunStatus;

use crate::harness::{Engine, Site, exit, printed, said};

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_journal_is_checked_from_its_file_by_any_binary() -> Result<()> {
    let mut site = Site::of_workflows()?;
    let engine = Engine::start(&site).await?;
    let done = engine.start_run("test/shaped", "done").await?;
    engine.reaches(&done, &[RunStatus::Completed]).await?;
    let open = printed(&site, &["start", "approving", r#"{"order":"open"}"#]).await?;
    engine.waits(&open).await?;
    let file = site.data().with_file_name("runs.jsonl");
    let name = file.to_str().context("a file in UTF-8")?;
    let export = ["journal", "export", &done, &open[..20]];
    let online = printed(&site, &export).await?;
    engine.end().await?;
    let offline = printed(&site, &export).await?;
    ensure!(online == offline, "{online}\n{offline}");
    printed(&site, &[&export[..], &["--to", name]].concat()).await?;
    let written = std::fs::read_to_string(&file)?;
    ensure!(written.trim_end() == online, "{written}");
    for line in written.lines() {
        let document: Value = serde_json::from_str(line)?;
        ensure!(document["kind"] == "stepwell-journal", "{document}");
    }
    ensure!(written.lines().count() == 2, "{written}");

    let fits = site.say_alone(&["check", name]).await?;
    ensure!(fits.code == Some(exit::OK), "{fits:?}");
    site.set("STEPWELL_WORKFLOW_SHAPE", "renamed");
    let breaks = site.say_alone(&["check", name]).await?;
    ensure!(breaks.code == Some(exit::BREAKS), "{breaks:?}");
    for words in [&*done, "run weigh", "run measure"] {
        ensure!(breaks.stdout.contains(words), "{words}: {breaks:?}");
    }
    ensure!(!breaks.stdout.contains(&open), "{breaks:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_exported_journal_is_refused_with_its_place() -> Result<()> {
    let site = Site::of_workflows()?;
    let file = site.data().with_file_name("wrong.jsonl");
    std::fs::write(&file, "\n{\"kind\":\"something else\"}\n")?;
    let name = file.to_str().context("a file in UTF-8")?;
    let refused = site.say_alone(&["check", name]).await?;
    ensure!(refused.code == Some(exit::USAGE), "{refused:?}");
    ensure!(
        refused.stderr.contains("wrong.jsonl, line 2: "),
        "{refused:?}"
    );
    let engine = Engine::start(&site).await?;
    let absent = ["journal", "export", "01JD5NRB9WY5BK7GB58PPHFCQG"];
    let refused = said(&site, &absent, exit::NOT_FOUND).await?;
    ensure!(refused.stderr.contains("code no-such-run "), "{refused:?}");
    engine.end().await
}
