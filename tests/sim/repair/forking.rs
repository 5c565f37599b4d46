//! Fork: a new run with another's results before a step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stepwell::{Attempt, Error, Registry, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{Payload, RunId, StepAddress};
use stepwell_engine::{Engine, ForkAsk};
use stepwell_testkit::memory::MemoryStore;

use crate::engine::world::{Calls, engine, paused, told, until_status};
use crate::primitives::everywhere::{everywhere, json};

/// What the steps count, and whether shipping is broken.
#[derive(Clone, Default)]
struct World {
    calls: Calls,
    broken: Arc<AtomicBool>,
}

#[workflow]
async fn deliver(step: &mut Step, weight: u32) -> Result<String, Error> {
    let world = step.get::<World>();
    let paid = step
        .run("pay", async |_: &Attempt| Ok(world.calls.note("pay")))
        .await?;
    step.sleep("nap", Duration::from_secs(60)).await?;
    let ship = async |attempt: &Attempt| {
        world.calls.note(attempt.idempotency_key());
        if world.broken.load(Ordering::SeqCst) {
            return Err(Error::terminal("carrier is gone"));
        }
        Ok(format!("{weight} kg"))
    };
    let shipped = step.run("ship", ship).await?;
    Ok(format!("paid {paid}, shipped {shipped}"))
}

fn registry(world: &World) -> Registry {
    Registry::new().with(deliver).provide(world.clone())
}

async fn start(engine: &Engine) -> Result<RunId, stepwell::SendError> {
    let options = stepwell::StartOptions {
        key: Some("one".to_owned()),
        ..Default::default()
    };
    let input = Payload::from_json("5");
    Ok(engine.start_run("deliver", input, options).await?.run)
}

fn from(run: RunId, step: &str, input: Option<&str>) -> ForkAsk {
    ForkAsk {
        run,
        step: StepAddress::root(step, 1).unwrap(),
        input: input.map(Payload::from_json),
        version: None,
    }
}

#[test]
fn a_preview_says_what_is_kept_and_what_is_done_anew_and_writes_nothing() {
    paused(async {
        let world = World::default();
        let engine = engine(MemoryStore::new(), registry(&world)).await;
        let run = start(&engine).await.unwrap();
        engine.outcome(run).await.unwrap();
        let plan = engine.preview_fork(&from(run, "nap", None)).await.unwrap();
        assert_eq!(plan.run, None);
        let keeps: Vec<_> = plan.keeps.iter().map(ToString::to_string).collect();
        let again: Vec<_> = plan
            .again
            .iter()
            .map(|again| again.step.to_string())
            .collect();
        assert_eq!(
            (keeps, again),
            (
                vec!["pay".to_owned()],
                vec!["nap".to_owned(), "ship".to_owned()]
            )
        );
        assert!(plan.again.iter().all(|again| again.succeeded));
        let runs = engine
            .operator()
            .runs(Default::default(), 10)
            .await
            .unwrap();
        assert_eq!(runs.len(), 1, "a preview began a run");
    });
}

#[test]
fn a_fork_keeps_what_was_done_before_the_step_and_does_it_and_the_rest_anew_under_new_keys() {
    paused(async {
        let world = World::default();
        world.broken.store(true, Ordering::SeqCst);
        let engine = engine(MemoryStore::new(), registry(&world)).await;
        let run = start(&engine).await.unwrap();
        let failed = engine.outcome(run).await.unwrap();
        assert!(matches!(failed, Outcome::Failed(_)), "{failed:?}");
        world.broken.store(false, Ordering::SeqCst);
        let forked = engine.fork(&from(run, "ship", Some("9"))).await.unwrap();
        let new = forked.run.unwrap();
        assert_ne!(new, run);
        let output = json("\"paid 1, shipped 9 kg\"");
        assert_eq!(engine.outcome(new).await.unwrap(), output);
        assert_eq!(world.calls.of("pay"), 1, "what was kept is not done again");
        assert_eq!(
            world.calls.of(&format!("{new}/ship")),
            1,
            "a key of its own"
        );
        let untouched = engine.operator().run(run).await.unwrap().unwrap();
        assert_eq!(untouched.head.status, RunStatus::Failed);
        let told = told(&engine, new).await;
        let whole = [
            "started",
            "pay ok 1",
            "nap waits",
            "nap ok 1",
            "ship ok 1",
            "completed",
        ];
        assert_eq!(told, whole);
    });
}

#[test]
fn a_fork_is_begun_once_and_ends_whichever_commit_a_crash_strikes() {
    paused(async {
        let world = World::default();
        let act = async |engine: &Engine| {
            let run = start(engine).await?;
            engine.outcome(run).await?;
            // One that a crash left behind unheard of is a run of its own, and ends as well.
            let forked = engine.fork(&from(run, "ship", None)).await;
            let forked = forked.map_err(|error| super::gone(&error))?;
            let new = forked.run.unwrap();
            let outcome = engine.outcome(new).await?;
            assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
            let runs = engine
                .operator()
                .runs(Default::default(), 10)
                .await
                .unwrap();
            for view in &runs {
                let outcome = engine.outcome(view.head.run).await?;
                assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
            }
            assert!(runs.len() <= 3);
            Ok(())
        };
        assert!(everywhere(|| registry(&world), act).await > 10);
    });
}

#[test]
fn a_fork_of_a_run_that_goes_on_leaves_it_alone() {
    paused(async {
        let world = World::default();
        let engine = engine(MemoryStore::new(), registry(&world)).await;
        let run = start(&engine).await.unwrap();
        until_status(&engine, run, RunStatus::Waiting).await;
        let forked = engine.fork(&from(run, "nap", None)).await.unwrap();
        let both = [run, forked.run.unwrap()];
        for run in both {
            let outcome = engine.outcome(run).await.unwrap();
            assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
            assert_eq!(world.calls.of(&format!("{run}/ship")), 1);
        }
        assert_eq!(world.calls.of("pay"), 1);
    });
}

#[test]
fn a_store_without_an_engine_forks_runs_that_the_next_engine_drives() {
    paused(async {
        let (store, world) = (MemoryStore::new(), World::default());
        let first = engine(store.clone(), registry(&world)).await;
        let run = start(&first).await.unwrap();
        first.outcome(run).await.unwrap();
        first.drain(Duration::from_secs(60)).await;
        let store = store.reopen();
        let operator = stepwell_engine::Operator::new(Arc::new(store.clone()));
        let now = crate::engine::world::clock().now();
        let forked = operator.fork(&from(run, "ship", None), now).await.unwrap();
        let second = engine(store.reopen(), registry(&world)).await;
        let outcome = second.outcome(forked.run.unwrap()).await.unwrap();
        assert_eq!(outcome, json("\"paid 1, shipped 5 kg\""));
    });
}

#[test]
fn a_step_the_journal_does_not_speak_of_is_no_place_to_fork() {
    paused(async {
        let engine = engine(MemoryStore::new(), registry(&World::default())).await;
        let run = start(&engine).await.unwrap();
        engine.outcome(run).await.unwrap();
        let refused = engine.fork(&from(run, "mail", None)).await.unwrap_err();
        let said = refused.to_string();
        assert_eq!(
            said,
            format!("run {run} cannot be forked: journal has no step mail")
        );
    });
}

#[workflow]
async fn hoard(step: &mut Step, _input: u32) -> Result<u32, Error> {
    for _ in 0..3 {
        step.run("gather", async |_: &Attempt| Ok("x".repeat(3 << 20)))
            .await?;
    }
    Ok(step.run("sort", async |_: &Attempt| Ok(1_u32)).await?)
}

#[test]
fn a_fork_that_keeps_more_than_a_commit_takes_is_refused_and_the_engine_goes_on() {
    paused(async {
        let engine = engine(MemoryStore::new(), Registry::new().with(hoard)).await;
        let input = Payload::from_json("1");
        let started = engine.start_run("hoard", input, Default::default()).await;
        let run = started.unwrap().run;
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
        let said = engine
            .fork(&from(run, "sort", None))
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("fork from an earlier step"), "{said}");
        assert_eq!(engine.health().failure, None);
        let forked = engine.fork(&from(run, "gather", None)).await.unwrap();
        assert_eq!(
            engine.outcome(forked.run.unwrap()).await.unwrap(),
            json("1")
        );
    });
}
