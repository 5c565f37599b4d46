//! Compensation: every step that is recorded as done is undone once, in reverse, crash or no crash.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepwell::{Attempt, Error, Registry, Scope, Step};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, everywhere, json};
use crate::engine::world::{begin, engine, finish, paused, shop, told, until_status};

/// What bodies did to the world, each with its idempotency key: a key acts once.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Vec<String>>>);

impl World {
    fn act(&self, attempt: &Attempt) {
        let key = attempt.idempotency_key();
        let mut done = self.0.lock().unwrap();
        if !done.iter().any(|known| known == key) {
            done.push(key.to_owned());
        }
    }

    /// The steps that acted, in order, without their run.
    fn acts(&self) -> Vec<String> {
        let done = self.0.lock().unwrap();
        let step = |key: &String| key.split_once('/').unwrap().1.to_owned();
        done.iter().map(step).collect()
    }

    /// Those of one run.
    fn acts_of(&self, run: stepwell::RunId) -> Vec<String> {
        let done = self.0.lock().unwrap();
        let of_it = done
            .iter()
            .filter_map(|key| key.strip_prefix(&format!("{run}/")));
        of_it.map(str::to_owned).collect()
    }
}

/// Books three things, and then something decides how it ends.
async fn book(
    scope: &mut Scope<'_>,
    world: &World,
    end: impl AsyncFn(&mut Scope<'_>) -> Result<u32, Error>,
) -> Result<u32, Error> {
    for name in ["flight", "hotel", "car"] {
        let world = world.clone();
        let undone = world.clone();
        let body = async |attempt: &Attempt| {
            world.act(attempt);
            Ok(name.to_owned())
        };
        scope
            .run(name, body)
            .undo(async move |attempt: &Attempt, booked: String| {
                assert_eq!(booked, name, "an undo is given the recorded result");
                undone.act(attempt);
                Ok(())
            })
            .await?;
    }
    end(scope).await
}

fn fails(world: &World) -> Registry {
    let world = world.clone();
    shop(async move |step: &mut Step| {
        let world = &world;
        let trip = step
            .scope("trip", async |scope: &mut Scope<'_>| {
                let end = async |_: &mut Scope<'_>| Err(Error::terminal("no money"));
                book(scope, world, end).await
            })
            .await;
        let error = trip.unwrap_err();
        assert_eq!(error.to_string(), "no money");
        step.run("apologise", async |_: &Attempt| Ok(7_u32))
            .await
            .map_err(Error::from)
    })
}

const UNDONE: [&str; 6] = [
    "trip/0/flight",
    "trip/0/hotel",
    "trip/0/car",
    "trip/undo/car",
    "trip/undo/hotel",
    "trip/undo/flight",
];

#[test]
fn a_scope_that_fails_undoes_its_steps_in_reverse_and_hands_its_error_on() {
    paused(async {
        let world = World::default();
        let engine = engine(MemoryStore::new(), fails(&world)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("7"));
        assert_eq!(world.acts(), UNDONE);
        let expected = [
            "started",
            "trip forks 1",
            "trip/0/flight ok 1",
            "trip/0/hotel ok 1",
            "trip/0/car ok 1",
            "trip undoes",
            "trip/undo/car ok 1",
            "trip/undo/hotel ok 1",
            "trip/undo/flight ok 1",
            "trip/0 ended",
            "apologise ok 1",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn a_scope_that_succeeds_undoes_nothing_then_or_later() {
    paused(async {
        let world = World::default();
        let counted = world.clone();
        let code = async move |step: &mut Step| {
            let world = &counted;
            step.scope("trip", async |scope: &mut Scope<'_>| {
                book(scope, world, async |_: &mut Scope<'_>| Ok(1)).await
            })
            .await?;
            Err(Error::terminal("later trouble"))
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert!(matches!(outcome, Outcome::Failed(_)));
        assert_eq!(world.acts(), UNDONE[..3]);
    });
}

#[test]
fn compensation_ends_the_same_whichever_commit_a_crash_strikes() {
    paused(async {
        let world = World::default();
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("7"));
            assert_eq!(world.acts_of(run), UNDONE, "each once by its key, in order");
            Ok(())
        };
        let strikes = everywhere(|| fails(&world), async |engine: &Engine| act(engine).await).await;
        assert!(strikes > 30);
    });
}

/// A trip whose scope stays open until somebody cancels the run.
fn stays_open(world: &World) -> Registry {
    let world = world.clone();
    shop(async move |step: &mut Step| {
        let world = &world;
        let end = async |scope: &mut Scope<'_>| {
            scope.sleep("away", Duration::from_secs(86_400)).await?;
            Ok(1)
        };
        let trip = async |scope: &mut Scope<'_>| book(scope, world, end).await;
        step.scope("trip", trip).await
    })
}

#[test]
fn a_cancelled_run_undoes_its_open_scope_and_ends_as_cancelled() {
    paused(async {
        let world = World::default();
        let engine = engine(MemoryStore::new(), stays_open(&world)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.cancel(run, "changed my mind").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(world.acts(), UNDONE);
    });
}

#[test]
fn undoing_because_of_a_cancellation_ends_the_same_whichever_commit_a_crash_strikes() {
    paused(async {
        let world = World::default();
        let strikes = everywhere(
            || stays_open(&world),
            async |engine: &Engine| {
                let run = ask(engine).await?;
                let view = engine.operator().run(run).await.unwrap().unwrap();
                if !view.head.status.ended() {
                    until_booked(engine, run).await?;
                    cancel(engine, run).await?;
                }
                assert_eq!(engine.outcome(run).await?, Outcome::Cancelled);
                assert_eq!(world.acts_of(run), UNDONE, "{:?}", told(engine, run).await);
                Ok(())
            },
        )
        .await;
        assert!(strikes > 30);
    });
}

/// Cancels a run that may be cancelled already, and again when the request was refused.
async fn cancel(engine: &Engine, run: stepwell::RunId) -> Result<(), stepwell::SendError> {
    while let Err(error) = engine.cancel(run, "changed my mind").await {
        let view = engine.operator().run(run).await.unwrap().unwrap();
        if view.head.status.ended() {
            return Ok(());
        }
        if engine.health().failure.is_some() {
            let why = error.to_string();
            return Err(stepwell::SendError::Unavailable { why });
        }
    }
    Ok(())
}

/// Waits until the run sleeps, is over, or the engine failed.
async fn until_booked(engine: &Engine, run: stepwell::RunId) -> Result<(), stepwell::SendError> {
    loop {
        if let Some(why) = engine.health().failure {
            return Err(stepwell::SendError::Unavailable { why });
        }
        let view = engine.operator().run(run).await.unwrap().unwrap();
        let cancelling = told(engine, run)
            .await
            .iter()
            .any(|word| word == "cancel requested");
        if view.head.status == RunStatus::Waiting || view.head.status.ended() || cancelling {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_body_in_flight_when_the_cancellation_comes_is_recorded_and_undone() {
    paused(async {
        let world = World::default();
        let counted = world.clone();
        let code = async move |step: &mut Step| {
            let world = &counted;
            step.scope("trip", async |scope: &mut Scope<'_>| {
                let undone = world.clone();
                let slow = async |attempt: &Attempt| {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    assert!(attempt.is_cancelled(), "the body is told");
                    world.act(attempt);
                    Ok(1_u32)
                };
                let undo = async move |attempt: &Attempt, _: u32| {
                    undone.act(attempt);
                    Ok(())
                };
                let booked = scope.run("flight", slow).undo(undo).await?;
                scope.run("never", async |_: &Attempt| Ok(())).await?;
                Ok(booked)
            })
            .await
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let run = begin(&engine).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        engine.cancel(run, "now").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(world.acts(), ["trip/0/flight", "trip/undo/flight"]);
        let words = told(&engine, run).await;
        assert!(
            !words.iter().any(|word| word.contains("never")),
            "{words:?}"
        );
    });
}

#[test]
fn nested_scopes_undo_from_the_inside_out() {
    paused(async {
        let world = World::default();
        let counted = world.clone();
        let code = async move |step: &mut Step| {
            let world = &counted;
            step.scope("outer", async |outer: &mut Scope<'_>| {
                let undone = world.clone();
                outer.on_undo("last", async move |attempt: &Attempt| {
                    undone.act(attempt);
                    Ok(())
                })?;
                outer
                    .scope("inner", async |inner: &mut Scope<'_>| {
                        let undone = world.clone();
                        inner.on_undo("first", async move |attempt: &Attempt| {
                            undone.act(attempt);
                            Ok(())
                        })?;
                        inner.sleep("away", Duration::from_secs(86_400)).await?;
                        Ok(1_u32)
                    })
                    .await
            })
            .await
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.cancel(run, "now").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(
            world.acts(),
            ["outer/0/inner/undo/first", "outer/undo/last"]
        );
    });
}

#[test]
fn a_branch_that_loses_a_race_undoes_its_open_scope_before_the_race_is_over() {
    paused(async {
        let world = World::default();
        let counted = world.clone();
        let code = async move |step: &mut Step| {
            let world = &counted;
            let books = async |line: &mut Step| {
                let end = async |scope: &mut Scope<'_>| {
                    scope.sleep("away", Duration::from_secs(86_400)).await?;
                    Ok(1)
                };
                let trip = async |scope: &mut Scope<'_>| book(scope, world, end).await;
                line.scope("trip", trip).await
            };
            let limit = async |line: &mut Step| {
                line.sleep("limit", Duration::from_secs(60)).await?;
                Ok(2_u32)
            };
            Ok(step.race("first", (books, limit)).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("2"));
        let expected = UNDONE.map(|step| format!("first/0/{step}"));
        assert_eq!(world.acts(), expected);
    });
}

#[test]
fn a_compensation_is_retried_and_one_that_is_spent_is_named_behind_the_error() {
    paused(async {
        let tries = Arc::new(Mutex::new(0));
        let counted = tries.clone();
        let code = async move |step: &mut Step| {
            let counted = &counted;
            let trip: Result<u32, Error> = step
                .scope("trip", async |scope: &mut Scope<'_>| {
                    let tries = counted.clone();
                    scope
                        .run("flight", async |_: &Attempt| Ok(1_u32))
                        .retries(2)
                        .undo(async move |_: &Attempt, _: u32| {
                            *tries.lock().unwrap() += 1;
                            Err(Error::retryable("desk is closed"))
                        })
                        .await?;
                    Err(Error::terminal("no money"))
                })
                .await;
            let error = trip.unwrap_err().to_string();
            assert!(
                error.contains("no money") && error.contains("desk is closed"),
                "{error}"
            );
            Ok(1)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("1"));
        assert_eq!(*tries.lock().unwrap(), 3);
    });
}

#[test]
fn killing_a_run_undoes_nothing() {
    paused(async {
        let world = World::default();
        let engine = engine(MemoryStore::new(), stays_open(&world)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.kill(run, "at once").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        assert_eq!(world.acts(), UNDONE[..3]);
        assert_eq!(told(&engine, run).await.last().unwrap(), "killed");
    });
}
