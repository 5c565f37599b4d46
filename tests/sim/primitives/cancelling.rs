//! Cancellation: by people, by events, by deadlines; killing apart.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Payload, Registry, StartOptions, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{event, everywhere, json};
use crate::engine::world::{begin, engine, paused, run_of, shop, told, until_status};

#[derive(Event, Serialize, Deserialize)]
#[event("order/placed", key = "id")]
struct Placed {
    id: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order/withdrawn", key = "id")]
struct Withdrawn {
    id: String,
}

#[workflow(on = Placed, cancel_on = Withdrawn)]
async fn deliver(step: &mut Step, _order: Placed) -> Result<u32, Error> {
    step.sleep("pack", Duration::from_secs(60)).await?;
    Ok(step.run("send", async |_: &Attempt| Ok(1)).await?)
}

fn registry() -> Registry {
    Registry::new().with(deliver)
}

fn placed(id: &str, order: &str) -> stepwell_engine::NewEvent {
    event(id, "order/placed", &format!("{{\"id\":\"{order}\"}}"))
}

fn withdrawn(id: &str, order: &str) -> stepwell_engine::NewEvent {
    event(id, "order/withdrawn", &format!("{{\"id\":\"{order}\"}}"))
}

#[test]
fn an_event_cancels_the_open_runs_whose_key_matches_and_no_others() {
    paused(async {
        let engine = engine(MemoryStore::new(), registry()).await;
        engine
            .publish(vec![placed("a", "o-1"), placed("b", "o-2")])
            .await
            .unwrap();
        let (one, two) = (run_of(&engine, "a").await, run_of(&engine, "b").await);
        engine.publish(vec![withdrawn("w", "o-1")]).await.unwrap();
        assert_eq!(engine.outcome(one).await.unwrap(), Outcome::Cancelled);
        assert_eq!(engine.outcome(two).await.unwrap(), json("1"));
    });
}

#[test]
fn an_event_cancels_no_run_that_was_created_after_it() {
    paused(async {
        let engine = engine(MemoryStore::new(), registry()).await;
        engine.publish(vec![withdrawn("w", "o-1")]).await.unwrap();
        engine.publish(vec![placed("a", "o-1")]).await.unwrap();
        let run = run_of(&engine, "a").await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
    });
}

#[test]
fn a_cancelling_event_is_not_lost_whichever_commit_a_crash_strikes() {
    paused(async {
        let act = async |engine: &Engine| {
            engine.publish(vec![placed("a", "o-1")]).await?;
            engine.publish(vec![withdrawn("w", "o-1")]).await?;
            let run = run_of(engine, "a").await;
            assert_eq!(engine.outcome(run).await?, Outcome::Cancelled);
            Ok(())
        };
        assert!(everywhere(registry, act).await > 8);
    });
}

#[test]
fn a_cancellation_is_heard_at_the_next_await_and_no_new_body_begins() {
    paused(async {
        let code = async move |step: &mut Step| {
            let body = async |_: &Attempt| {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Ok(1_u32)
            };
            step.run("slow", body).await?;
            step.run("never", async |_: &Attempt| Ok(2_u32))
                .await
                .map_err(Error::from)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let run = begin(&engine).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        engine.cancel(run, "enough").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        let expected = ["started", "cancel requested", "slow ok 1", "cancelled"];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn killing_ends_a_run_at_once_and_drops_its_body() {
    paused(async {
        let code = async move |step: &mut Step| {
            let body = async |_: &Attempt| {
                std::future::pending::<()>().await;
                Ok(1_u32)
            };
            step.run("stuck", body).await.map_err(Error::from)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let run = begin(&engine).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        engine.kill(run, "stuck").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(told(&engine, run).await, ["started", "killed"]);
        assert!(engine.kill(run, "again").await.is_err());
    });
}

#[test]
fn a_run_past_its_limit_is_cancelled_whether_it_waits_or_works() {
    #[workflow(finish_within = Duration::from_secs(100))]
    async fn waits(step: &mut Step, _input: u32) -> Result<u32, Error> {
        step.sleep("long", Duration::from_secs(86_400)).await?;
        Ok(1)
    }
    #[workflow(finish_within = Duration::from_secs(100))]
    async fn works(step: &mut Step, _input: u32) -> Result<u32, Error> {
        let body = async |attempt: &Attempt| {
            attempt.cancelled().await;
            Ok(7_u32)
        };
        Ok(step.run("until-told", body).await?)
    }
    paused(async {
        let registry = Registry::new().with(waits).with(works);
        let engine = engine(MemoryStore::new(), registry).await;
        let clock = crate::engine::world::clock();
        for (name, last) in [("waits", "cancelled"), ("works", "cancelled")] {
            let began = clock.now();
            let options = StartOptions::default();
            let input = Payload::from_json("0");
            let run = engine.start_run(name, input, options).await.unwrap().run;
            assert_eq!(
                engine.outcome(run).await.unwrap(),
                Outcome::Cancelled,
                "{name}"
            );
            let took = clock.now().since(began);
            assert!(took >= Duration::from_secs(100), "{name} {took:?}");
            assert!(took < Duration::from_secs(102), "{name} {took:?}");
            assert_eq!(told(&engine, run).await.last().unwrap(), last);
        }
    });
}

#[test]
fn a_run_that_did_not_start_in_time_is_cancelled_without_running() {
    paused(async {
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), registry()).await;
        let options = StartOptions {
            at: Some(
                crate::engine::world::clock()
                    .now()
                    .after(Duration::from_secs(60)),
            ),
            start_within: Some(Duration::from_secs(10)),
            ..StartOptions::default()
        };
        let input = Payload::from_json("{\"id\":\"o-1\"}");
        let run = first
            .start_run("deliver", input, options)
            .await
            .unwrap()
            .run;
        first.drain(Duration::ZERO).await;
        tokio::time::advance(Duration::from_secs(600)).await;
        let second = engine(memory.reopen(), registry()).await;
        assert_eq!(second.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(
            told(&second, run).await,
            ["started", "cancel requested", "cancelled"]
        );
    });
}

#[test]
fn a_waiting_run_that_is_quarantined_ends_at_once_when_it_is_cancelled() {
    paused(async {
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), registry()).await;
        first.publish(vec![placed("a", "o-1")]).await.unwrap();
        let run = run_of(&first, "a").await;
        until_status(&first, run, RunStatus::Waiting).await;
        first.drain(Duration::ZERO).await;
        tokio::time::advance(Duration::from_secs(600)).await;
        let second = engine(memory.reopen(), Registry::new()).await;
        until_status(&second, run, RunStatus::Quarantined).await;
        second.cancel(run, "gone").await.unwrap();
        assert_eq!(second.outcome(run).await.unwrap(), Outcome::Cancelled);
    });
}
