//! Schedules: ticks start runs once, also across both changes of daylight saving and while down.

use std::time::Duration;

use stepwell::{Error, Missed, Overlap, Registry, Step, Tick, Timestamp, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::{Clock, Engine};
use stepwell_testkit::memory::MemoryStore;

use crate::engine::world::{options, paused, told};

#[workflow(cron = "30 2 * * *", zone = "America/Los_Angeles")]
async fn nightly(_step: &mut Step, tick: Tick) -> Result<u64, Error> {
    Ok(tick.at.as_ms())
}

#[workflow(cron = "30 1 * * *", zone = "America/Los_Angeles")]
async fn earlier(_step: &mut Step, tick: Tick) -> Result<u64, Error> {
    Ok(tick.at.as_ms())
}

#[workflow(cron = "0 * * * *", missed = Missed::Skip)]
async fn skips(_step: &mut Step, tick: Tick) -> Result<u64, Error> {
    Ok(tick.at.as_ms())
}

#[workflow(cron = "0 * * * *", missed = Missed::Latest)]
async fn latest(_step: &mut Step, tick: Tick) -> Result<u64, Error> {
    Ok(tick.at.as_ms())
}

#[workflow(
    cron = "0 * * * *",
    missed = Missed::All { within_ms: 86_400_000 },
    overlap = Overlap::Allow
)]
async fn all(_step: &mut Step, tick: Tick) -> Result<u64, Error> {
    Ok(tick.at.as_ms())
}

#[workflow(cron = "* * * * *", overlap = Overlap::Skip)]
async fn slow_skips(step: &mut Step, _tick: Tick) -> Result<u32, Error> {
    step.sleep("long", Duration::from_secs(150)).await?;
    Ok(1)
}

#[workflow(cron = "* * * * *", overlap = Overlap::Allow)]
async fn slow_allows(step: &mut Step, _tick: Tick) -> Result<u32, Error> {
    step.sleep("long", Duration::from_secs(150)).await?;
    Ok(1)
}

#[workflow(cron = "* * * * *", overlap = Overlap::CancelPrevious)]
async fn slow_cancels(step: &mut Step, _tick: Tick) -> Result<u32, Error> {
    step.sleep("long", Duration::from_secs(150)).await?;
    Ok(1)
}

/// An instant of 2026, UTC.
fn utc(month: i8, day: i8, hour: i8, minute: i8) -> Timestamp {
    let at = jiff::civil::date(2026, month, day).at(hour, minute, 0, 0);
    let zoned = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    Timestamp::from_ms(zoned.timestamp().as_millisecond().unsigned_abs())
}

async fn engine_at(store: MemoryStore, registry: Registry, clock: Clock) -> Engine {
    let store = std::sync::Arc::new(store);
    Engine::start(store, registry, clock, options())
        .await
        .unwrap()
}

/// The ticks whose runs completed, in order.
async fn ticks(engine: &Engine) -> Vec<Timestamp> {
    let mut ticks = Vec::new();
    for run in engine
        .operator()
        .runs(Default::default(), 1_000)
        .await
        .unwrap()
    {
        if let Ok(Outcome::Completed(output)) = engine.outcome(run.head.run).await {
            ticks.push(Timestamp::from_ms(output.as_json().parse().unwrap()));
        }
    }
    ticks.sort_unstable();
    ticks
}

#[test]
fn a_time_that_spring_leaves_out_fires_once_after_the_gap() {
    paused(async {
        // On 8 March 2026 Los Angeles goes from 02:00 to 03:00.
        let clock = Clock::virtual_from(utc(3, 7, 0, 0));
        let engine = engine_at(MemoryStore::new(), Registry::new().with(nightly), clock).await;
        tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
        let expected = [utc(3, 7, 10, 30), utc(3, 8, 10, 0), utc(3, 9, 9, 30)];
        assert_eq!(ticks(&engine).await, expected);
    });
}

#[test]
fn a_time_that_autumn_has_twice_fires_once_at_the_first() {
    paused(async {
        // On 1 November 2026 Los Angeles goes from 02:00 back to 01:00.
        let clock = Clock::virtual_from(utc(10, 31, 0, 0));
        let engine = engine_at(MemoryStore::new(), Registry::new().with(earlier), clock).await;
        tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
        let expected = [utc(10, 31, 8, 30), utc(11, 1, 8, 30), utc(11, 2, 9, 30)];
        assert_eq!(ticks(&engine).await, expected);
    });
}

#[test]
fn ticks_missed_while_the_engine_was_down_are_skipped_caught_up_with_or_started_by_policy() {
    paused(async {
        let registry = || Registry::new().with(skips).with(latest).with(all);
        let memory = MemoryStore::new();
        let clock = Clock::virtual_from(utc(6, 1, 8, 30));
        let first = engine_at(memory.clone(), registry(), clock).await;
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(ticks(&first).await, [utc(6, 1, 9, 0); 3]);
        first.drain(Duration::from_secs(1)).await;
        // Down over three ticks: 10:00, 11:00, 12:00.
        tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
        let second = engine_at(memory.reopen(), registry(), clock).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mut caught_up = ticks(&second).await.split_off(3);
        caught_up.sort_unstable();
        let hours = [10, 11, 12, 12].map(|hour| utc(6, 1, hour, 0));
        assert_eq!(
            caught_up, hours,
            "all three by one policy, the latest by another"
        );
        // From here on they tick together again.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(ticks(&second).await.split_off(7), [utc(6, 1, 13, 0); 3]);
    });
}

#[test]
fn a_tick_starts_no_second_run_when_the_engine_is_restarted_around_it() {
    paused(async {
        let registry = || Registry::new().with(all);
        let mut store = MemoryStore::new();
        let clock = Clock::virtual_from(utc(6, 1, 8, 59));
        for _ in 0..8 {
            let engine = engine_at(store.clone(), registry(), clock).await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            engine.drain(Duration::ZERO).await;
            store = store.reopen();
        }
        let engine = engine_at(store, registry(), clock).await;
        assert_eq!(ticks(&engine).await, [utc(6, 1, 9, 0)]);
    });
}

#[test]
fn a_schedule_that_was_changed_owes_nothing_for_the_time_before() {
    #[workflow(name = "all", cron = "*/5 * * * *", missed = Missed::All { within_ms: 86_400_000 })]
    async fn oftener(_step: &mut Step, tick: Tick) -> Result<u64, Error> {
        Ok(tick.at.as_ms())
    }
    paused(async {
        let memory = MemoryStore::new();
        let clock = Clock::virtual_from(utc(6, 1, 8, 30));
        let first = engine_at(memory.clone(), Registry::new().with(all), clock).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        first.drain(Duration::ZERO).await;
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let second = engine_at(memory.reopen(), Registry::new().with(oftener), clock).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(ticks(&second).await, [utc(6, 1, 9, 35)]);
    });
}

#[test]
fn a_tick_whose_predecessor_still_runs_is_skipped_allowed_or_ends_it_by_policy() {
    paused(async {
        let registry = || {
            Registry::new()
                .with(slow_skips)
                .with(slow_allows)
                .with(slow_cancels)
        };
        let clock = Clock::virtual_from(utc(6, 1, 8, 0));
        let engine = engine_at(MemoryStore::new(), registry(), clock).await;
        // Ticks at 1, 2, 3, 4, 5 and 6 minutes; each run takes two and a half.
        tokio::time::sleep(Duration::from_secs(6 * 60 + 30)).await;
        let runs = engine
            .operator()
            .runs(Default::default(), 100)
            .await
            .unwrap();
        let count = |name: &str, status: Option<RunStatus>| {
            runs.iter()
                .filter(|run| run.head.workflow.as_str() == name)
                .filter(|run| status.is_none_or(|status| run.head.status == status))
                .count()
        };
        assert_eq!(count("slow-allows", None), 6);
        assert_eq!(count("slow-skips", None), 2, "at 1 and at 4 minutes");
        assert_eq!(count("slow-cancels", None), 6);
        assert_eq!(count("slow-cancels", Some(RunStatus::Cancelled)), 5);
        let cancelled = runs
            .iter()
            .find(|run| run.head.status == RunStatus::Cancelled)
            .unwrap();
        let told = told(&engine, cancelled.head.run).await;
        assert!(told.contains(&"cancel requested".to_owned()), "{told:?}");
    });
}
