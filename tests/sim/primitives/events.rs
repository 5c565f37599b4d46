//! Events and the runs that wait for them: none is lost, none satisfies two waits of a run.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Error, Event, Payload, Registry, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::Engine;
use stepwell_testkit::faulty::FaultyStore;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, event, everywhere, json};
use crate::engine::world::{
    begin, engine, engine_over, finish, options, paused, run_of, shop, told, until_status,
};

#[derive(Event, Serialize, Deserialize)]
#[event("pay/paid", key = "orderId")]
#[serde(rename_all = "camelCase")]
struct Paid {
    order_id: String,
    amount: u32,
}

fn paid(id: &str, order: &str, amount: u32) -> stepwell_engine::NewEvent {
    let data = format!("{{\"orderId\":\"{order}\",\"amount\":{amount}}}");
    event(id, "pay/paid", &data)
}

/// Waits for a payment of order `o-1` and returns its amount.
fn waits() -> Registry {
    shop(async move |step: &mut Step| {
        let paid = step.wait_for::<Paid>("payment", "o-1").await?;
        Ok(paid.amount)
    })
    .event::<Paid>()
}

#[test]
fn an_event_sent_before_the_code_comes_to_its_wait_is_not_lost() {
    paused(async {
        let code = async move |step: &mut Step| {
            step.sleep("first", Duration::from_secs(60)).await?;
            let paid = step.wait_for::<Paid>("payment", "o-1").await?;
            Ok(paid.amount)
        };
        let engine = engine(MemoryStore::new(), shop(code).event::<Paid>()).await;
        let run = begin(&engine).await;
        engine.publish(vec![paid("p-1", "o-1", 7)]).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("7"));
        let expected = [
            "started",
            "first waits",
            "first ok 1",
            "payment waits",
            "payment received p-1",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn an_event_sent_while_a_run_is_parked_reaches_it() {
    paused(async {
        let engine = engine(MemoryStore::new(), waits()).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        assert_eq!(engine.health().driven_runs, 0);
        engine
            .publish(vec![paid("other", "o-2", 1), paid("p-1", "o-1", 7)])
            .await
            .unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("7"));
    });
}

#[test]
fn an_event_older_than_the_run_does_not_count_unless_it_looks_back() {
    paused(async {
        let engine = engine(MemoryStore::new(), waits()).await;
        engine.publish(vec![paid("old", "o-1", 1)]).await.unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.publish(vec![paid("new", "o-1", 2)]).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("2"));
        let code = async move |step: &mut Step| {
            let wait = step.wait_for::<Paid>("payment", "o-1");
            Ok(wait.look_back(Duration::from_secs(3_600)).await?.amount)
        };
        let back =
            crate::engine::world::engine(MemoryStore::new(), shop(code).event::<Paid>()).await;
        back.publish(vec![paid("old", "o-1", 1)]).await.unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        let (_, outcome) = finish(&back).await;
        assert_eq!(outcome, json("1"));
    });
}

#[test]
fn an_event_satisfies_at_most_one_wait_of_a_run_and_every_run_that_waits() {
    paused(async {
        let code = async move |step: &mut Step| {
            let first = step.wait_for::<Paid>("first", "o-1").await?.amount;
            let wait = step.wait_for::<Paid>("second", "o-1");
            let second = wait.timeout(Duration::from_secs(60)).await?;
            Ok(first * 100 + second.map_or(0, |paid| paid.amount))
        };
        let engine = engine(MemoryStore::new(), shop(code).event::<Paid>()).await;
        let started = (0..20).map(|n| event(&format!("ask-{n}"), "shop/asked", "{}"));
        engine.publish(started.collect()).await.unwrap();
        for n in 0..20 {
            let run = run_of(&engine, &format!("ask-{n}")).await;
            until_status(&engine, run, RunStatus::Waiting).await;
        }
        engine.publish(vec![paid("p-1", "o-1", 7)]).await.unwrap();
        for n in 0..20 {
            let run = run_of(&engine, &format!("ask-{n}")).await;
            assert_eq!(engine.outcome(run).await.unwrap(), json("700"), "run {n}");
        }
    });
}

#[test]
fn the_event_that_started_a_run_satisfies_none_of_its_waits() {
    #[workflow(on = Paid, name = "shop")]
    async fn paid_again(step: &mut Step, first: Paid) -> Result<u32, Error> {
        let wait = step.wait_for::<Paid>("again", &first.order_id);
        let again = wait.timeout(Duration::from_secs(60)).await?;
        Ok(again.map_or(0, |again| again.amount))
    }
    paused(async {
        let engine = engine(MemoryStore::new(), Registry::new().with(paid_again)).await;
        let ended = engine.execute(paid("p-1", "o-1", 7)).await.unwrap();
        assert_eq!(ended[0].1, json("0"));
    });
}

#[test]
fn of_two_events_the_first_in_the_log_is_taken_whatever_their_senders_say_of_time() {
    paused(async {
        let engine = engine(MemoryStore::new(), waits()).await;
        let run = begin(&engine).await;
        let mut late = paid("late", "o-1", 1);
        late.ts = Some(stepwell::Timestamp::from_ms(9_999_999_999_999));
        let mut early = paid("early", "o-1", 2);
        early.ts = Some(stepwell::Timestamp::from_ms(1));
        engine.publish(vec![late, early]).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
    });
}

#[test]
fn a_wait_with_a_limit_gives_up_and_a_later_event_changes_nothing() {
    paused(async {
        let code = async move |step: &mut Step| {
            let wait = step.wait_for::<Paid>("payment", "o-1");
            let paid = wait.timeout(Duration::from_secs(60)).await?;
            step.sleep("more", Duration::from_secs(60)).await?;
            Ok(paid.map_or(0, |paid| paid.amount))
        };
        let engine = engine(MemoryStore::new(), shop(code).event::<Paid>()).await;
        let run = begin(&engine).await;
        tokio::time::sleep(Duration::from_secs(90)).await;
        engine.publish(vec![paid("p-1", "o-1", 7)]).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("0"));
        let expected = [
            "started",
            "payment waits",
            "payment timed out",
            "more waits",
            "more ok 1",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn an_event_that_came_before_the_deadline_wins_although_the_engine_was_down_at_both() {
    paused(async {
        let code = || {
            shop(async move |step: &mut Step| {
                let wait = step.wait_for::<Paid>("payment", "o-1");
                let paid = wait.timeout(Duration::from_secs(60)).await?;
                Ok(paid.map_or(0, |paid| paid.amount))
            })
            .event::<Paid>()
        };
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), code()).await;
        let run = begin(&first).await;
        until_status(&first, run, RunStatus::Waiting).await;
        // The event is durable and the engine gone before it is handed out.
        let sent = first.publish(vec![paid("p-1", "o-1", 7)]).await;
        sent.unwrap();
        first.drain(Duration::ZERO).await;
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let second = engine(memory.reopen(), code()).await;
        assert_eq!(second.outcome(run).await.unwrap(), json("7"));
    });
}

#[test]
fn a_judged_wait_turns_events_down_takes_the_first_that_fits_and_loses_none_between() {
    let code = || {
        shop(async move |step: &mut Step| {
            let wait = step.wait_for::<Paid>("large", "o-1");
            let large = wait.matching(|paid| paid.amount >= 100).await?;
            let next = step.wait_for::<Paid>("any", "o-1").await?;
            Ok(large.amount * 1_000 + next.amount)
        })
        .event::<Paid>()
    };
    paused(async {
        let registry = code;
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            let sent = [("p-1", 1), ("p-2", 2), ("p-3", 100), ("p-4", 200)];
            for (id, amount) in sent {
                engine.publish(vec![paid(id, "o-1", amount)]).await?;
            }
            assert_eq!(engine.outcome(run).await?, json("100001"));
            Ok(())
        };
        assert!(everywhere(registry, act).await > 20);
    });
}

#[test]
fn an_event_turned_down_by_one_wait_reaches_another_of_the_same_run() {
    paused(async {
        let code = async move |step: &mut Step| {
            let (large, any) = step
                .join(
                    "both",
                    (
                        async |line: &mut Step| {
                            let wait = line.wait_for::<Paid>("large", "o-1");
                            wait.matching(|paid| paid.amount >= 100).await
                        },
                        async |line: &mut Step| line.wait_for::<Paid>("any", "o-1").await,
                    ),
                )
                .await?;
            Ok(large?.amount * 1_000 + any?.amount)
        };
        let engine = engine(MemoryStore::new(), shop(code).event::<Paid>()).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine
            .publish(vec![paid("small", "o-1", 5), paid("large", "o-1", 100)])
            .await
            .unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("100005"));
    });
}

#[test]
fn an_event_sent_before_during_or_after_a_wait_begins_is_never_lost_nor_taken_twice() {
    // The wait begins while events come in; each commit of either side is struck in turn.
    let registry = || {
        shop(async move |step: &mut Step| {
            let first = step.wait_for::<Paid>("first", "o-1").await?;
            let second = step.wait_for::<Paid>("second", "o-1").await?;
            let third = step.wait_for::<Paid>("third", "o-1").await?;
            let mut amounts = [first.amount, second.amount, third.amount];
            amounts.sort_unstable();
            Ok(amounts.iter().fold(0, |sum, amount| sum * 10 + amount))
        })
        .event::<Paid>()
    };
    paused(async {
        let act = async |engine: &Engine| {
            let (run, one) = tokio::join!(
                biased;
                ask(engine),
                engine.publish(vec![paid("p-1", "o-1", 1)])
            );
            let run = run?;
            one?;
            engine.publish(vec![paid("p-2", "o-1", 2)]).await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            engine.publish(vec![paid("p-3", "o-1", 3)]).await?;
            // The first may have come before the run: then another makes up for it.
            engine.publish(vec![paid("p-4", "o-1", 4)]).await?;
            let outcome = engine.outcome(run).await?;
            let told = told(engine, run).await;
            let whole = [json("123"), json("234")];
            assert!(whole.contains(&outcome), "{outcome:?}: {told:?}");
            for id in ["p-1", "p-2", "p-3", "p-4"] {
                let taken = told
                    .iter()
                    .filter(|word| word.ends_with(&format!("received {id}")));
                assert!(taken.count() <= 1, "{told:?}");
            }
            Ok(())
        };
        assert!(everywhere(registry, act).await > 20);
    });
}

#[test]
fn one_event_for_ten_thousand_waiting_runs_is_delivered_in_bounded_commits() {
    const RUNS: usize = 10_000;
    const A_COMMIT: usize = 256;
    paused(async {
        let memory = MemoryStore::new();
        let faulty = std::sync::Arc::new(FaultyStore::new(memory));
        let engine = engine_over(faulty.clone(), waits(), options()).await;
        for batch in 0..RUNS / 1_000 {
            let asks = (0..1_000).map(|n| {
                let id = format!("ask-{}", batch * 1_000 + n);
                event(&id, "shop/asked", "{}")
            });
            engine.publish(asks.collect()).await.unwrap();
        }
        let last = run_of(&engine, &format!("ask-{}", RUNS - 1)).await;
        until_status(&engine, last, RunStatus::Waiting).await;
        while engine.health().ready_runs > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (before, _) = faulty.counts();
        engine.publish(vec![paid("p-1", "o-1", 7)]).await.unwrap();
        for n in [0, 1, A_COMMIT, RUNS - 1] {
            let run = run_of(&engine, &format!("ask-{n}")).await;
            assert_eq!(engine.outcome(run).await.unwrap(), json("7"), "run {n}");
        }
        while engine.health().ready_runs > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (after, _) = faulty.counts();
        // Each run commits its own: the event taken, its end.
        let handing_out = after - before - 1 - 2 * RUNS as u64;
        let bound = RUNS.div_ceil(A_COMMIT) as u64 + 1;
        assert!(handing_out <= bound, "{handing_out} commits to hand it out");
    });
}

#[test]
fn an_event_of_a_type_the_engine_does_not_know_is_refused_as_a_wait_by_name() {
    paused(async {
        let code = async move |step: &mut Step| {
            let wait = step.wait_for::<Paid>("payment", "o-1").await;
            let error = wait
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            Ok(u32::from(
                error.contains("pay/paid") && error.contains("Registry::event"),
            ))
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("1"));
    });
}

#[test]
fn an_event_that_does_not_have_the_expected_shape_is_an_error_of_the_wait() {
    paused(async {
        let code = async move |step: &mut Step| match step.wait_for::<Paid>("payment", "o-1").await
        {
            Ok(_) => Ok(0),
            Err(error) => Ok(u32::from(error.is_terminal())),
        };
        let engine = engine(MemoryStore::new(), shop(code).event::<Paid>()).await;
        let run = begin(&engine).await;
        let odd = event(
            "odd",
            "pay/paid",
            "{\"orderId\":\"o-1\",\"amount\":\"much\"}",
        );
        engine.publish(vec![odd]).await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), json("1"));
    });
}

#[test]
fn an_event_a_run_sends_reaches_its_own_later_wait_and_is_sent_once() {
    let registry = || {
        shop(async move |step: &mut Step| {
            let event = Paid {
                order_id: "o-1".to_owned(),
                amount: 9,
            };
            step.send("announce", &event).await?;
            Ok(step.wait_for::<Paid>("payment", "o-1").await?.amount)
        })
        .event::<Paid>()
    };
    paused(async {
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("9"));
            let sent = stepwell::EventId::new(format!("{run}/announce"));
            assert!(engine.operator().event(sent).await.unwrap().is_some());
            Ok(())
        };
        assert!(everywhere(registry, act).await > 10);
    });
}

#[test]
fn a_sent_event_starts_its_runs_in_the_commit_that_records_the_step() {
    #[workflow(on = Paid)]
    async fn receipt(step: &mut Step, paid: Paid) -> Result<u32, Error> {
        let amount = paid.amount;
        Ok(step.run("print", async |_| Ok(amount)).await?)
    }
    let registry = || {
        shop(async move |step: &mut Step| {
            let events = [3, 4].map(|amount| Paid {
                order_id: "o-1".to_owned(),
                amount,
            });
            Ok(u32::try_from(step.send_all("announce", &events).await?.len()).unwrap_or(0))
        })
        .with(receipt)
    };
    paused(async {
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("2"));
            for (nth, amount) in [(0, "3"), (1, "4")] {
                let id = format!("{run}/announce/{nth}");
                let started = run_of(engine, &id).await;
                let outcome = engine.outcome(started).await?;
                assert_eq!(outcome, Outcome::Completed(Payload::from_json(amount)));
            }
            Ok(())
        };
        assert!(everywhere(registry, act).await > 10);
    });
}

#[test]
fn waits_that_begin_together_miss_none_of_the_events_that_are_there() {
    let registry = || {
        let code = async move |step: &mut Step| {
            step.sleep("first", Duration::from_secs(10)).await?;
            let body = async |line: &mut Step, _: u32| {
                let wait = line.wait_for::<Paid>("payment", "o-1");
                Ok::<_, Error>(wait.timeout(Duration::from_secs(60)).await?)
            };
            let mut sum = 0;
            for paid in step.map("all", 0..3, 3, body).await? {
                sum += paid?.map_or(0, |paid| paid.amount);
            }
            Ok(sum)
        };
        shop(code).event::<Paid>()
    };
    paused(async {
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            for (id, amount) in [("p-1", 1), ("p-2", 20), ("p-3", 300)] {
                engine.publish(vec![paid(id, "o-1", amount)]).await?;
            }
            assert_eq!(engine.outcome(run).await?, json("321"));
            Ok(())
        };
        assert!(everywhere(registry, act).await > 15);
    });
}
