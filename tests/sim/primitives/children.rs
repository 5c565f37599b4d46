//! Children: started once, awaited by a typed handle, cancelled with their parent.

use std::time::Duration;

use stepwell::{Error, ParentClose, Registry, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{EntryBody, RunId};
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, everywhere, json};
use crate::engine::world::{begin, engine, finish, journal, paused, shop, told, until_status};

#[workflow]
async fn double(step: &mut Step, number: u32) -> Result<u32, Error> {
    step.sleep("think", Duration::from_secs(30)).await?;
    if number == 13 {
        return Err(Error::terminal("thirteen is not doubled"));
    }
    Ok(step.run("double", async |_| Ok(number * 2)).await?)
}

fn invokes(number: u32) -> Registry {
    shop(async move |step: &mut Step| Ok(step.invoke("child", double, &number).await?)).with(double)
}

/// The runs that `run` started, as its journal names them.
async fn children(engine: &Engine, run: RunId) -> Vec<RunId> {
    let entries = journal(engine, run).await;
    let child = |body: &EntryBody| match body {
        EntryBody::ChildStarted(started) => Some(started.run),
        _ => None,
    };
    entries
        .iter()
        .filter_map(|entry| child(&entry.body))
        .collect()
}

#[test]
fn a_child_starts_once_and_its_output_is_recorded_once_whichever_commit_a_crash_strikes() {
    paused(async {
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("14"));
            let started = children(engine, run).await;
            assert_eq!(started.len(), 1);
            let told = told(engine, run).await;
            assert_eq!(
                told,
                ["started", "child starts a run", "child ok 1", "completed"]
            );
            let runs = engine
                .operator()
                .runs(Default::default(), 100)
                .await
                .unwrap();
            assert_eq!(runs.len(), 2, "no run beside parent and child");
            Ok(())
        };
        assert!(everywhere(|| invokes(7), act).await > 20);
    });
}

#[test]
fn a_childs_error_is_a_typed_error_of_the_step_and_may_be_caught() {
    paused(async {
        let code = async move |step: &mut Step| match step.invoke("child", double, &13).await {
            Ok(number) => Ok(number),
            Err(error) => {
                assert!(error.is_terminal());
                Ok(u32::from(
                    error.message().contains("thirteen is not doubled"),
                ))
            }
        };
        let engine = engine(MemoryStore::new(), shop(code).with(double)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("1"));
    });
}

#[test]
fn cancelling_a_parent_cancels_the_child_it_waits_for() {
    paused(async {
        let engine = engine(MemoryStore::new(), invokes(7)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let child = children(&engine, run).await[0];
        until_status(&engine, child, RunStatus::Waiting).await;
        engine.cancel(run, "enough").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(engine.outcome(child).await.unwrap(), Outcome::Cancelled);
    });
}

#[test]
fn an_abandoned_child_goes_on_when_its_parent_is_cancelled() {
    paused(async {
        let code = async move |step: &mut Step| {
            let invoke = step.invoke("child", double, &7);
            Ok(invoke.on_parent_close(ParentClose::Abandon).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code).with(double)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let child = children(&engine, run).await[0];
        engine.cancel(run, "enough").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(engine.outcome(child).await.unwrap(), json("14"));
    });
}

#[test]
fn a_detached_run_is_left_to_itself_unless_it_is_to_close_with_its_parent() {
    for (close, expected) in [
        (ParentClose::Abandon, json("14")),
        (ParentClose::Cancel, Outcome::Cancelled),
    ] {
        paused(async {
            let code = async move |step: &mut Step| {
                let start = step.start("child", double, &7);
                start.on_parent_close(close).await?;
                Ok(1)
            };
            let engine = engine(MemoryStore::new(), shop(code).with(double)).await;
            let (run, outcome) = finish(&engine).await;
            assert_eq!(outcome, json("1"));
            let child = children(&engine, run).await[0];
            assert_eq!(engine.outcome(child).await.unwrap(), expected, "{close:?}");
        });
    }
}

#[test]
fn a_child_that_is_cancelled_is_an_error_of_the_step() {
    paused(async {
        let code = async move |step: &mut Step| match step.invoke("child", double, &7).await {
            Ok(_) => Ok(0),
            Err(error) => Ok(u32::from(error.message().contains("was cancelled"))),
        };
        let engine = engine(MemoryStore::new(), shop(code).with(double)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let child = children(&engine, run).await[0];
        engine.cancel(child, "enough").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
    });
}

#[test]
fn a_run_that_continues_as_new_keeps_its_parent_and_nothing_of_its_journal() {
    #[workflow]
    async fn countdown(step: &mut Step, left: u32) -> Result<u32, Error> {
        step.run("tick", async |_| Ok(())).await?;
        if left == 0 {
            return Ok(77);
        }
        step.continue_as_new(&(left - 1)).await
    }
    let registry = || {
        shop(async move |step: &mut Step| Ok(step.invoke("loop", countdown, &4).await?))
            .with(countdown)
    };
    paused(async {
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("77"));
            let first = children(engine, run).await[0];
            assert_eq!(
                told(engine, first).await,
                ["started", "tick ok 1", "continued"]
            );
            assert_eq!(
                engine.outcome(first).await?,
                json("77"),
                "its end is the last one's"
            );
            let runs = engine
                .operator()
                .runs(Default::default(), 100)
                .await
                .unwrap();
            assert_eq!(runs.len(), 6, "the parent and five of the child");
            Ok(())
        };
        assert!(everywhere(registry, act).await > 30);
    });
}
