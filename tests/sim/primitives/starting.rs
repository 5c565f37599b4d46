//! Starts by call: keys, delays, and the workflow for failed runs.

use std::time::Duration;

use stepwell::{Attempt, Error, FailedRun, Payload, Registry, StartOptions, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, everywhere, json};
use crate::engine::world::{Calls, engine, paused, shop, told, until_status};

#[workflow]
async fn count(step: &mut Step, number: u32) -> Result<u32, Error> {
    Ok(step
        .run("count", async |_: &Attempt| Ok(number + 1))
        .await?)
}

fn registry() -> Registry {
    Registry::new().with(count)
}

fn keyed(key: &str) -> StartOptions {
    StartOptions {
        key: Some(key.to_owned()),
        ..StartOptions::default()
    }
}

async fn start(engine: &Engine, options: StartOptions) -> stepwell_engine::Started {
    let input = Payload::from_json("1");
    engine.start_run("count", input, options).await.unwrap()
}

#[test]
fn a_start_under_a_key_starts_one_run_however_often_and_at_once_it_is_asked() {
    paused(async {
        let engine = engine(MemoryStore::new(), registry()).await;
        let asks = (0..20).map(|_| start(&engine, keyed("k")));
        let started = futures_util::future::join_all(asks).await;
        let runs: std::collections::BTreeSet<_> = started.iter().map(|one| one.run).collect();
        assert_eq!(runs.len(), 1);
        assert_eq!(started.iter().filter(|one| one.new).count(), 1);
        let other = start(&engine, keyed("other")).await;
        assert!(other.new && !runs.contains(&other.run));
    });
}

#[test]
fn a_key_stays_taken_for_a_while_after_its_run_has_ended_and_is_free_then() {
    paused(async {
        let engine = engine(MemoryStore::new(), registry()).await;
        let options = StartOptions {
            keep_key: Some(Duration::from_secs(3_600)),
            ..keyed("k")
        };
        let first = start(&engine, options.clone()).await;
        engine.outcome(first.run).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3_500)).await;
        let again = start(&engine, options.clone()).await;
        assert_eq!((again.run, again.new), (first.run, false));
        tokio::time::sleep(Duration::from_secs(200)).await;
        let later = start(&engine, options).await;
        assert!(later.new && later.run != first.run);
    });
}

#[test]
fn a_keyed_start_is_the_same_run_whichever_commit_a_crash_strikes() {
    paused(async {
        let act = async |engine: &Engine| {
            let input = Payload::from_json("1");
            let started = engine.start_run("count", input, keyed("k")).await?;
            assert_eq!(engine.outcome(started.run).await?, json("2"));
            let runs = engine
                .operator()
                .runs(Default::default(), 10)
                .await
                .unwrap();
            assert_eq!(runs.len(), 1);
            Ok(())
        };
        assert!(everywhere(registry, act).await > 6);
    });
}

#[test]
fn a_delayed_start_waits_for_its_instant_also_across_a_restart() {
    paused(async {
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), registry()).await;
        let options = StartOptions {
            delay: Some(Duration::from_secs(3_600)),
            ..StartOptions::default()
        };
        let clock = crate::engine::world::clock();
        let began = clock.now();
        let run = start(&first, options).await.run;
        until_status(&first, run, RunStatus::Waiting).await;
        first.drain(Duration::ZERO).await;
        let second = engine(memory.reopen(), registry()).await;
        assert_eq!(second.outcome(run).await.unwrap(), json("2"));
        let took = clock.now().since(began);
        assert!(took >= Duration::from_secs(3_600), "{took:?}");
        assert!(took < Duration::from_secs(3_602), "{took:?}");
    });
}

#[test]
fn an_unknown_workflow_is_refused_and_those_there_are_named() {
    paused(async {
        let engine = engine(MemoryStore::new(), registry()).await;
        let options = StartOptions::default();
        let started = engine.start_run("cuont", Payload::null(), options).await;
        let error = started.unwrap_err().to_string();
        assert!(
            error.contains("cuont") && error.contains("count"),
            "{error}"
        );
    });
}

#[test]
fn a_failed_run_starts_its_failure_workflow_once_with_what_went_wrong() {
    #[workflow]
    async fn cleanup(step: &mut Step, failed: FailedRun) -> Result<String, Error> {
        // A budget of its own: the failed run's is spent.
        let told = step
            .run("tell", async |attempt: &Attempt| {
                if attempt.number() < 3 {
                    return Err(Error::retryable("pager is down"));
                }
                Ok(format!(
                    "{} of {}: {}",
                    failed.workflow, failed.input, failed.error
                ))
            })
            .await?;
        Ok(told)
    }
    #[workflow(retries = 0, on_failure = cleanup)]
    async fn fragile(step: &mut Step, number: u32) -> Result<u32, Error> {
        let body = async |_: &Attempt| Err::<u32, _>(Error::retryable(format!("{number} is odd")));
        Ok(step.run("work", body).await?)
    }
    let registry = || Registry::new().with(cleanup).with(fragile);
    paused(async {
        let act = async |engine: &Engine| {
            let input = Payload::from_json("7");
            let started = engine.start_run("fragile", input, keyed("k")).await?;
            assert!(matches!(
                engine.outcome(started.run).await?,
                Outcome::Failed(_)
            ));
            let event = stepwell::EventId::new(format!("stepwell/failed/{}", started.run));
            let runs = engine
                .operator()
                .runs_of_event(event)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(runs.len(), 1);
            let told = engine.outcome(runs[0].head.run).await?;
            let Outcome::Completed(output) = told else {
                panic!("{told:?}");
            };
            let expected = "fragile of 7: step work failed after 1 attempt(s): 7 is odd";
            assert_eq!(output.as_json(), format!("{expected:?}"));
            Ok(())
        };
        assert!(everywhere(registry, act).await > 12);
    });
}

#[test]
fn retry_budgets_are_the_steps_own_else_the_workflows_else_the_engines() {
    #[workflow(retries = 1)]
    async fn once_more(step: &mut Step, calls: bool) -> Result<u32, Error> {
        let counted = step.get::<Calls>();
        let fails = async |name: &'static str| {
            counted.note(name);
            Err::<u32, _>(Error::retryable("no"))
        };
        let failed = step
            .run("workflow", async |_: &Attempt| fails("workflow").await)
            .await;
        assert!(failed.is_err());
        let failed = step
            .run("step", async |_: &Attempt| fails("step").await)
            .retry(stepwell::RetryPolicy {
                attempts_max: 4,
                initial_ms: 10,
                max_ms: 10,
                jitter_percent: 0,
            })
            .await;
        assert!(failed.is_err());
        Ok(u32::from(calls))
    }
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let default = shop(async move |step: &mut Step| {
            let body = async |_: &Attempt| {
                counted.note("engine");
                Err::<u32, _>(Error::retryable("no"))
            };
            assert!(step.run("engine", body).await.is_err());
            Ok(1)
        });
        let registry = default.with(once_more).provide(calls.clone());
        let engine = engine(MemoryStore::new(), registry).await;
        let run = ask(&engine).await.unwrap();
        engine.outcome(run).await.unwrap();
        let input = Payload::from_json("true");
        let options = StartOptions::default();
        let run = engine
            .start_run("once-more", input, options)
            .await
            .unwrap()
            .run;
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
        let counts = ["engine", "workflow", "step"].map(|name| calls.of(name));
        assert_eq!(counts, [5, 2, 4], "{:?}", told(&engine, run).await);
    });
}

#[test]
fn a_blocking_body_runs_beside_the_shard_and_a_panic_in_it_is_a_failed_attempt() {
    // Not on a paused clock: a thread that works is real time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let code = async move |step: &mut Step| {
            let shard = std::thread::current().id();
            let body = move |attempt: &Attempt| {
                assert_ne!(std::thread::current().id(), shard);
                if attempt.number() == 1 {
                    panic!("first try");
                }
                Ok(5_u32)
            };
            let policy = stepwell::RetryPolicy {
                attempts_max: 2,
                initial_ms: 1,
                max_ms: 1,
                jitter_percent: 0,
            };
            Ok(step.run_blocking("crunch", body).retry(policy).await?)
        };
        let options = crate::engine::world::options();
        let store = std::sync::Arc::new(MemoryStore::new());
        let clock = stepwell_engine::Clock::Wall;
        let engine = Engine::start(store, shop(code), clock, options)
            .await
            .unwrap();
        let run = ask(&engine).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("5"));
        let expected = ["started", "crunch failed 1", "crunch ok 2", "completed"];
        assert_eq!(told(&engine, run).await, expected);
    }));
}
