//! Time: instants recorded once, kept across crashes, for a millisecond as for a year.

use std::time::Duration;

use stepwell::{Step, Timestamp};
use stepwell_core::EntryBody;
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::{ask, everywhere, json};
use crate::engine::world::{
    BEGIN, begin, engine, finish, journal, paused, shop, told, until_status,
};

fn sleeps(duration: Duration) -> stepwell::Registry {
    shop(async move |step: &mut Step| {
        step.sleep("rest", duration).await?;
        Ok(1)
    })
}

#[test]
fn a_sleep_ends_at_the_recorded_instant_from_a_millisecond_to_years() {
    paused(async {
        for ms in [1, 999, 1_500, 86_400_000, 5 * 365 * 86_400_000] {
            let engine = engine(MemoryStore::new(), sleeps(Duration::from_millis(ms))).await;
            let clock = crate::engine::world::clock();
            let began = clock.now();
            let (run, outcome) = finish(&engine).await;
            assert_eq!(outcome, json("1"));
            let slept = clock.now().since(began);
            assert!(slept >= Duration::from_millis(ms), "{ms} ms took {slept:?}");
            assert!(
                slept < Duration::from_millis(ms + 1_000),
                "{ms} ms took {slept:?}"
            );
            let expected = ["started", "rest waits", "rest ok 1", "completed"];
            assert_eq!(told(&engine, run).await, expected);
        }
    });
}

#[test]
fn the_instant_of_waking_is_recorded_first_and_a_crash_does_not_start_the_wait_anew() {
    paused(async {
        let memory = MemoryStore::new();
        let hour = Duration::from_secs(3_600);
        let first = engine(memory.clone(), sleeps(hour)).await;
        let run = begin(&first).await;
        until_status(&first, run, RunStatus::Waiting).await;
        tokio::time::advance(hour / 2).await;
        first.drain(Duration::ZERO).await;
        let second = engine(memory.reopen(), sleeps(hour)).await;
        assert_eq!(second.outcome(run).await.unwrap(), json("1"));
        let entries = journal(&second, run).await;
        let EntryBody::WaitStarted(wait) = &entries[1].body else {
            panic!("{entries:?}");
        };
        let until = wait.until.unwrap();
        assert_eq!(until, entries[1].at.after(hour));
        assert!(entries[2].at.since(until) < Duration::from_secs(2), "late");
    });
}

#[test]
fn a_sleep_whose_instant_passed_while_the_engine_was_down_ends_at_once() {
    paused(async {
        let memory = MemoryStore::new();
        let hour = Duration::from_secs(3_600);
        let first = engine(memory.clone(), sleeps(hour)).await;
        let run = begin(&first).await;
        until_status(&first, run, RunStatus::Waiting).await;
        first.drain(Duration::ZERO).await;
        tokio::time::advance(hour * 3).await;
        let clock = crate::engine::world::clock();
        let opened = clock.now();
        let second = engine(memory.reopen(), sleeps(hour)).await;
        assert_eq!(second.outcome(run).await.unwrap(), json("1"));
        assert!(clock.now().since(opened) < Duration::from_secs(1));
    });
}

#[test]
fn sleep_until_an_instant_that_is_past_is_recorded_and_over_at_once() {
    paused(async {
        let code = async move |step: &mut Step| {
            step.sleep_until("past", BEGIN).await?;
            step.sleep_until("epoch", Timestamp::ZERO).await?;
            Ok(2)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("2"));
        let expected = [
            "started",
            "past waits",
            "past ok 1",
            "epoch waits",
            "epoch ok 1",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn a_sleeping_run_is_parked_and_shown_as_waiting_until_its_instant() {
    paused(async {
        let hour = Duration::from_secs(3_600);
        let engine = engine(MemoryStore::new(), sleeps(hour)).await;
        let run = begin(&engine).await;
        let view = until_status(&engine, run, RunStatus::Waiting).await;
        assert!(view.head.wake_at.is_some());
        assert_eq!(view.in_flight, None);
        assert_eq!(
            engine.health().driven_runs,
            0,
            "a parked run keeps no future"
        );
    });
}

#[test]
fn a_sleep_fires_once_whichever_commit_a_crash_strikes() {
    paused(async {
        let registry = || sleeps(Duration::from_secs(30));
        let act = async |engine: &stepwell_engine::Engine| {
            let run = ask(engine).await?;
            assert_eq!(
                engine.outcome(run).await?,
                Outcome::Completed(stepwell::Payload::from_json("1"))
            );
            let told = told(engine, run).await;
            assert_eq!(told, ["started", "rest waits", "rest ok 1", "completed"]);
            Ok(())
        };
        assert!(everywhere(registry, act).await >= 12);
    });
}
