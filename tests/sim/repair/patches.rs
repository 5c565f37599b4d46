//! `step.patched`: code that differs from what runs under way were begun with.

use std::time::Duration;

use stepwell::{Attempt, Registry, Step};
use stepwell_core::run::RunStatus;
use stepwell_engine::Engine;
use stepwell_testkit::memory::MemoryStore;

use crate::engine::world::{Calls, begin, engine, paused, shop, told, until_status};
use crate::primitives::everywhere::{ask, everywhere, json};

const HOUR: Duration = Duration::from_secs(3_600);

/// Pays, waits, ships.
fn before(calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        step.run("pay", async |_: &Attempt| Ok(calls.note("pay")))
            .await?;
        step.sleep("nap", HOUR).await?;
        step.run("ship", async |_: &Attempt| Ok(calls.note("ship")))
            .await?;
        Ok(1)
    })
}

/// Weighs before it pays, and tells after it shipped.
fn after(calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        if step.patched("weigh-first").await {
            step.run("weigh", async |_: &Attempt| Ok(calls.note("weigh")))
                .await?;
        }
        step.run("pay", async |_: &Attempt| Ok(calls.note("pay")))
            .await?;
        step.sleep("nap", HOUR).await?;
        step.run("ship", async |_: &Attempt| Ok(calls.note("ship")))
            .await?;
        if step.patched("tell").await {
            step.run("tell", async |_: &Attempt| Ok(calls.note("tell")))
                .await?;
        }
        Ok(2)
    })
}

async fn asleep(store: &MemoryStore, registry: Registry) -> stepwell_core::RunId {
    let first = engine(store.clone(), registry).await;
    let run = begin(&first).await;
    until_status(&first, run, RunStatus::Waiting).await;
    first.drain(HOUR).await;
    run
}

#[test]
fn a_run_under_way_keeps_the_old_way_behind_it_and_takes_changes_ahead_of_it() {
    paused(async {
        let (store, calls) = (MemoryStore::new(), Calls::default());
        let run = asleep(&store, before(&calls)).await;
        let changed = engine(store.reopen(), after(&calls)).await;
        assert_eq!(changed.outcome(run).await.unwrap(), json("2"));
        assert_eq!(
            calls.of("weigh"),
            0,
            "the journal went on behind the question"
        );
        let told = told(&changed, run).await;
        assert_eq!(
            told.last_chunk().unwrap(),
            &["patched tell", "tell ok 1", "completed"]
        );
    });
}

#[test]
fn a_new_run_takes_every_change_and_keeps_it_whichever_commit_a_crash_strikes() {
    paused(async {
        let calls = Calls::default();
        let registry = || after(&calls);
        let act = async |engine: &Engine| {
            let run = ask(engine).await?;
            assert_eq!(engine.outcome(run).await?, json("2"));
            let told = told(engine, run).await;
            let patches = told.iter().filter(|word| word.starts_with("patched"));
            assert_eq!(patches.count(), 2, "{told:?}");
            Ok(())
        };
        assert!(everywhere(registry, act).await > 10);
    });
}

/// Asks in every round of a loop.
fn rounds(changed: bool, calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        for _ in 0..3 {
            if changed && step.patched("weigh").await {
                step.run("weigh", async |_: &Attempt| Ok(calls.note("weigh")))
                    .await?;
            }
            step.run("pack", async |_: &Attempt| Ok(calls.note("pack")))
                .await?;
            step.sleep("nap", HOUR).await?;
        }
        Ok(calls.of("weigh"))
    })
}

#[test]
fn the_answer_is_the_same_at_every_call_of_a_loop() {
    paused(async {
        let (store, calls) = (MemoryStore::new(), Calls::default());
        let run = asleep(&store, rounds(false, &calls)).await;
        let changed = engine(store.reopen(), rounds(true, &calls)).await;
        assert_eq!(changed.outcome(run).await.unwrap(), json("0"));
        let fresh = changed
            .execute(crate::engine::world::asked(Some("new")))
            .await;
        assert_eq!(fresh.unwrap()[0].1, json("3"));
    });
}

/// Asks before a join and in each of its branches.
fn branches(changed: bool) -> Registry {
    shop(async move |step: &mut Step| {
        let first = changed && step.patched("new-way").await;
        let branch = |nap: u64| {
            async move |line: &mut Step| {
                line.sleep("nap", Duration::from_secs(nap)).await?;
                let applies = changed && line.patched("new-way").await;
                line.sleep("rest", HOUR).await?;
                Ok::<_, stepwell::Error>(applies)
            }
        };
        let (a, b) = step.join("both", (branch(1), branch(7_200))).await?;
        let answers = [first, a?, b?].map(u32::from);
        Ok(answers[0] * 100 + answers[1] * 10 + answers[2])
    })
}

#[test]
fn branches_have_the_answer_their_line_was_given_before_they_began() {
    paused(async {
        let store = MemoryStore::new();
        let first = engine(store.clone(), branches(false)).await;
        let run = begin(&first).await;
        // One branch is past the question, the other has yet to come to it.
        crate::engine::world::until(&first, run, |view| {
            view.standing.as_ref().is_some_and(|standing| {
                standing
                    .waits
                    .iter()
                    .any(|wait| wait.step.as_ref().is_some_and(|step| &*step.name == "rest"))
            })
        })
        .await;
        first.drain(HOUR).await;
        let changed = engine(store.reopen(), branches(true)).await;
        assert_eq!(changed.outcome(run).await.unwrap(), json("0"));
        let fresh = changed
            .execute(crate::engine::world::asked(Some("new")))
            .await;
        assert_eq!(fresh.unwrap()[0].1, json("111"));
    });
}

#[test]
fn code_that_asks_no_more_replays_a_run_with_the_change() {
    paused(async {
        let (store, calls) = (MemoryStore::new(), Calls::default());
        let run = asleep(&store, after(&calls)).await;
        let calls = calls.clone();
        let settled = shop(async move |step: &mut Step| {
            for name in ["weigh", "pay"] {
                step.run(name, async |_: &Attempt| Ok(calls.note(name)))
                    .await?;
            }
            step.sleep("nap", HOUR).await?;
            for name in ["ship", "tell"] {
                step.run(name, async |_: &Attempt| Ok(calls.note(name)))
                    .await?;
            }
            Ok(3)
        });
        let engine = engine(store.reopen(), settled).await;
        assert_eq!(engine.outcome(run).await.unwrap(), json("3"));
    });
}
