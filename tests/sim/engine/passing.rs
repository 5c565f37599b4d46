//! Trouble that passes: a read that fails once, a commit that is refused, a timer nearly forgotten.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Event, Payload, RunRef, Step};
use stepwell_core::run::Outcome;
use stepwell_engine::{Engine, Options};
use stepwell_store::Store;
use stepwell_testkit::faulty::CommitFault;
use stepwell_testkit::memory::MemoryStore;
use stepwell_testkit::sim_store::{Fate, SimStore, Strike};
use stepwell_testkit::turns::Turns;
use tokio::time::timeout;

use super::world::{asked, begin, engine_over, options, paused, run_of, shop};

#[derive(Event, Serialize, Deserialize)]
#[event("shop/fact", key = "key")]
struct Fact {
    key: String,
}

/// Waits for an event, for a signal, and signals a run that there is not.
fn waits() -> stepwell::Registry {
    let code = async move |step: &mut Step| {
        step.wait_for::<Fact>("fact", "k").await?;
        let two: u32 = step.wait_signal("signal", "go").await?;
        let nobody = stepwell::RunId::from_bytes([7; 16]);
        let missed = step.signal("tell", nobody, "go", &1).await.is_err();
        Ok(two + u32::from(missed))
    };
    shop(code).event::<Fact>()
}

fn fact() -> stepwell_engine::NewEvent {
    stepwell_engine::NewEvent {
        name: Fact::NAME.to_owned(),
        data: Payload::from_json("{\"key\":\"k\"}"),
        ..asked(Some("fact"))
    }
}

/// Sends everything the run waits for, each as often as it takes.
async fn send_all(engine: &Engine) -> stepwell::RunId {
    while engine.publish(vec![asked(Some("ask"))]).await.is_err() {}
    let run = loop {
        let event = engine.operator().event(stepwell::EventId::new("ask")).await;
        if let Ok(Some(row)) = event {
            break row.runs[0];
        }
    };
    while engine.publish(vec![fact()]).await.is_err() {}
    loop {
        let go = engine.signal(RunRef::Id(run), "go".to_owned(), Payload::from_json("2"));
        if go.await.is_ok() {
            return run;
        }
    }
}

/// Lets the `nth` read fail. Whether there was one.
async fn fail_read(nth: u64) -> bool {
    let fate = Fate::new();
    fate.fail_reads(nth..nth + 1);
    let store: Arc<dyn Store> = Arc::new(SimStore::new(
        MemoryStore::new(),
        Arc::clone(&fate),
        Turns::new(),
    ));
    let clock = super::world::clock();
    let opened = Engine::start(Arc::clone(&store), waits(), clock, options()).await;
    let engine = match opened {
        Ok(engine) => engine,
        Err(_) => engine_over(store, waits(), options()).await,
    };
    let run = send_all(&engine).await;
    // Behind every wait that a run may take before it reads again.
    let week = Duration::from_secs(7 * 86_400);
    let ended = timeout(week, pending_end(&engine, run)).await;
    assert!(ended.is_ok(), "read {nth} failed, and the run never ends");
    fate.counts().1 >= nth
}

async fn pending_end(engine: &Engine, run: stepwell::RunId) {
    while engine.outcome(run).await != Ok(Outcome::Completed(Payload::from_json("3"))) {}
}

#[test]
fn a_read_that_fails_once_loses_neither_a_run_nor_what_was_left_for_it() {
    paused(async {
        let mut nth = 1;
        while fail_read(nth).await {
            nth += 1;
        }
        assert!(nth > 15, "a run is driven by {} reads", nth - 1);
    });
}

#[test]
fn a_lost_commit_leaves_its_thread_to_the_body_in_flight() {
    paused(async {
        let fate = Fate::new();
        fate.delay([1_000]);
        let memory = MemoryStore::held();
        let store = Arc::new(SimStore::new(memory, Arc::clone(&fate), Turns::new()));
        let code = async move |step: &mut Step| {
            let slow = async |_: &Attempt| {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(1_u32)
            };
            let quick = async |_: &Attempt| Ok(1_u32);
            let all = (
                async |line: &mut Step| line.run("slow", slow).await,
                async |line: &mut Step| {
                    line.sleep("nap", Duration::from_millis(1_500)).await?;
                    line.run("quick", quick).await
                },
                async |line: &mut Step| {
                    line.sleep("nap", Duration::from_millis(1_600)).await?;
                    line.sleep("more", Duration::from_secs(60)).await
                },
            );
            let (slow, ..) = step.join("all", all).await?;
            Ok(slow?)
        };
        let engine = engine_over(store, shop(code), options()).await;
        begin(&engine).await;
        // A body is in flight, another waits for a commit, and the one behind that is lost.
        tokio::time::sleep(Duration::from_millis(1_550)).await;
        fate.strike(fate.counts().0 + 1, Strike::Disk(CommitFault::Lose));
        engine.failed().await;
        let drained = engine.drain(Duration::from_secs(100)).await;
        assert_eq!(drained.parked, 0, "the body had time to end");
    });
}

#[test]
fn a_timer_that_came_near_is_kept_while_another_run_parks_for_longer() {
    paused(async {
        let code = async move |step: &mut Step| {
            let days: u32 = step.run("draw", async |_: &Attempt| Ok(1_u32)).await?;
            step.sleep("long", Duration::from_secs(1_000)).await?;
            Ok(days)
        };
        let unhurried = Options {
            timer_horizon: Duration::from_secs(600),
            ..options()
        };
        let store = Arc::new(MemoryStore::new());
        let engine = engine_over(store, shop(code), unhurried).await;
        let first = begin(&engine).await;
        tokio::time::sleep(Duration::from_secs(450)).await;
        engine.publish(vec![asked(Some("later"))]).await.unwrap();
        let later = run_of(&engine, "later").await;
        let soon = Duration::from_secs(560);
        let ended = timeout(soon, engine.outcome(first)).await;
        assert!(ended.is_ok(), "its timer is forgotten");
        engine.outcome(later).await.unwrap();
    });
}
