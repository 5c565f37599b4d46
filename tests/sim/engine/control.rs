//! What people and code changes do to runs: cancel, quarantine, resume, refuse, drain.

use std::sync::Arc;
use std::time::Duration;

use stepwell::{Attempt, Error, SendError, Step};
use stepwell_core::Seq;
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::{OperateError, Options};
use stepwell_testkit::memory::MemoryStore;
use tokio::sync::Notify;

use super::world::{
    Calls, asked, begin, engine, engine_with, finish, options, paused, shop, three_steps, told,
    until, until_status,
};

/// Two steps of these names; the second fails retryably while `broken`.
fn two_named(names: [&'static str; 2], broken: bool, calls: &Calls) -> stepwell::Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        let [first, second] = names;
        step.run(first, async |_: &Attempt| Ok(calls.note(first)))
            .await?;
        let last = async |_: &Attempt| {
            calls.note(second);
            if broken {
                Err(Error::retry_after(HOUR, "later"))
            } else {
                Ok(2_u32)
            }
        };
        Ok(step.run(second, last).await?)
    })
}

const HOUR: Duration = Duration::from_secs(3_600);

/// Leaves a run waiting in its second step, changes the code, and lets the run come due.
async fn after_change_to(names: [&'static str; 2], recorded: &str, attempted: &str) {
    let (store, calls) = (MemoryStore::new(), Calls::default());
    let before = engine(store.clone(), two_named(["pay", "ship"], true, &calls)).await;
    let run = begin(&before).await;
    until_status(&before, run, RunStatus::Waiting).await;
    before.drain(HOUR).await;
    tokio::time::advance(HOUR).await;
    let store = store.reopen();
    let changed = engine(store.clone(), two_named(names, false, &calls)).await;
    let view = until_status(&changed, run, RunStatus::Quarantined).await;
    let why = view.quarantine.unwrap();
    assert!(why.contains(recorded) && why.contains(attempted), "{why}");
    assert_eq!(
        calls.of("pay"),
        1,
        "nothing is executed by code that does not fit"
    );
    changed.drain(HOUR).await;
    // The code is put back, and a person releases the run.
    let mended = engine(store.reopen(), two_named(["pay", "ship"], false, &calls)).await;
    mended.resume(run).await.unwrap();
    mended.outcome(run).await.unwrap();
    assert_eq!(calls.of("pay"), 1, "a recorded step is not run again");
    let told = told(&mended, run).await;
    let end = [
        "ship failed 1",
        "quarantined",
        "resumed",
        "ship ok 2",
        "completed",
    ];
    assert_eq!(told[2..], end, "{told:?}");
}

#[test]
fn a_renamed_step_quarantines_the_run_and_names_both_sides() {
    paused(after_change_to(
        ["pay", "send"],
        "recorded run ship",
        "attempted run send",
    ));
}

#[test]
fn reordered_steps_quarantine_the_run_and_name_both_sides() {
    paused(after_change_to(
        ["ship", "pay"],
        "recorded run pay",
        "attempted run ship",
    ));
}

#[test]
fn a_run_whose_workflow_is_not_registered_waits_in_quarantine() {
    paused(async {
        let (store, calls) = (MemoryStore::new(), Calls::default());
        let first = engine(store.clone(), two_named(["pay", "ship"], true, &calls)).await;
        let run = begin(&first).await;
        until_status(&first, run, RunStatus::Waiting).await;
        first.drain(HOUR).await;
        tokio::time::advance(HOUR).await;
        let store = store.reopen();
        let empty = engine(store.clone(), stepwell::Registry::new()).await;
        let view = until_status(&empty, run, RunStatus::Quarantined).await;
        assert!(view.quarantine.unwrap().contains("no workflow named shop"));
        empty.drain(HOUR).await;
        let again = engine(store.reopen(), two_named(["pay", "ship"], false, &calls)).await;
        again.resume(run).await.unwrap();
        let outcome = again.outcome(run).await.unwrap();
        assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    });
}

#[test]
fn a_damaged_journal_quarantines_its_run_and_no_other() {
    paused(async {
        let (store, calls) = (MemoryStore::new(), Calls::default());
        let first = engine(store.clone(), two_named(["pay", "ship"], true, &calls)).await;
        let run = begin(&first).await;
        until_status(&first, run, RunStatus::Waiting).await;
        first.drain(HOUR).await;
        let store = store.reopen();
        store.damage(run, Seq(1), "checksum of value does not hold");
        tokio::time::advance(HOUR).await;
        let second = engine(store, two_named(["pay", "ship"], false, &calls)).await;
        let view = until_status(&second, run, RunStatus::Quarantined).await;
        assert!(view.quarantine.unwrap().contains("damaged at entry 1"));
        let refused = second.resume(run).await;
        assert!(matches!(refused, Err(OperateError::Read(_))), "{refused:?}");
        let ended = second.execute(asked(Some("other"))).await.unwrap();
        assert!(matches!(ended[0].1, Outcome::Completed(_)));
    });
}

#[test]
fn a_waiting_run_is_cancelled_at_once_and_its_step_not_tried_again() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), two_named(["pay", "ship"], true, &calls)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        engine.cancel(run, "changed my mind").await.unwrap();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        tokio::time::advance(2 * HOUR).await;
        let told = told(&engine, run).await;
        assert_eq!(told[3..], ["cancel requested", "cancelled"], "{told:?}");
        assert_eq!(calls.of("ship"), 1);
        let late = engine.cancel(run, "again").await;
        assert!(
            matches!(late, Err(OperateError::Refused { .. })),
            "{late:?}"
        );
    });
}

/// A run whose first body waits to be let go, and whose second must never be called.
async fn in_first_body() -> (stepwell_engine::Engine, stepwell::RunId, Arc<Notify>, Calls) {
    let (calls, go) = (Calls::default(), Arc::new(Notify::new()));
    let (counted, gate) = (calls.clone(), Arc::clone(&go));
    let code = async move |step: &mut Step| {
        let first = async |_: &Attempt| {
            counted.note("first");
            gate.notified().await;
            Ok(1_u32)
        };
        step.run("first", first).await?;
        Ok(step
            .run("second", async |_: &Attempt| Ok(counted.note("second")))
            .await?)
    };
    let engine = engine_with(MemoryStore::new(), shop(code), options()).await;
    let run = begin(&engine).await;
    until(&engine, run, |view| {
        view.in_flight
            .as_ref()
            .is_some_and(|in_flight| in_flight.attempt == 1)
    })
    .await;
    (engine, run, go, calls)
}

#[test]
fn a_body_in_flight_ends_and_is_journaled_before_its_run_is_cancelled() {
    paused(async {
        let (engine, run, go, calls) = in_first_body().await;
        engine.cancel(run, "").await.unwrap();
        while told(&engine, run).await != ["started", "cancel requested"] {
            tokio::task::yield_now().await;
        }
        go.notify_one();
        assert_eq!(engine.outcome(run).await.unwrap(), Outcome::Cancelled);
        let expected = ["started", "cancel requested", "first ok 1", "cancelled"];
        assert_eq!(told(&engine, run).await, expected);
        assert_eq!(calls.of("second"), 0);
    });
}

#[test]
fn draining_lets_a_body_end_and_starts_no_other() {
    paused(async {
        let (engine, run, go, calls) = in_first_body().await;
        let draining = tokio::task::spawn_local({
            let engine = engine.clone();
            async move { engine.drain(HOUR).await }
        });
        tokio::task::yield_now().await;
        let refused = engine.publish(vec![asked(None)]).await;
        assert_eq!(refused, Err(SendError::ShuttingDown));
        go.notify_one();
        assert_eq!(draining.await.unwrap().parked, 0);
        assert_eq!(told(&engine, run).await, ["started", "first ok 1"]);
        assert_eq!(calls.of("second"), 0);
    });
}

#[test]
fn draining_past_its_limit_drops_a_body_that_never_ends() {
    paused(async {
        let (engine, run, _go, _) = in_first_body().await;
        assert_eq!(engine.drain(Duration::from_secs(30)).await.parked, 1);
        assert_eq!(told(&engine, run).await, ["started"]);
    });
}

#[test]
fn past_the_limit_of_ready_runs_events_are_refused_and_nothing_of_them_is_kept() {
    paused(async {
        let go = Arc::new(Notify::new());
        let gate = Arc::clone(&go);
        let code = async move |step: &mut Step| {
            let held = async |_: &Attempt| {
                gate.notified().await;
                Ok(1_u32)
            };
            Ok(step.run("held", held).await?)
        };
        let tight = Options {
            ready_max: 3,
            ..options()
        };
        let engine = engine_with(MemoryStore::new(), shop(code), tight).await;
        let mut accepted = 0;
        let busy = loop {
            match engine
                .publish(vec![asked(Some(&format!("ask-{accepted}")))])
                .await
            {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
            tokio::task::yield_now().await;
            assert!(accepted < 10, "nothing is ever refused");
        };
        assert!(matches!(busy, SendError::Busy { .. }), "{busy:?}");
        let refused = stepwell::EventId::new(format!("ask-{accepted}"));
        assert_eq!(engine.operator().event(refused).await.unwrap(), None);
        for n in 0..accepted {
            let run = super::world::run_of(&engine, &format!("ask-{n}")).await;
            go.notify_one();
            engine.outcome(run).await.unwrap();
        }
        engine.publish(vec![asked(Some("after"))]).await.unwrap();
    });
}

#[test]
fn events_that_cannot_be_taken_are_refused_whole_and_named() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), three_steps(&calls)).await;
        let named = |name: &str| stepwell_engine::NewEvent {
            name: name.to_owned(),
            ..asked(None)
        };
        let bad = [
            (named(""), "name is empty"),
            (named("stepwell/own"), "engine's own"),
            (named("a\u{1b}[31m"), "control character"),
            (named(&"x".repeat(129)), "over the limit of 128 bytes"),
            (asked(Some("")), "id must have"),
        ];
        for (event, expected) in bad {
            let sent = engine.publish(vec![asked(Some("good")), event]).await;
            let Err(SendError::Refused { index: 1, why }) = sent else {
                panic!("{sent:?}")
            };
            assert!(why.contains(expected), "{why}");
        }
        let good = engine
            .operator()
            .event(stepwell::EventId::new("good"))
            .await
            .unwrap();
        assert_eq!(good, None, "an array is all or nothing");
        finish(&engine).await;
    });
}
