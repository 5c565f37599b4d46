//! Retry: what failed is tried again in the same run, under the same keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stepwell::{Attempt, Error, Registry, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::{Engine, OperateError};
use stepwell_testkit::memory::MemoryStore;

use super::{comes_to, gone};
use crate::engine::world::{Calls, begin, engine, finish, paused, shop, told, until_status};
use crate::primitives::everywhere::{ask, everywhere, json};

/// Pays, then ships, which fails for good while `broken`.
fn ships(calls: &Calls, broken: &Arc<AtomicBool>) -> Registry {
    let (calls, broken) = (calls.clone(), Arc::clone(broken));
    shop(async move |step: &mut Step| {
        step.run("pay", async |_: &Attempt| Ok(calls.note("pay")))
            .await?;
        let ship = async |attempt: &Attempt| {
            calls.note(&format!("ship under {}", attempt.idempotency_key()));
            if broken.load(Ordering::SeqCst) {
                return Err(Error::terminal("carrier is gone"));
            }
            Ok(attempt.number())
        };
        Ok(step.run("ship", ship).await?)
    })
}

#[test]
fn a_failed_run_is_completed_by_a_retry_from_its_failed_step_under_the_same_key() {
    paused(async {
        let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
        let engine = engine(MemoryStore::new(), ships(&calls, &broken)).await;
        let (run, outcome) = finish(&engine).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        broken.store(false, Ordering::SeqCst);
        engine.retry(run, "carrier is back").await.unwrap();
        until_status(&engine, run, RunStatus::Completed).await;
        assert_eq!(calls.of("pay"), 1, "what succeeded is not done again");
        let key = format!("ship under {run}/ship");
        assert_eq!(calls.of(&key), 2, "both attempts have one key");
        let told = told(&engine, run).await;
        let end = [
            "ship failed 1 for good",
            "failed",
            "retried ship",
            "ship ok 2",
            "completed",
        ];
        assert_eq!(told[2..], end, "{told:?}");
    });
}

#[test]
fn a_retry_takes_place_once_whichever_commit_a_crash_strikes() {
    paused(async {
        let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            // What a crash left of an earlier attempt at this may already have had it retried.
            let ends = [RunStatus::Failed, RunStatus::Completed];
            if comes_to(engine, run, &ends).await? == RunStatus::Failed {
                broken.store(false, Ordering::SeqCst);
                match engine.retry(run, "").await {
                    Ok(()) | Err(OperateError::Refused { .. }) => {}
                    Err(error) => return Err(gone(&error)),
                }
            }
            comes_to(engine, run, &[RunStatus::Completed]).await?;
            let told = told(engine, run).await;
            let count = |word: &str| told.iter().filter(|said| *said == word).count();
            assert_eq!((count("pay ok 1"), count("completed")), (1, 1), "{told:?}");
            let failed = count("failed");
            assert_eq!(count("retried ship"), failed, "{told:?}");
            assert!((1..=2).contains(&failed), "{told:?}");
            Ok(())
        };
        let registry = || {
            broken.store(true, Ordering::SeqCst);
            ships(&calls, &broken)
        };
        assert!(everywhere(registry, act).await > 10);
    });
}

#[test]
fn a_run_that_backs_off_is_tried_at_once() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = shop(async move |step: &mut Step| {
            let flaky = async |_: &Attempt| match counted.note("flaky") {
                1 => Err(Error::retry_after(Duration::from_secs(86_400), "tomorrow")),
                number => Ok(number),
            };
            Ok(step.run("flaky", flaky).await?)
        });
        let engine = engine(MemoryStore::new(), code).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let before = crate::engine::world::clock().now();
        engine.retry(run, "now").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("2"));
        let passed = crate::engine::world::clock().now().since(before);
        assert!(passed < Duration::from_secs(3_600), "waited {passed:?}");
    });
}

#[test]
fn branches_that_failed_are_tried_again_and_the_others_are_not() {
    paused(async {
        let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
        let (counted, breaks) = (calls.clone(), Arc::clone(&broken));
        let code = shop(async move |step: &mut Step| {
            let (calls, broken) = (&counted, &breaks);
            let pack = async |line: &mut Step, item: u32| {
                let body = async |_: &Attempt| {
                    calls.note(&format!("pack {item}"));
                    if item == 2 && broken.load(Ordering::SeqCst) {
                        return Err(Error::terminal("box is too small"));
                    }
                    Ok(item)
                };
                line.run("pack", body).await
            };
            let packed = step.map("items", 1..=3_u32, 3, pack).await?;
            let mut sum = 0;
            for item in packed {
                sum += item?;
            }
            Ok(sum)
        });
        let engine = engine(MemoryStore::new(), code).await;
        let (run, _) = finish(&engine).await;
        broken.store(false, Ordering::SeqCst);
        engine.retry(run, "bigger boxes").await.unwrap();
        until_status(&engine, run, RunStatus::Completed).await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("6"));
        let packed = [1, 2, 3].map(|item| calls.of(&format!("pack {item}")));
        assert_eq!(packed, [1, 2, 1]);
    });
}

#[workflow]
async fn fragile(step: &mut Step, _input: u32) -> Result<u32, Error> {
    let broken = step.get::<Arc<AtomicBool>>();
    let body = async |_: &Attempt| {
        if broken.load(Ordering::SeqCst) {
            return Err(Error::terminal("fell apart"));
        }
        Ok(7_u32)
    };
    Ok(step.run("work", body).await?)
}

#[test]
fn a_child_that_failed_is_started_anew_by_a_retry_of_its_parent() {
    paused(async {
        let broken = Arc::new(AtomicBool::new(true));
        let code = shop(async move |step: &mut Step| Ok(step.invoke("child", fragile, &1).await?))
            .with(fragile)
            .provide(Arc::clone(&broken));
        let engine = engine(MemoryStore::new(), code).await;
        let (run, outcome) = finish(&engine).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        broken.store(false, Ordering::SeqCst);
        engine.retry(run, "").await.unwrap();
        until_status(&engine, run, RunStatus::Completed).await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("7"));
        let filter = Default::default();
        let runs = engine.operator().runs(filter, 10).await.unwrap();
        assert_eq!(runs.len(), 3, "the parent and two children");
    });
}

#[test]
fn a_run_fails_again_after_a_retry_and_its_failure_workflow_is_started_again() {
    paused(async {
        let broken = Arc::new(AtomicBool::new(true));
        let code = Registry::new().with(delicate).with(mourn);
        let engine = engine(MemoryStore::new(), code.provide(Arc::clone(&broken))).await;
        let input = stepwell_core::Payload::from_json("1");
        let started = engine
            .start_run("delicate", input, Default::default())
            .await;
        let run = started.unwrap().run;
        until_status(&engine, run, RunStatus::Failed).await;
        engine.retry(run, "").await.unwrap();
        let mourned = async {
            loop {
                let runs = engine
                    .operator()
                    .runs(Default::default(), 10)
                    .await
                    .unwrap();
                let of_mourn = runs
                    .iter()
                    .filter(|run| run.head.workflow.as_str() == "mourn");
                if of_mourn.count() == 2 {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let day = Duration::from_secs(86_400);
        tokio::time::timeout(day, mourned)
            .await
            .expect("nobody mourned again");
    });
}

#[workflow(on_failure = mourn)]
async fn delicate(step: &mut Step, _input: u32) -> Result<u32, Error> {
    let body = async |_: &Attempt| Err::<u32, _>(Error::terminal("fell apart"));
    Ok(step.run("work", body).await?)
}

#[workflow]
async fn mourn(step: &mut Step, failed: stepwell::FailedRun) -> Result<String, Error> {
    Ok(step.run("mourn", async |_| Ok(failed.run.clone())).await?)
}

#[test]
fn what_was_undone_is_not_tried_again_in_the_same_run() {
    paused(async {
        let code = shop(async move |step: &mut Step| {
            step.scope("trip", async |line| {
                line.run("book", async |_: &Attempt| Ok(1_u32))
                    .undo(async |_: &Attempt, _| Ok(()))
                    .await?;
                line.run("pay", async |_: &Attempt| {
                    Err::<u32, _>(Error::terminal("broke"))
                })
                .await?;
                Ok::<_, Error>(0_u32)
            })
            .await
        });
        let engine = engine(MemoryStore::new(), code).await;
        let (run, _) = finish(&engine).await;
        let refused = engine.retry(run, "").await.unwrap_err().to_string();
        assert!(refused.contains("fork the run"), "{refused}");
        assert!(refused.contains("trip"), "{refused}");
    });
}

#[test]
fn a_branch_that_backs_off_is_tried_at_once_beside_a_body_in_flight() {
    paused(async {
        let (calls, go) = (Calls::default(), Arc::new(tokio::sync::Notify::new()));
        let (counted, held) = (calls.clone(), Arc::clone(&go));
        let code = shop(async move |step: &mut Step| {
            let (calls, go) = (&counted, &held);
            let flaky = async |line: &mut Step| {
                let body = async |_: &Attempt| match calls.note("flaky") {
                    1 => Err(Error::retry_after(Duration::from_secs(86_400), "tomorrow")),
                    number => Ok(number),
                };
                line.run("flaky", body).await
            };
            let slow = async |line: &mut Step| {
                let body = async |_: &Attempt| {
                    calls.note("slow");
                    go.notified().await;
                    Ok(())
                };
                line.run("slow", body).await
            };
            let (flaky, slow) = step.join("both", (flaky, slow)).await?;
            slow?;
            Ok(flaky?)
        });
        let engine = engine(MemoryStore::new(), code).await;
        let run = begin(&engine).await;
        let under_way =
            |_: &stepwell_engine::RunView| (calls.of("flaky"), calls.of("slow")) == (1, 1);
        crate::engine::world::until(&engine, run, under_way).await;
        engine.retry(run, "now").await.unwrap();
        crate::engine::world::until(&engine, run, |_| calls.of("flaky") == 2).await;
        go.notify_one();
        assert_eq!(engine.outcome(run).await.unwrap(), json("2"));
    });
}
