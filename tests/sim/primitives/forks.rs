//! Branches side by side: the same addresses, the same order, the same winner, crash or no crash.

use std::cell::RefCell;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Registry, Step};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, event, everywhere, json};
use crate::engine::world::{Calls, begin, engine, finish, paused, shop, told, until_status};

#[derive(Event, Serialize, Deserialize)]
#[event("race/stop", key = "id")]
struct Stop {
    id: String,
}

/// A body that takes so many virtual milliseconds.
async fn takes(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[test]
fn branches_of_several_steps_run_side_by_side_and_keep_their_addresses() {
    paused(async {
        let code = async move |step: &mut Step| {
            let (left, right) = step
                .join(
                    "both",
                    (
                        async |line: &mut Step| {
                            let one = line
                                .run("fetch", async |_: &Attempt| {
                                    takes(30).await;
                                    Ok(1_u32)
                                })
                                .await?;
                            line.run("store", async |_: &Attempt| Ok(one + 1)).await
                        },
                        async |line: &mut Step| {
                            line.run("fetch", async |_: &Attempt| {
                                takes(10).await;
                                Ok(10_u32)
                            })
                            .await
                        },
                    ),
                )
                .await?;
            Ok(left? + right?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let clock = crate::engine::world::clock();
        let began = clock.now();
        let (run, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("12"));
        assert!(
            clock.now().since(began) < Duration::from_millis(40),
            "one after the other"
        );
        let expected = [
            "started",
            "both forks 2",
            "both/1/fetch ok 1",
            "both/1 ended",
            "both/0/fetch ok 1",
            "both/0/store ok 1",
            "both/0 ended",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

/// A run whose branches write down the order in which they see results.
fn notes(delays: [u64; 3]) -> Registry {
    shop(async move |step: &mut Step| {
        let seen = RefCell::new(Vec::new());
        let seen = &seen;
        let branch = move |number: usize| {
            async move |line: &mut Step| {
                for round in 0..3_usize {
                    let ms = delays[number] * (round as u64 + 1);
                    let body = async |_: &Attempt| {
                        takes(ms).await;
                        Ok(())
                    };
                    line.run("work", body).await?;
                    seen.borrow_mut().push(number);
                }
                Ok::<_, Error>(())
            }
        };
        let all = step.join("all", (branch(0), branch(1), branch(2))).await?;
        let _ = (all.0?, all.1?, all.2?);
        step.sleep("rest", Duration::from_secs(60)).await?;
        // In base 4, so that every order is another number.
        let order = seen
            .borrow()
            .iter()
            .fold(0, |sum, number| sum * 4 + *number as u32);
        Ok(order)
    })
}

#[test]
fn what_branches_do_to_shared_variables_is_repeated_on_replay_as_it_happened() {
    // Each parks at the sleep, so the order is computed by a replay: it must be the live one,
    // which the journal shows.
    for delays in [[1, 2, 3], [3, 2, 1], [5, 1, 5], [2, 2, 2], [7, 3, 1]] {
        paused(async {
            let engine = engine(MemoryStore::new(), notes(delays)).await;
            let (run, outcome) = finish(&engine).await;
            let words = told(&engine, run).await;
            let order = words
                .iter()
                .filter(|word| word.contains("/work"))
                .map(|word| u32::from(word.as_bytes()[4] - b'0'))
                .fold(0, |sum, number| sum * 4 + number);
            assert_eq!(outcome, json(&order.to_string()), "{delays:?}: {words:?}");
        });
    }
}

#[test]
fn a_join_comes_to_the_same_end_whichever_commit_a_crash_strikes() {
    paused(async {
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            let outcome = engine.outcome(run).await?;
            let words = told(engine, run).await;
            let order = words
                .iter()
                .filter(|word| word.contains("/work") && word.contains(" ok "))
                .map(|word| u32::from(word.as_bytes()[4] - b'0'))
                .fold(0, |sum, number| sum * 4 + number);
            assert_eq!(outcome, json(&order.to_string()), "{words:?}");
            Ok(())
        };
        assert!(everywhere(|| notes([3, 2, 1]), act).await > 40);
    });
}

#[test]
fn a_map_begins_its_branches_in_order_at_most_so_many_at_a_time() {
    paused(async {
        let calls = Calls::default();
        let under_way = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let (counted, flying) = (calls.clone(), under_way.clone());
        let code = async move |step: &mut Step| {
            let (counted, flying) = (&counted, &flying);
            let body = async |line: &mut Step, item: u32| {
                line.run("ship", async |_: &Attempt| {
                    let now = flying.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                    assert!(now <= 5, "{now} at a time");
                    counted.note("ship");
                    takes(10 + u64::from(item % 3)).await;
                    flying.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    Ok(item)
                })
                .await
            };
            let shipped = step.map("items", 0..100_u32, 5, body).await?;
            let mut sum = 0;
            for (at, item) in shipped.into_iter().enumerate() {
                let item = item?;
                assert_eq!(item as usize, at, "results stand in the order of the items");
                sum += item;
            }
            Ok(sum)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("4950"));
        assert_eq!(calls.of("ship"), 100);
    });
}

#[test]
fn a_map_of_none_is_over_at_once() {
    paused(async {
        let code = async move |step: &mut Step| {
            let body = async |_: &mut Step, item: u32| item;
            let none = step.map("items", Vec::<u32>::new(), 5, body).await?;
            Ok(none.len() as u32)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("0"));
        assert_eq!(
            told(&engine, run).await,
            ["started", "items forks 0", "completed"]
        );
    });
}

/// A sleep against an event; says which won.
fn races() -> Registry {
    shop(async move |step: &mut Step| {
        let won = step
            .race(
                "first",
                (
                    async |line: &mut Step| {
                        line.sleep("late", Duration::from_secs(60)).await?;
                        Ok(1_u32)
                    },
                    async |line: &mut Step| {
                        line.wait_for::<Stop>("stopped", "x").await?;
                        Ok(2_u32)
                    },
                ),
            )
            .await?;
        step.sleep("after", Duration::from_secs(5)).await?;
        Ok(won)
    })
    .event::<Stop>()
}

#[test]
fn a_race_records_winner_and_value_in_one_entry_and_the_loser_is_over() {
    paused(async {
        let engine = engine(MemoryStore::new(), races()).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("1"));
        let expected = [
            "started",
            "first forks 2",
            "first/0/late waits",
            "first/1/stopped waits",
            "first/0/late ok 1",
            "first/0 ended",
            "after waits",
            "after ok 1",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
        let waits = engine.operator().run(run).await.unwrap().unwrap();
        assert_eq!(waits.head.status, RunStatus::Completed);
    });
}

#[test]
fn a_race_between_a_sleep_and_an_event_has_one_winner_whichever_commit_a_crash_strikes() {
    for (delay, won) in [(10, "2"), (300, "1")] {
        paused(async {
            let act = async |engine: &Engine| {
                let run = ask(engine).await?;
                tokio::time::sleep(Duration::from_secs(delay)).await;
                let stop = event("stop", "race/stop", "{\"id\":\"x\"}");
                engine.publish(vec![stop]).await?;
                let outcome = engine.outcome(run).await?;
                // A crash may let the sleep come first where the event would have won.
                let words = told(engine, run).await;
                let winner = if words.iter().any(|word| word == "first/1 ended") {
                    "2"
                } else {
                    "1"
                };
                assert_eq!(outcome, json(winner), "{words:?}");
                let ends = words
                    .iter()
                    .filter(|word| word.starts_with("first/") && word.ends_with("ended"));
                assert_eq!(ends.count(), 1, "{words:?}");
                Ok(())
            };
            assert!(everywhere(races, act).await > 15);
            let engine = engine(MemoryStore::new(), races()).await;
            let run = begin(&engine).await;
            tokio::time::sleep(Duration::from_secs(delay)).await;
            let stop = event("stop", "race/stop", "{\"id\":\"x\"}");
            engine.publish(vec![stop]).await.unwrap();
            assert_eq!(engine.outcome(run).await.unwrap(), json(won));
        });
    }
}

#[test]
fn a_race_drops_the_bodies_of_the_losers_and_tells_them() {
    paused(async {
        let told_of_it = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = told_of_it.clone();
        let code = async move |step: &mut Step| {
            let seen = &seen;
            let fast = async |line: &mut Step| {
                let body = async |_: &Attempt| {
                    takes(5).await;
                    Ok(1_u32)
                };
                Ok(line.run("fast", body).await?)
            };
            let slow = async |line: &mut Step| {
                let body = async |attempt: &Attempt| {
                    struct Told<'a>(&'a Attempt, &'a std::sync::atomic::AtomicBool);
                    impl Drop for Told<'_> {
                        fn drop(&mut self) {
                            let cancelled = self.0.is_cancelled();
                            self.1
                                .store(cancelled, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                    let _told = Told(attempt, seen);
                    takes(3_600_000).await;
                    Ok(2_u32)
                };
                Ok(line.run("slow", body).await?)
            };
            Ok(step.race("first", (fast, slow)).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("1"));
        assert!(told_of_it.load(std::sync::atomic::Ordering::Relaxed));
    });
}

#[test]
fn an_error_wins_a_race_like_a_value_and_is_not_tried_again() {
    paused(async {
        let code = async move |step: &mut Step| {
            let fails = async |_: &mut Step| Err::<u32, _>(Error::retryable("no luck"));
            let sleeps = async |line: &mut Step| {
                line.sleep("late", Duration::from_secs(60)).await?;
                Ok(1_u32)
            };
            Ok(step.race("first", (fails, sleeps)).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(failure.message.contains("no luck"), "{failure:?}");
        assert!(
            !told(&engine, run)
                .await
                .iter()
                .any(|word| word.starts_with("code failed"))
        );
    });
}

#[test]
fn forks_nest_and_a_run_in_them_is_parked_when_all_of_them_wait() {
    let registry = || {
        shop(async move |step: &mut Step| {
            let (a, b) = step
                .join(
                    "outer",
                    (
                        async |line: &mut Step| {
                            let body = async |line: &mut Step, n: u32| {
                                line.sleep("nap", Duration::from_secs(u64::from(n) * 60))
                                    .await?;
                                Ok::<_, Error>(n)
                            };
                            let naps = line.map("naps", 1..4_u32, 2, body).await?;
                            let mut sum = 0;
                            for nap in naps {
                                sum += nap?;
                            }
                            Ok::<_, Error>(sum)
                        },
                        async |line: &mut Step| {
                            line.sleep("long", Duration::from_secs(600)).await?;
                            line.run("done", async |_: &Attempt| Ok(100_u32)).await
                        },
                    ),
                )
                .await?;
            Ok(a? + b?)
        })
    };
    paused(async {
        let engine = engine(MemoryStore::new(), registry()).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        assert_eq!(engine.health().driven_runs, 0);
        assert_eq!(engine.outcome(run).await.unwrap(), json("106"));
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("106"));
            Ok(())
        };
        assert!(everywhere(registry, act).await > 40);
    });
}

#[test]
fn a_fork_with_another_number_of_branches_quarantines_the_run_and_names_both() {
    paused(async {
        let two = || {
            shop(async move |step: &mut Step| {
                let sleep =
                    async |line: &mut Step| line.sleep("nap", Duration::from_secs(60)).await;
                let (a, b) = step.join("all", (sleep, sleep)).await?;
                a?;
                b?;
                Ok(2)
            })
        };
        let three = || {
            shop(async move |step: &mut Step| {
                let sleep =
                    async |line: &mut Step| line.sleep("nap", Duration::from_secs(60)).await;
                let (a, b, c) = step.join("all", (sleep, sleep, sleep)).await?;
                a?;
                b?;
                c?;
                Ok(3)
            })
        };
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), two()).await;
        let run = begin(&first).await;
        until_status(&first, run, RunStatus::Waiting).await;
        first.drain(Duration::ZERO).await;
        let second = engine(memory.reopen(), three()).await;
        let view = until_status(&second, run, RunStatus::Quarantined).await;
        let why = view.quarantine.unwrap();
        assert!(
            why.contains("join all of 2 branches") && why.contains("of 3"),
            "{why}"
        );
        second.drain(Duration::ZERO).await;
        let third = engine(memory.reopen(), two()).await;
        third.resume(run).await.unwrap();
        assert_eq!(third.outcome(run).await.unwrap(), json("2"));
    });
}
