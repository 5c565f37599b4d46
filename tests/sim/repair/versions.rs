//! Versions of code side by side: a run goes on with the one that began it.

use std::time::Duration;

use stepwell::{Error, Registry, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{Payload, RunId};
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use crate::engine::world::{engine, journal, paused, shop, told, until_status};
use crate::primitives::everywhere::json;

const HOUR: Duration = Duration::from_secs(3_600);

#[workflow(name = "bill")]
async fn bill_v1(step: &mut Step, amount: u32) -> Result<String, Error> {
    step.sleep("wait", HOUR).await?;
    let sent = step.run("send", async |_| Ok(format!("old {amount}")));
    Ok(sent.await?)
}

#[workflow(name = "bill", version = 2)]
async fn bill(step: &mut Step, amount: u32) -> Result<String, Error> {
    let text = step
        .run("write", async |_| Ok(format!("new {amount}")))
        .await?;
    step.sleep("rest", HOUR).await?;
    Ok(text)
}

async fn start(engine: &Engine, input: &str) -> RunId {
    let input = Payload::from_json(input);
    let started = engine.start_run("bill", input, Default::default()).await;
    started.unwrap().run
}

async fn version_of(engine: &Engine, run: RunId) -> u32 {
    let view = engine.operator().run(run).await.unwrap().unwrap();
    view.head.version
}

#[test]
fn a_run_goes_on_with_the_version_that_began_it_while_new_runs_begin_on_the_highest() {
    paused(async {
        let store = MemoryStore::new();
        let before = engine(store.clone(), Registry::new().with(bill_v1)).await;
        let old = start(&before, "1").await;
        until_status(&before, old, RunStatus::Waiting).await;
        before.drain(HOUR).await;
        let both = Registry::new().with(bill).with(bill_v1);
        let after = engine(store.reopen(), both).await;
        let new = start(&after, "2").await;
        assert_eq!(after.outcome(old).await.unwrap(), json("\"old 1\""));
        assert_eq!(after.outcome(new).await.unwrap(), json("\"new 2\""));
        assert_eq!(version_of(&after, old).await, 1);
        assert_eq!(version_of(&after, new).await, 2);
    });
}

#[test]
fn a_run_whose_version_is_gone_waits_in_quarantine_and_goes_on_once_it_is_back() {
    paused(async {
        let store = MemoryStore::new();
        let before = engine(store.clone(), Registry::new().with(bill_v1)).await;
        let run = start(&before, "1").await;
        until_status(&before, run, RunStatus::Waiting).await;
        before.drain(HOUR).await;
        let store = store.reopen();
        let without = engine(store.clone(), Registry::new().with(bill)).await;
        let view = until_status(&without, run, RunStatus::Quarantined).await;
        let why = view.quarantine.unwrap();
        assert!(why.contains("workflow bill without version 1"), "{why}");
        without.drain(HOUR).await;
        let both = Registry::new().with(bill).with(bill_v1);
        let mended = engine(store.reopen(), both).await;
        mended.resume(run).await.unwrap();
        assert_eq!(mended.outcome(run).await.unwrap(), json("\"old 1\""));
    });
}

#[test]
fn a_child_begins_on_the_version_of_the_handle_it_was_started_by() {
    paused(async {
        let code = shop(async move |step: &mut Step| {
            let old = step.invoke("old", bill_v1, &3).await?;
            let new = step.invoke("new", bill, &4).await?;
            assert_eq!((old.as_str(), new.as_str()), ("old 3", "new 4"));
            Ok(0)
        });
        let engine = engine(MemoryStore::new(), code.with(bill_v1).with(bill)).await;
        let run = crate::engine::world::begin(&engine).await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("0"));
    });
}

#[workflow(name = "round")]
async fn round_v1(step: &mut Step, lap: u32) -> Result<u32, Error> {
    step.run("lap", async |_| Ok(lap)).await?;
    step.continue_as_new(&(lap + 1)).await
}

#[workflow(name = "round", version = 2)]
async fn round(step: &mut Step, lap: u32) -> Result<u32, Error> {
    Ok(step.run("stop", async |_| Ok(lap)).await?)
}

#[test]
fn a_run_that_goes_on_as_another_begins_it_on_the_highest_version() {
    paused(async {
        let store = MemoryStore::new();
        let input = Payload::from_json("1");
        let before = engine(store.clone(), Registry::new().with(round_v1)).await;
        let started = before.start_run("round", input, Default::default()).await;
        let run = started.unwrap().run;
        before.drain(Duration::ZERO).await;
        let both = Registry::new().with(round_v1).with(round);
        let after = engine(store.reopen(), both).await;
        let Outcome::Completed(laps) = after.outcome(run).await.unwrap() else {
            panic!("it goes round for ever");
        };
        assert!(laps.as_json().parse::<u32>().unwrap() >= 2);
        let first = told(&after, run).await;
        assert_eq!(first.last().unwrap(), "continued", "{first:?}");
    });
}

#[test]
fn two_workflows_of_one_name_and_version_are_refused_and_versions_side_by_side_are_not() {
    assert_eq!(Registry::new().with(bill).with(bill_v1).check(), Ok(()));
    let twice = Registry::new().with(bill).with(bill);
    let said = twice.check().unwrap_err().to_string();
    assert!(said.contains("registered twice with version 2"), "{said}");
}

#[test]
fn the_journal_says_which_version_began_a_run() {
    paused(async {
        let both = Registry::new().with(bill_v1).with(bill);
        let engine = engine(MemoryStore::new(), both).await;
        let run = start(&engine, "1").await;
        let first = journal(&engine, run).await.remove(0);
        let stepwell_core::EntryBody::RunStarted(started) = first.body else {
            panic!("a journal begins with the start of its run");
        };
        assert_eq!(started.version, 2);
    });
}
