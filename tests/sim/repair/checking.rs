//! The deploy check: code held against journals, without an effect.

use std::time::Duration;

use stepwell::{Attempt, Registry, Step};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{EntryBody, RunId};
use stepwell_engine::{Engine, Exported, Verdict};
use stepwell_testkit::memory::MemoryStore;

use crate::engine::world::{Calls, asked, begin, engine, paused, run_of, shop, until_status};

const HOUR: Duration = Duration::from_secs(3_600);

/// Steps of these names with a nap in the middle.
fn steps(names: [&'static str; 2], calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        let [first, second] = names;
        step.run(first, async |_: &Attempt| Ok(calls.note(first)))
            .await?;
        step.sleep("nap", HOUR).await?;
        Ok(step
            .run(second, async |_: &Attempt| Ok(calls.note(second)))
            .await?)
    })
}

async fn exported(engine: &Engine, run: RunId) -> Exported {
    engine.operator().export(run).await.unwrap()
}

fn breaks(recorded: &str, attempted: &str) -> Verdict {
    Verdict::Breaks {
        recorded: recorded.to_owned(),
        attempted: attempted.to_owned(),
    }
}

#[test]
fn code_is_held_against_an_open_run_without_calling_a_body() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), steps(["pay", "ship"], &calls)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let journal = exported(&engine, run).await;
        let untouched = Calls::default();
        let fits = journal.check(&steps(["pay", "send"], &untouched));
        assert_eq!(
            fits,
            Verdict::Fits { results: 1 },
            "a change ahead of it breaks nothing"
        );
        let changed = journal.check(&steps(["charge", "ship"], &untouched));
        assert_eq!(changed, breaks("run pay", "run charge"));
        for name in ["pay", "send", "charge", "ship"] {
            assert_eq!(untouched.of(name), 0, "the body of {name} was called");
        }
    });
}

#[test]
fn a_run_that_ended_must_come_to_the_end_that_is_recorded() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), steps(["pay", "ship"], &calls)).await;
        let run = begin(&engine).await;
        engine.outcome(run).await.unwrap();
        let journal = exported(&engine, run).await;
        let none = Calls::default();
        assert_eq!(
            journal.check(&steps(["pay", "ship"], &none)),
            Verdict::Fits { results: 3 }
        );
        let renamed = journal.check(&steps(["pay", "send"], &none));
        assert_eq!(renamed, breaks("run ship", "run send"));
        let short = shop(async |step: &mut Step| {
            Ok(step.run("pay", async |_: &Attempt| Ok(1_u32)).await?)
        });
        assert_eq!(
            journal.check(&short),
            breaks("sleep nap", "returning from the workflow")
        );
        let longer = shop(async |step: &mut Step| {
            for name in ["pay", "nap", "ship", "tell"] {
                if name == "nap" {
                    step.sleep("nap", HOUR).await?;
                } else {
                    step.run(name, async |_: &Attempt| Ok(1_u32)).await?;
                }
            }
            Ok(1)
        });
        assert_eq!(
            journal.check(&longer),
            breaks("the output of the workflow", "run tell")
        );
        let other = shop(async |step: &mut Step| {
            step.run("pay", async |_: &Attempt| Ok(1_u32)).await?;
            step.sleep("nap", HOUR).await?;
            step.run("ship", async |_: &Attempt| Ok(1_u32)).await?;
            Ok(77)
        });
        let said = breaks(
            "another output of the workflow",
            "returning from the workflow",
        );
        assert_eq!(journal.check(&other), said);
    });
}

#[test]
fn branches_are_replayed_in_the_order_of_the_journal() {
    paused(async {
        let code = || {
            shop(async |step: &mut Step| {
                let order = std::cell::RefCell::new(Vec::new());
                let branch = async |line: &mut Step, nap: u64| {
                    line.sleep("nap", Duration::from_secs(nap)).await?;
                    order.borrow_mut().push(nap);
                    Ok::<_, stepwell::Error>(())
                };
                for ended in step.map("naps", [30, 10, 20], 3, branch).await? {
                    ended?;
                }
                let order = order.into_inner();
                // The steps that follow depend on which branch came first.
                for nap in order {
                    let name = format!("after-{nap}");
                    step.run(&name, async |_: &Attempt| Ok(())).await?;
                }
                step.sleep("rest", HOUR).await?;
                Ok(0)
            })
        };
        let engine = engine(MemoryStore::new(), code()).await;
        let run = begin(&engine).await;
        engine.outcome(run).await.unwrap();
        let journal = exported(&engine, run).await;
        assert_eq!(journal.check(&code()), Verdict::Fits { results: 7 });
    });
}

#[test]
fn every_journal_the_primitives_leave_replays_clean_at_every_length() {
    paused(async {
        let code = || {
            shop(async |step: &mut Step| {
                step.now().await;
                let won = step
                    .race(
                        "first",
                        (
                            async |line: &mut Step| {
                                line.sleep("short", Duration::from_secs(5)).await?;
                                Ok(1_u32)
                            },
                            async |line: &mut Step| {
                                line.sleep("long", Duration::from_secs(50)).await?;
                                Ok(2_u32)
                            },
                        ),
                    )
                    .await?;
                let trip = step
                    .scope("trip", async |line| {
                        line.run("book", async |_: &Attempt| Ok(1_u32))
                            .undo(async |_: &Attempt, _| Ok(()))
                            .await?;
                        line.run("pay", async |_: &Attempt| {
                            Err::<u32, _>(stepwell::Error::terminal("broke"))
                        })
                        .await?;
                        Ok::<_, stepwell::Error>(0_u32)
                    })
                    .await;
                assert!(trip.is_err());
                if step.patched("new-way").await {
                    step.sleep("rest", HOUR).await?;
                }
                Ok(won)
            })
        };
        let engine = engine(MemoryStore::new(), code()).await;
        let run = begin(&engine).await;
        let outcome = engine.outcome(run).await.unwrap();
        assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
        let whole = exported(&engine, run).await;
        assert!(whole.entries.len() > 12);
        for length in 1..=whole.entries.len() {
            let cut = Exported {
                entries: whole.entries[..length].to_vec(),
                ..whole.clone()
            };
            let verdict = cut.check(&code());
            assert!(verdict.fits(), "the first {length} entries: {verdict}");
        }
    });
}

#[test]
fn a_missing_workflow_and_a_missing_version_are_named() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), steps(["pay", "ship"], &calls)).await;
        let run = begin(&engine).await;
        let mut journal = exported(&engine, run).await;
        let verdict = journal.check(&Registry::new()).to_string();
        assert_eq!(
            verdict,
            "breaks: this binary registers no workflow named shop"
        );
        if let EntryBody::RunStarted(started) = &mut journal.entries[0].body {
            started.version = 3;
        }
        let verdict = journal.check(&steps(["pay", "ship"], &calls)).to_string();
        assert!(verdict.contains("shop without version 3"), "{verdict}");
    });
}

#[test]
fn an_engine_that_starts_sets_aside_the_open_runs_that_break_and_no_other() {
    paused(async {
        let (store, calls) = (MemoryStore::new(), Calls::default());
        let first = engine(store.clone(), steps(["pay", "ship"], &calls)).await;
        let breaks = begin(&first).await;
        until_status(&first, breaks, RunStatus::Waiting).await;
        first.drain(HOUR).await;
        // A step renamed behind the first run; the second one is begun with the new name.
        let store = store.reopen();
        let second = engine(store.clone(), steps(["charge", "ship"], &calls)).await;
        second.publish(vec![asked(Some("later"))]).await.unwrap();
        let fits = run_of(&second, "later").await;
        until_status(&second, fits, RunStatus::Waiting).await;
        let mut found = std::collections::BTreeMap::new();
        let checked = second.check_open_runs(|run| {
            found.insert(run.head.run, run.verdict.fits());
        });
        checked.await.unwrap();
        assert_eq!(found, [(fits, true), (breaks, false)].into());
        let view = until_status(&second, breaks, RunStatus::Quarantined).await;
        let why = view.quarantine.unwrap();
        assert!(
            why.contains("recorded run pay, attempted run charge"),
            "{why}"
        );
        let outcome = second.outcome(fits).await.unwrap();
        assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
        assert_eq!(calls.of("pay"), 1);
    });
}

#[test]
fn an_exported_journal_is_read_back_as_it_was_and_anything_else_is_refused() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), steps(["pay", "ship"], &calls)).await;
        let run = begin(&engine).await;
        engine.outcome(run).await.unwrap();
        let journal = exported(&engine, run).await;
        let text = journal.to_json().unwrap();
        assert!(!text.contains('\n'), "one line for each run");
        assert_eq!(Exported::from_json(&text).unwrap(), journal);
        let later = text.replacen("\"format\":3", "\"format\":9", 1);
        let said = Exported::from_json(&later).unwrap_err().to_string();
        assert!(
            said.contains("its format is 9, and this build reads 1 to 3"),
            "{said}"
        );
        for (wrong, what) in [
            ("{}", "not the JSON expected"),
            ("nonsense", "not the JSON expected"),
        ] {
            let said = Exported::from_json(wrong).unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        }
    });
}

#[derive(stepwell::Event, serde::Serialize, serde::Deserialize)]
#[event("shop/paid", key = "id")]
struct Paid {
    id: String,
}

#[derive(stepwell::Event, serde::Serialize, serde::Deserialize)]
#[event("shop/settled", key = "id")]
struct Settled {
    id: String,
}

fn waits<E: stepwell::Event + serde::de::DeserializeOwned>(key: &'static str) -> Registry {
    shop(async move |step: &mut Step| {
        step.wait_for::<E>("paid", key).await?;
        Ok(1)
    })
    .event::<E>()
}

#[test]
fn a_wait_whose_event_or_key_the_code_changed_breaks_instead_of_waiting_for_the_old_one() {
    paused(async {
        let engine = engine(MemoryStore::new(), waits::<Paid>("7")).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let journal = exported(&engine, run).await;
        assert!(journal.check(&waits::<Paid>("7")).fits());
        let recorded = "wait-for paid for event shop/paid with key 7";
        let other_key = journal.check(&waits::<Paid>("8"));
        let attempted = "wait-for paid for event shop/paid with key 8";
        assert_eq!(other_key, breaks(recorded, attempted));
        let other_event = journal.check(&waits::<Settled>("7"));
        let attempted = "wait-for paid for event shop/settled with key 7";
        assert_eq!(other_event, breaks(recorded, attempted));
    });
}

#[test]
fn code_that_waits_or_fails_by_itself_between_steps_cannot_be_checked_and_does_not_break() {
    paused(async {
        let calls = Calls::default();
        let engine = engine(MemoryStore::new(), steps(["pay", "ship"], &calls)).await;
        let run = begin(&engine).await;
        until_status(&engine, run, RunStatus::Waiting).await;
        let journal = exported(&engine, run).await;
        let waits = shop(async |step: &mut Step| {
            tokio::time::sleep(HOUR).await;
            Ok(step.run("pay", async |_: &Attempt| Ok(1_u32)).await?)
        });
        let said = journal.check(&waits).to_string();
        assert!(
            said.starts_with("cannot be checked past its beginning"),
            "{said}"
        );
        let fails = shop(async |_: &mut Step| Err(stepwell::Error::retryable("settings are away")));
        let said = journal.check(&fails).to_string();
        let expected = "cannot be checked past its beginning: settings are away";
        assert_eq!(said, expected);
    });
}
