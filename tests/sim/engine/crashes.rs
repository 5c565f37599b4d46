//! Crashes: at every commit, with the outcome known and unknown, and what is found afterwards.

use std::sync::Arc;
use std::time::Duration;

use stepwell::{Attempt, Step};
use stepwell_core::run::Outcome;
use stepwell_engine::{Operator, Options};
use stepwell_store::CommitError;
use stepwell_testkit::faulty::{CommitFault, FaultyStore};
use stepwell_testkit::memory::MemoryStore;

use super::world::{
    Calls, asked, begin, engine, engine_with, finish, in_words, options, paused, run_of, shop,
    three_steps, told, until,
};

const STEPS: [&str; 3] = ["one", "two", "three"];

/// Lets `fault` strike the `nth` commit, opens again over what is left, and lets the run end.
/// Whether the fault struck at all.
async fn strike(nth: u64, fault: CommitFault) -> bool {
    let (memory, calls) = (MemoryStore::new(), Calls::default());
    let faulty = FaultyStore::new(memory.clone());
    faulty.fail_commit(nth, fault.clone());
    let first = engine(faulty, three_steps(&calls)).await;
    let sent = first.publish(vec![asked(Some("ask"))]).await;
    if sent.is_ok() {
        let run = run_of(&first, "ask").await;
        tokio::select! {
            ended = first.outcome(run) => drop(ended),
            error = first.failed() => drop(error),
        }
    }
    first.drain(Duration::from_secs(1)).await;
    let struck = first.health().failure.is_some();
    let recorded = told_of(&memory).await;
    let before = STEPS.map(|step| calls.of(step));
    let second = engine(memory.reopen(), three_steps(&calls)).await;
    if sent.is_err() {
        // Not acknowledged: the sender sends again, under the same id.
        second.publish(vec![asked(Some("ask"))]).await.unwrap();
    }
    let run = run_of(&second, "ask").await;
    let outcome = second.outcome(run).await.unwrap();
    assert_eq!(
        outcome,
        Outcome::Completed(stepwell::Payload::from_json("3")),
        "{fault:?} {nth}"
    );
    let told = told(&second, run).await;
    for (step, called) in STEPS.into_iter().zip(before) {
        let successes = told
            .iter()
            .filter(|word| word.starts_with(&format!("{step} ok")))
            .count();
        assert_eq!(successes, 1, "{fault:?} at {nth}: {told:?}");
        if recorded
            .iter()
            .any(|word| word.starts_with(&format!("{step} ok")))
        {
            assert_eq!(
                calls.of(step),
                called,
                "{step} was recorded and ran again: {told:?}"
            );
        }
    }
    struck
}

/// The journal of the one run in a store, in words; empty when there is none.
async fn told_of(memory: &MemoryStore) -> Vec<String> {
    let look = Operator::new(Arc::new(memory.reopen()));
    let event = look.event(stepwell::EventId::new("ask")).await.unwrap();
    match event {
        Some(row) => in_words(&look.journal(row.runs[0]).await.unwrap().unwrap().entries),
        None => Vec::new(),
    }
}

fn strikes_everywhere(fault: &CommitFault) {
    paused(async {
        let mut struck = 0;
        for nth in 1..10 {
            struck += u64::from(strike(nth, fault.clone()).await);
        }
        assert_eq!(struck, 5, "one strike at each commit of the run");
    });
}

#[test]
fn a_run_ends_the_same_when_any_one_commit_is_lost() {
    strikes_everywhere(&CommitFault::Lose);
}

#[test]
fn a_run_ends_the_same_when_any_one_commit_is_kept_untold() {
    strikes_everywhere(&CommitFault::KeepUntold);
}

#[test]
fn a_refused_commit_drops_the_future_and_the_run_is_folded_again() {
    paused(async {
        for nth in 2..6 {
            let (memory, calls) = (MemoryStore::new(), Calls::default());
            let faulty = FaultyStore::new(memory);
            faulty.fail_commit(nth, CommitFault::Refuse(CommitError::Stale));
            let engine = engine(faulty, three_steps(&calls)).await;
            let (run, outcome) = finish(&engine).await;
            assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
            let expected = ["started", "one ok 1", "two ok 1", "three ok 1", "completed"];
            assert_eq!(told(&engine, run).await, expected, "refused at {nth}");
        }
    });
}

/// A run whose body `stuck` never ends while `calls` says it is within its first `deaths` calls.
fn stuck_for(deaths: u32, calls: &Calls) -> stepwell::Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        let stuck = async |attempt: &Attempt| {
            if calls.note("stuck") <= deaths {
                std::future::pending::<()>().await;
            }
            Ok(attempt.number())
        };
        Ok(step.run("stuck", stuck).await?)
    })
}

fn marked(directory: &tempfile::TempDir) -> Options {
    Options {
        in_flight: Some(directory.path().join("in-flight")),
        ..options()
    }
}

/// Starts the run, waits for its body to be in flight, and lets the engine die under it.
async fn die_in_flight(
    memory: &MemoryStore,
    directory: &tempfile::TempDir,
    calls: &Calls,
    deaths: u32,
) -> stepwell::RunId {
    // Dropped with everything on it and nothing tidied up: marks stay as a death leaves them.
    let life = tokio::task::LocalSet::new();
    let lived = life.run_until(async {
        let engine = engine_with(memory.clone(), stuck_for(deaths, calls), marked(directory)).await;
        let ask = stepwell::EventId::new("ask");
        let run = match engine.operator().event(ask).await.unwrap() {
            Some(row) => row.runs[0],
            None => begin(&engine).await,
        };
        until(&engine, run, |view| {
            view.in_flight
                .as_ref()
                .is_some_and(|in_flight| in_flight.attempt > 0)
        })
        .await;
        run
    });
    lived.await
}

#[test]
fn an_attempt_cut_short_by_a_crash_counts_and_the_run_is_driven_alone() {
    paused(async {
        let directory = tempfile::tempdir().unwrap();
        let (memory, calls) = (MemoryStore::new(), Calls::default());
        let run = die_in_flight(&memory, &directory, &calls, 1).await;
        let engine = engine_with(memory.crash(), stuck_for(1, &calls), marked(&directory)).await;
        let outcome = engine.outcome(run).await.unwrap();
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("2"))
        );
        let expected = ["started", "stuck recovered 1", "stuck ok 2", "completed"];
        assert_eq!(told(&engine, run).await, expected);
    });
}

#[test]
fn attempts_cut_short_side_by_side_count_once_each() {
    paused(async {
        let directory = tempfile::tempdir().unwrap();
        let (mut memory, calls) = (MemoryStore::new(), Calls::default());
        let stuck = |deaths: u32| {
            let calls = calls.clone();
            shop(async move |step: &mut Step| {
                let calls = &calls;
                let body = async |line: &mut Step, item: u32| {
                    let stuck = async |attempt: &Attempt| {
                        if calls.note(&format!("stuck {item}")) <= deaths {
                            std::future::pending::<()>().await;
                        }
                        Ok(attempt.number())
                    };
                    line.run("stuck", stuck).await
                };
                let mut sum = 0;
                for attempts in step.map("items", 0..3_u32, 3, body).await? {
                    sum += attempts?;
                }
                Ok(sum)
            })
        };
        // Dropped with everything on it, as a death of the process leaves it.
        let life = tokio::task::LocalSet::new();
        let lived = life.run_until(async {
            let engine = engine_with(memory.clone(), stuck(1), marked(&directory)).await;
            let run = begin(&engine).await;
            let all_stuck = || (0..3).all(|n| calls.of(&format!("stuck {n}")) == 1);
            until(&engine, run, |_| all_stuck()).await;
            run
        });
        let run = lived.await;
        drop(life);
        memory = memory.crash();
        let engine = engine_with(memory, stuck(1), marked(&directory)).await;
        let outcome = engine.outcome(run).await.unwrap();
        let twice_each = stepwell::Payload::from_json("6");
        assert_eq!(outcome, Outcome::Completed(twice_each));
        let told = told(&engine, run).await;
        for item in 0..3 {
            let of_item = |word: &&String| word.starts_with(&format!("items/{item}/stuck"));
            let words: Vec<_> = told.iter().filter(of_item).collect();
            let expected = [
                format!("items/{item}/stuck recovered 1"),
                format!("items/{item}/stuck ok 2"),
            ];
            assert_eq!(words, expected.iter().collect::<Vec<_>>(), "{told:?}");
        }
    });
}

#[test]
fn a_run_that_sees_three_crashes_alone_is_quarantined() {
    paused(async {
        let directory = tempfile::tempdir().unwrap();
        let (mut memory, calls) = (MemoryStore::new(), Calls::default());
        let mut run = None;
        for _ in 0..4 {
            run = Some(die_in_flight(&memory, &directory, &calls, u32::MAX).await);
            memory = memory.crash();
        }
        let engine = engine_with(memory, stuck_for(u32::MAX, &calls), marked(&directory)).await;
        let told = told(&engine, run.unwrap()).await;
        let expected = [
            "started",
            "stuck recovered 1",
            "stuck recovered 2 alone",
            "stuck recovered 3 alone",
            "stuck recovered 4 alone",
            "quarantined",
        ];
        assert_eq!(told, expected);
        assert_eq!(calls.of("stuck"), 4);
    });
}

#[test]
fn shutting_down_counts_the_attempt_it_drops_and_convicts_nobody() {
    paused(async {
        let directory = tempfile::tempdir().unwrap();
        let (mut memory, calls) = (MemoryStore::new(), Calls::default());
        let mut run = None;
        for _ in 0..5 {
            let stuck = stuck_for(5, &calls);
            let engine = engine_with(memory.clone(), stuck, marked(&directory)).await;
            let begun = match run {
                Some(run) => run,
                None => begin(&engine).await,
            };
            run = Some(begun);
            until(&engine, begun, |view| {
                view.in_flight
                    .as_ref()
                    .is_some_and(|in_flight| in_flight.attempt > 0)
            })
            .await;
            assert_eq!(engine.drain(Duration::ZERO).await.parked, 1);
            memory = memory.reopen();
        }
        let engine = engine_with(memory, stuck_for(5, &calls), marked(&directory)).await;
        let outcome = engine.outcome(run.unwrap()).await.unwrap();
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("6"))
        );
    });
}
