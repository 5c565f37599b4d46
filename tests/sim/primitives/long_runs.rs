//! Long runs: ten thousand steps in one journal, a thousand branches in one fork.

use std::time::Duration;

use stepwell::{Attempt, Error, Step};
use stepwell_core::run::Outcome;
use stepwell_testkit::memory::MemoryStore;

use super::everywhere::json;
use crate::engine::world::{Calls, begin, engine, finish, journal, paused, shop};

#[test]
fn a_run_may_have_ten_thousand_steps_and_replays_them_without_calling_a_body_again() {
    const STEPS: u32 = 10_000;
    paused(async {
        let calls = Calls::default();
        let registry = || {
            let calls = calls.clone();
            shop(async move |step: &mut Step| {
                let calls = &calls;
                for nth in 1..STEPS {
                    let body = async |_: &Attempt| {
                        calls.note("work");
                        Ok(nth)
                    };
                    step.run("work", body).await?;
                }
                step.sleep("rest", Duration::from_secs(3_600)).await?;
                Ok(STEPS)
            })
        };
        let memory = MemoryStore::new();
        let first = engine(memory.clone(), registry()).await;
        let run = begin(&first).await;
        while calls.of("work") < STEPS - 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        first.drain(Duration::ZERO).await;
        let second = engine(memory.reopen(), registry()).await;
        assert_eq!(second.outcome(run).await.unwrap(), json("10000"));
        assert_eq!(calls.of("work"), STEPS - 1);
        assert_eq!(journal(&second, run).await.len(), STEPS as usize + 3);
    });
}

#[test]
fn a_step_past_the_limit_fails_and_says_so() {
    paused(async {
        let code = async move |step: &mut Step| {
            for _ in 0..10_000 {
                step.now().await;
            }
            match step.run("one-more", async |_: &Attempt| Ok(())).await {
                Ok(()) => Ok(0),
                Err(error) => Ok(u32::from(error.message().contains("10000 steps"))),
            }
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (_, outcome) = finish(&engine).await;
        assert_eq!(outcome, json("1"));
    });
}

#[test]
fn a_thousand_branches_that_sleep_and_work_end_in_the_order_of_the_journal() {
    paused(async {
        let code = async move |step: &mut Step| {
            let body = async |line: &mut Step, item: u64| {
                let nap = Duration::from_secs(1 + (item * 7_919) % 600);
                line.sleep("nap", nap).await?;
                line.run("work", async |_: &Attempt| Ok(item)).await
            };
            let done = step.map("items", 0..1_000_u64, 1_000, body).await?;
            let mut sum = 0;
            for item in done {
                sum += item.map_err(Error::from)?;
            }
            Ok(u32::try_from(sum).unwrap_or(0))
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        assert_eq!(
            outcome,
            Outcome::Completed(stepwell::Payload::from_json("499500"))
        );
        // Start, fork, and for each branch: wait, its end, work, the branch's end; completion.
        assert_eq!(journal(&engine, run).await.len(), 2 + 4 * 1_000 + 1);
    });
}
