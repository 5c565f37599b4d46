//! Steps: recorded once, tried again, given up, contained.

use std::time::Duration;

use stepwell::{Attempt, Error, Step};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_testkit::memory::MemoryStore;

use super::world::{
    BEGIN, Calls, asked, begin, engine, engine_with, finish, journal, options, paused, shop,
    three_steps, told, until, until_status,
};

#[test]
fn an_event_starts_its_run_and_every_step_is_recorded_once() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), three_steps(&calls)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("3"))
        );
        let expected = ["started", "one ok 1", "two ok 1", "three ok 1", "completed"];
        assert_eq!(told(&engine, run).await, expected);
        assert_eq!(
            [calls.of("one"), calls.of("two"), calls.of("three")],
            [1, 1, 1]
        );
    });
}

#[test]
fn the_same_event_id_starts_its_runs_once_however_often_it_is_sent() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), three_steps(&calls)).await;
        let sends = (0..20).map(|_| engine.execute(asked(Some("ask"))));
        let ended = futures_util::future::join_all(sends).await;
        let runs: std::collections::BTreeSet<_> = ended
            .into_iter()
            .flat_map(|ended| ended.unwrap())
            .map(|(run, _)| run)
            .collect();
        assert_eq!(runs.len(), 1);
        let twice = engine
            .publish(vec![asked(Some("two")), asked(Some("two"))])
            .await
            .unwrap();
        assert_eq!(twice[0], twice[1]);
        super::world::run_of(&engine, "two").await;
    });
}

#[test]
fn a_failed_step_is_tried_again_after_its_backoff_and_earlier_steps_are_not() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = async move |step: &mut Step| {
            step.run("before", async |_: &Attempt| Ok(counted.note("before")))
                .await?;
            let flaky = async |attempt: &Attempt| match counted.note("flaky") {
                3 => Ok(attempt.number()),
                _ => Err(Error::retryable("not yet")),
            };
            Ok(step.run("flaky", flaky).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("3"))
        );
        assert_eq!([calls.of("before"), calls.of("flaky")], [1, 3]);
        let entries = journal(&engine, run).await;
        let waited = entries[4].at.since(entries[2].at);
        assert!(
            waited >= Duration::from_secs(3),
            "one and two seconds, not {waited:?}"
        );
    });
}

#[test]
fn a_long_backoff_parks_the_run_and_the_agenda_brings_it_back() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = async move |step: &mut Step| {
            let day = Duration::from_secs(86_400);
            let patient = async |_: &Attempt| match counted.note("patient") {
                1 => Err(Error::retry_after(day / 2, "come back later")),
                _ => Ok(7),
            };
            Ok(step.run("patient", patient).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let run = begin(&engine).await;
        let view = until_status(&engine, run, RunStatus::Waiting).await;
        let half_a_day = Duration::from_secs(43_200);
        assert!(view.head.wake_at.unwrap() >= BEGIN.after(half_a_day));
        assert_eq!(engine.health().driven_runs, 0, "a parked run is not driven");
        engine.outcome(run).await.unwrap();
        let entries = journal(&engine, run).await;
        assert!(
            entries[2].at.since(entries[1].at) >= half_a_day,
            "never early"
        );
        assert_eq!(calls.of("patient"), 2);
    });
}

#[test]
fn a_spent_step_fails_the_run_with_its_own_error_and_no_further_attempts() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = async move |step: &mut Step| {
            let broken = async |_: &Attempt| {
                counted.note("broken");
                Err::<u32, _>(Error::retryable("shelf is empty"))
            };
            Ok(step.run("broken", broken).retries(2).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            failure.message,
            "step broken failed after 3 attempt(s): shelf is empty"
        );
        assert_eq!(calls.of("broken"), 3);
        let last_two = &told(&engine, run).await[3..];
        assert_eq!(last_two, ["broken failed 3 for good", "failed"]);
    });
}

#[test]
fn a_spent_step_may_be_caught_and_the_run_goes_on() {
    paused(async {
        let code = async |step: &mut Step| {
            let broken = async |_: &Attempt| Err::<u32, _>(Error::terminal("never"));
            let caught = step.run("broken", broken).await;
            let error = caught.expect_err("the body fails");
            assert!(error.is_terminal());
            assert_eq!((error.attempts(), error.message()), (1, "never"));
            Ok(step.run("instead", async |_: &Attempt| Ok(5_u32)).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("5"))
        );
        let expected = [
            "started",
            "broken failed 1 for good",
            "instead ok 1",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn a_panic_in_a_body_is_a_failed_attempt() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = async move |step: &mut Step| {
            let rash = async |_: &Attempt| {
                assert!(counted.note("rash") > 1, "first time is too early");
                Ok(1_u32)
            };
            Ok(step.run("rash", rash).await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, _) = finish(&engine).await;
        assert_eq!(
            told(&engine, run).await,
            ["started", "rash failed 1", "rash ok 2", "completed"]
        );
        let shown = format!("{:?}", journal(&engine, run).await[1].body);
        assert!(shown.contains("first time is too early"), "{shown}");
    });
}

#[test]
fn a_panic_in_workflow_code_replays_it_and_recorded_steps_are_kept() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = async move |step: &mut Step| {
            let kept = step
                .run("kept", async |_: &Attempt| Ok(counted.note("kept")))
                .await?;
            assert!(counted.note("code") > 2, "code is not ready");
            Ok(kept)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("1"))
        );
        let expected = [
            "started",
            "kept ok 1",
            "code failed 1",
            "code failed 2",
            "completed",
        ];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn a_body_over_its_time_limit_fails_its_attempt() {
    paused(async {
        let calls = Calls::default();
        let counted = calls.clone();
        let code = async move |step: &mut Step| {
            let slow = async |_: &Attempt| {
                if counted.note("slow") == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(1_u32)
            };
            Ok(step
                .run("slow", slow)
                .timeout(Duration::from_secs(30))
                .await?)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, _) = finish(&engine).await;
        assert_eq!(
            told(&engine, run).await,
            ["started", "slow failed 1", "slow ok 2", "completed"]
        );
        let entries = journal(&engine, run).await;
        assert!(entries[1].at.since(entries[0].at) >= Duration::from_secs(30));
    });
}

#[test]
fn values_drawn_once_are_the_same_on_every_replay() {
    paused(async {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = std::sync::Arc::clone(&seen);
        let code = async move |step: &mut Step| {
            let drawn = (step.now().await, step.random().await, step.ulid().await);
            noted.lock().unwrap().push(drawn);
            assert!(noted.lock().unwrap().len() > 2, "once more");
            Ok(0)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        finish(&engine).await;
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|drawn| *drawn == seen[0]), "{seen:?}");
    });
}

#[test]
fn a_body_waits_until_everything_its_run_journaled_is_durable() {
    paused(async {
        let calls = Calls::default();
        let store = MemoryStore::held();
        let engine = engine_with(store.clone(), three_steps(&calls), options()).await;
        let publishing = tokio::task::spawn_local({
            let engine = engine.clone();
            async move { engine.publish(vec![asked(Some("ask"))]).await }
        });
        // Until as many commits wait for the disk, and then long enough for code to run too far.
        let waiting = async |commits: usize| {
            while store.pending() < commits {
                tokio::task::yield_now().await;
            }
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        };
        waiting(1).await;
        assert!(
            !publishing.is_finished(),
            "an event is acknowledged only when durable"
        );
        assert_eq!(calls.of("one"), 0);
        store.sync();
        publishing.await.unwrap().unwrap();
        waiting(1).await;
        assert_eq!(
            [calls.of("one"), calls.of("two")],
            [1, 0],
            "step two rests on step one"
        );
        store.sync();
        waiting(1).await;
        assert_eq!([calls.of("two"), calls.of("three")], [1, 0]);
        store.sync();
        waiting(2).await;
        assert_eq!(calls.of("three"), 1);
        assert_eq!(
            store.pending(),
            2,
            "the last result and the end wait for one sync"
        );
        store.sync();
        let run = super::world::run_of(&engine, "ask").await;
        until(&engine, run, |view| {
            view.head.status == RunStatus::Completed
        })
        .await;
    });
}

#[test]
fn a_result_over_the_limit_fails_its_step_for_good() {
    paused(async {
        let code = async |step: &mut Step| {
            let huge = async |_: &Attempt| Ok("x".repeat(5 * 1024 * 1024));
            Ok(step.run("huge", huge).await?.len() as u32)
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            failure.message.contains("over the limit of 4194304"),
            "{}",
            failure.message
        );
    });
}
