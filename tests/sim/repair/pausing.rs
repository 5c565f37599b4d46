//! Pause: bodies in flight end, nothing new begins, the clock goes on.

use std::sync::Arc;
use std::time::Duration;

use stepwell::{Attempt, Event, Registry, Step};
use stepwell_core::run::RunStatus;
use stepwell_engine::{Engine, OperateError};
use stepwell_testkit::memory::MemoryStore;
use tokio::sync::Notify;

use super::{comes_to, gone};
use crate::engine::world::{Calls, begin, engine, paused, shop, told, until, until_status};
use crate::primitives::everywhere::{ask, event, everywhere, json};

const HOUR: Duration = Duration::from_secs(3_600);

/// Pays, which takes until it is let go, then ships.
fn held_in_body(calls: &Calls, go: &Arc<Notify>) -> Registry {
    let (calls, go) = (calls.clone(), Arc::clone(go));
    shop(async move |step: &mut Step| {
        let pay = async |_: &Attempt| {
            calls.note("pay");
            go.notified().await;
            Ok(())
        };
        step.run("pay", pay).await?;
        Ok(step
            .run("ship", async |_: &Attempt| Ok(calls.note("ship")))
            .await?)
    })
}

#[test]
fn a_body_in_flight_ends_and_is_recorded_and_nothing_new_begins_until_the_run_is_resumed() {
    paused(async {
        let (calls, go) = (Calls::default(), Arc::new(Notify::new()));
        let engine = engine(MemoryStore::new(), held_in_body(&calls, &go)).await;
        let run = begin(&engine).await;
        until(&engine, run, |_| calls.of("pay") == 1).await;
        engine.pause(run, "carrier on strike").await.unwrap();
        until_status(&engine, run, RunStatus::Paused).await;
        go.notify_one();
        until(&engine, run, |view| view.in_flight.is_none()).await;
        tokio::time::sleep(HOUR).await;
        assert_eq!(calls.of("ship"), 0, "something new began");
        assert_eq!(told(&engine, run).await, ["started", "paused", "pay ok 1"]);
        engine.resume(run).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
        assert_eq!((calls.of("pay"), calls.of("ship")), (1, 1));
    });
}

#[test]
fn a_run_resumed_while_a_body_is_in_flight_goes_on_once_it_ends() {
    paused(async {
        let (calls, go) = (Calls::default(), Arc::new(Notify::new()));
        let engine = engine(MemoryStore::new(), held_in_body(&calls, &go)).await;
        let run = begin(&engine).await;
        until(&engine, run, |_| calls.of("pay") == 1).await;
        engine.pause(run, "").await.unwrap();
        until_status(&engine, run, RunStatus::Paused).await;
        engine.resume(run).await.unwrap();
        until(&engine, run, |view| view.head.status != RunStatus::Paused).await;
        go.notify_one();
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
        assert_eq!((calls.of("pay"), calls.of("ship")), (1, 1));
    });
}

fn three(calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        step.run("pay", async |_: &Attempt| Ok(calls.note("pay")))
            .await?;
        step.sleep("nap", HOUR).await?;
        step.run("ship", async |_: &Attempt| Ok(calls.note("ship")))
            .await?;
        Ok(1)
    })
}

#[test]
fn a_pause_and_its_end_are_kept_whichever_commit_a_crash_strikes() {
    paused(async {
        let calls = Calls::default();
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            // A crash may have struck anywhere: what was done before is done no second time.
            let before = told(engine, run).await;
            let said = |word: &str| before.iter().any(|said| said == word);
            if !said("paused") {
                match engine.pause(run, "look").await {
                    Ok(()) => drop(comes_to(engine, run, &[RunStatus::Paused]).await?),
                    Err(OperateError::Refused { .. }) => {}
                    Err(error) => return Err(gone(&error)),
                }
            }
            if !said("resumed") {
                match engine.resume(run).await {
                    Ok(()) => {}
                    Err(OperateError::Refused { .. }) => {}
                    Err(error) => return Err(gone(&error)),
                }
            }
            comes_to(engine, run, &[RunStatus::Completed]).await?;
            let told = told(engine, run).await;
            let count = |word: &str| told.iter().filter(|said| *said == word).count();
            assert_eq!((count("pay ok 1"), count("ship ok 1")), (1, 1), "{told:?}");
            assert!(
                count("paused") <= 2 && count("paused") == count("resumed"),
                "{told:?}"
            );
            Ok(())
        };
        assert!(everywhere(|| three(&calls), act).await > 10);
    });
}

#[test]
fn a_timer_that_came_due_during_a_pause_is_over_at_once_when_the_run_is_resumed() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), three(&calls)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.pause(run, "").await.unwrap();
        until_status(&engine, run, RunStatus::Paused).await;
        tokio::time::sleep(10 * HOUR).await;
        assert_eq!(calls.of("ship"), 0);
        let before = crate::engine::world::clock().now();
        engine.resume(run).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
        let passed = crate::engine::world::clock().now().since(before);
        assert!(passed < HOUR, "it slept again, for {passed:?}");
    });
}

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event("shop/paid", key = "id")]
struct Paid {
    id: String,
}

fn waits_for_payment() -> Registry {
    shop(async move |step: &mut Step| {
        let paid = step.wait_for::<Paid>("paid", "7").timeout(HOUR).await?;
        Ok(u32::from(paid.is_some()))
    })
    .event::<Paid>()
}

async fn paused_while_waiting(after: Duration) -> u32 {
    let engine = engine(MemoryStore::new(), waits_for_payment()).await;
    let run = begin(&engine).await;
    until_status(&engine, run, RunStatus::Waiting).await;
    engine.pause(run, "").await.unwrap();
    until_status(&engine, run, RunStatus::Paused).await;
    tokio::time::sleep(after).await;
    let paid = event("paid", "shop/paid", "{\"id\":\"7\"}");
    engine.publish(vec![paid]).await.unwrap();
    tokio::time::sleep(HOUR).await;
    engine.resume(run).await.unwrap();
    let outcome = engine.outcome(run).await.unwrap();
    let stepwell_core::run::Outcome::Completed(output) = outcome else {
        panic!("{outcome:?}");
    };
    output.as_json().parse().unwrap()
}

#[test]
fn an_event_that_comes_during_a_pause_is_taken_when_it_is_in_time() {
    paused(async {
        assert_eq!(paused_while_waiting(HOUR / 2).await, 1);
    });
}

#[test]
fn an_event_that_comes_during_a_pause_and_behind_the_deadline_is_too_late() {
    paused(async {
        assert_eq!(paused_while_waiting(2 * HOUR).await, 0);
    });
}

#[test]
fn a_paused_run_is_cancelled_like_any_other_and_undoes_what_it_did() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = shop(async move |step: &mut Step| {
            let calls = &counted;
            step.scope("trip", async |line| {
                line.run("book", async |_: &Attempt| Ok(calls.note("book")))
                    .undo(async |_: &Attempt, _| {
                        calls.note("unbook");
                        Ok(())
                    })
                    .await?;
                line.sleep("nap", HOUR).await?;
                Ok::<_, stepwell::Error>(0_u32)
            })
            .await
        });
        let engine = engine(MemoryStore::new(), code).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.pause(run, "").await.unwrap();
        until_status(&engine, run, RunStatus::Paused).await;
        engine.cancel(run, "enough").await.unwrap();
        until_status(&engine, run, RunStatus::Cancelled).await;
        assert_eq!((calls.of("book"), calls.of("unbook")), (1, 1));
    });
}
