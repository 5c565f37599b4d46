//! Signals: to one run, kept in order, before and after the code asks.

use std::time::Duration;

use stepwell::{Error, RunRef, StartOptions, Step, workflow};
use stepwell_core::Payload;
use stepwell_core::run::RunStatus;
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, everywhere, json};
use crate::engine::world::{begin, engine, paused, shop, told, until_status};

fn adds_two() -> stepwell::Registry {
    shop(async move |step: &mut Step| {
        step.sleep("first", Duration::from_secs(5)).await?;
        let one: u32 = step.wait_signal("one", "add").await?;
        let two: u32 = step.wait_signal("two", "add").await?;
        Ok(one * 10 + two)
    })
}

async fn add(engine: &Engine, run: stepwell::RunId, number: &str) {
    let data = Payload::from_json(number);
    engine
        .signal(RunRef::Id(run), "add".to_owned(), data)
        .await
        .unwrap();
}

#[test]
fn signals_that_come_before_the_code_asks_are_kept_in_order() {
    paused(async {
        let engine = engine(MemoryStore::new(), adds_two()).await;
        let run = begin(&engine).await;
        add(&engine, run, "1").await;
        add(&engine, run, "2").await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("12"));
    });
}

#[test]
fn a_signal_reaches_a_parked_run_and_survives_a_crash() {
    paused(async {
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), adds_two()).await;
        let run = begin(&first).await;
        add(&first, run, "1").await;
        until_status(&first, run, RunStatus::Waiting).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        first.drain(Duration::ZERO).await;
        let second = engine(memory.reopen(), adds_two()).await;
        add(&second, run, "2").await;
        assert_eq!(second.outcome(run).await.unwrap(), json("12"));
        let told = told(&second, run).await;
        assert_eq!(told.iter().filter(|word| *word == "signal add").count(), 2);
    });
}

#[test]
fn a_signal_wait_with_a_limit_gives_up() {
    paused(async {
        let code = async move |step: &mut Step| {
            let wait = step.wait_signal::<u32>("wait", "add");
            Ok(wait.timeout(Duration::from_secs(60)).await?.unwrap_or(99))
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let run = begin(&engine).await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("99"));
    });
}

#[test]
fn a_signal_to_no_run_or_an_ended_one_is_refused_by_name() {
    paused(async {
        let engine = engine(MemoryStore::new(), shop(async move |_: &mut Step| Ok(1))).await;
        let run = begin(&engine).await;
        engine.outcome(run).await.unwrap();
        for missing in [run, stepwell::RunId::from_bytes([1; 16])] {
            let data = Payload::null();
            let sent = engine.signal(missing.into(), "add".to_owned(), data).await;
            let error = sent.unwrap_err().to_string();
            assert!(error.contains(&missing.to_string()), "{error}");
        }
    });
}

#[test]
fn one_run_signals_another_by_the_key_it_was_started_under_exactly_as_often_as_it_says() {
    #[workflow]
    async fn listener(step: &mut Step, count: u32) -> Result<u32, Error> {
        let mut sum = 0;
        for _ in 0..count {
            let number: u32 = step.wait_signal("number", "add").await?;
            sum += number;
        }
        Ok(sum)
    }
    let registry = || {
        shop(async move |step: &mut Step| {
            for number in [1, 2, 3] {
                let to = RunRef::named(&listener, "the-one");
                step.signal("tell", to, "add", &number).await?;
            }
            Ok(0)
        })
        .with(listener)
    };
    paused(async {
        let act = async |engine: &Engine| {
            let options = StartOptions {
                key: Some("the-one".to_owned()),
                ..StartOptions::default()
            };
            let input = Payload::from_json("3");
            let started = engine.start_run("listener", input, options).await?;
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("0"));
            assert_eq!(engine.outcome(started.run).await?, json("6"));
            let told = told(engine, started.run).await;
            let signals = told.iter().filter(|word| *word == "signal add").count();
            assert_eq!(signals, 3, "{told:?}");
            Ok(())
        };
        assert!(everywhere(registry, act).await > 15);
    });
}

#[test]
fn a_signal_nobody_asked_for_goes_on_with_a_run_that_continues_as_new() {
    #[workflow]
    async fn relay(step: &mut Step, first: bool) -> Result<u32, Error> {
        if first {
            step.sleep("rest", Duration::from_secs(60)).await?;
            return step.continue_as_new(&false).await;
        }
        Ok(step.wait_signal("number", "add").await?)
    }
    paused(async {
        let registry = shop(async move |_: &mut Step| Ok(0)).with(relay);
        let engine = engine(MemoryStore::new(), registry).await;
        let input = Payload::from_json("true");
        let started = engine.start_run("relay", input, StartOptions::default());
        let run = started.await.unwrap().run;
        add(&engine, run, "7").await;
        let day = Duration::from_secs(86_400);
        let ended = tokio::time::timeout(day, engine.outcome(run)).await;
        assert_eq!(ended, Ok(Ok(json("7"))));
    });
}
