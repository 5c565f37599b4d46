//! Time: it jumps, it is each test's own, and bodies that wait outside see it stand still.

use std::sync::Barrier;
use std::time::Duration;

use stepwell::{Attempt, Error, Registry, Step, workflow};
use stepwell_testkit as testkit;
use stepwell_testkit::Kit;

use super::shop::{DAY, Till, renew};

fn renewals(till: &Till) -> Registry {
    Registry::new().with(renew).provide(till.clone())
}

#[test]
fn three_years_are_over_at_once() {
    let till = Till::new();
    testkit::test(renewals(&till), async |world| {
        let begin = world.now();
        let run = world.start(&renew, &3).await?;
        assert_eq!(world.output(run).await?, 300);
        assert_eq!(world.now().since(begin), 3 * 365 * DAY);
        Ok(())
    });
    assert_eq!(till.count(), 3);
}

#[test]
fn time_passes_as_far_as_it_is_let() {
    let till = Till::new();
    testkit::test(renewals(&till), async |world| {
        let run = world.start(&renew, &2).await?;
        world.advance(365 * DAY - Duration::from_secs(1)).await;
        world.journal(run).await?.assert_waits_in("a-year");
        assert_eq!(till.count(), 0);
        world.advance(Duration::from_secs(2)).await;
        assert_eq!(till.count(), 1);
        world.journal(run).await?.assert_waits_in("a-year:2");
        let end = world.now().after(365 * DAY);
        world.until(end).await;
        assert_eq!((world.now(), till.count()), (end, 2));
        Ok(())
    });
}

#[test]
fn two_tests_side_by_side_have_a_clock_each() {
    let meet = Barrier::new(2);
    let years = |years: u32| {
        let till = Till::new();
        testkit::test(renewals(&till), async |world| {
            let begin = world.now();
            meet.wait();
            let run = world.start(&renew, &years).await?;
            world.output(run).await?;
            let passed = world.now().since(begin);
            // Neither is over before the other has let its years pass.
            meet.wait();
            assert_eq!(world.now().since(begin), passed);
            Ok(passed)
        })
    };
    let (one, five) = std::thread::scope(|scope| {
        let one = scope.spawn(|| years(1));
        let five = scope.spawn(|| years(5));
        (one.join().unwrap(), five.join().unwrap())
    });
    assert_eq!((one, five), (365 * DAY, 5 * 365 * DAY));
}

/// Waits for a thread of its own, which a paused clock knows nothing of.
#[workflow(retries = 0)]
async fn ask_outside(step: &mut Step, times: u32) -> Result<u32, Error> {
    let mut answers = 0;
    for _ in 0..times {
        let ask = async |_: &Attempt| {
            let (answer, heard) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    std::thread::yield_now();
                }
                answer.send(1_u32)
            });
            Ok(heard.await?)
        };
        let ask = step.run("ask", ask);
        answers += ask.timeout(Duration::from_secs(5)).await?;
    }
    Ok(answers)
}

#[test]
fn a_body_that_waits_outside_is_not_overtaken_by_its_time_limit() {
    testkit::test(Registry::new().with(ask_outside), async |world| {
        let run = world.start(&ask_outside, &200).await?;
        assert_eq!(world.output(run).await?, 200);
        Ok(())
    });
}

#[test]
fn without_the_clock_held_the_time_limit_strikes_before_an_answer_can_come() {
    #[workflow(retries = 0)]
    async fn ask_a_slow_thread(step: &mut Step, _input: ()) -> Result<bool, Error> {
        let ask = async |_: &Attempt| {
            let (answer, heard) = tokio::sync::oneshot::channel();
            let (gone, here) = std::sync::mpsc::channel::<()>();
            std::thread::spawn(move || {
                // Nobody listens any more once this comes back.
                here.recv().map_or_else(|_| answer.send(()), |()| Ok(()))
            });
            let answered = heard.await;
            drop(gone);
            Ok(answered?)
        };
        let ask = step.run("ask", ask).timeout(Duration::from_secs(5));
        Ok(ask.await.is_err_and(|spent| spent.is_timeout()))
    }
    let kit = Kit::new(Registry::new().with(ask_a_slow_thread)).self_contained();
    kit.test(async |world| {
        let run = world.start(&ask_a_slow_thread, &()).await?;
        assert!(world.output(run).await?);
        Ok(())
    });
}

#[test]
fn a_body_that_hangs_is_ended_by_its_time_limit_once_the_clock_is_set_forward() {
    #[workflow(retries = 0)]
    async fn hang(step: &mut Step, _input: ()) -> Result<bool, Error> {
        let hang = step.run("hang", async |_: &Attempt| {
            std::future::pending::<()>().await;
            Ok(())
        });
        let spent = hang.timeout(Duration::from_secs(600)).await;
        Ok(spent.is_err_and(|spent| spent.is_timeout()))
    }
    testkit::test(Registry::new().with(hang), async |world| {
        let run = world.start(&hang, &()).await?;
        while world.calls("hang").is_empty() {
            world.advance(Duration::from_millis(1)).await;
        }
        world.skip(Duration::from_secs(601)).await;
        assert!(world.output(run).await?);
        Ok(())
    });
}

#[test]
fn a_self_contained_test_sees_no_time_in_the_sleeps_of_bodies() {
    #[workflow]
    async fn nap(step: &mut Step, _input: ()) -> Result<(), Error> {
        step.run("nap", async |_: &Attempt| {
            tokio::time::sleep(Duration::from_secs(200)).await;
            Ok(())
        })
        .await?;
        Ok(())
    }
    let kit = Kit::new(Registry::new().with(nap)).self_contained();
    kit.test(async |world| {
        let begin = world.now();
        let run = world.start(&nap, &()).await?;
        world.output(run).await?;
        assert!(world.now().since(begin) >= Duration::from_secs(200));
        Ok(())
    });
}

#[test]
fn a_run_goes_on_behind_a_crash_in_the_middle_of_its_year() {
    let till = Till::new();
    testkit::test(renewals(&till), async |world| {
        let begin = world.now();
        let run = world.start(&renew, &1).await?;
        world.advance(100 * DAY).await;
        world.crash().await?;
        assert_eq!(world.output(run).await?, 100);
        assert_eq!(world.now().since(begin), 365 * DAY);
        Ok(())
    });
    assert_eq!(till.count(), 1);
}

#[test]
fn ids_instants_and_random_numbers_are_the_same_every_time_for_a_seed() {
    #[workflow]
    async fn draw(step: &mut Step, _input: ()) -> Result<(u64, u64), Error> {
        step.sleep("rest", Duration::from_secs(30)).await?;
        let number = step.random().await;
        Ok((number, step.now().await.as_ms()))
    }
    let drawn = |seed| {
        let kit = Kit::new(Registry::new().with(draw)).seed(seed);
        kit.test(async |world| {
            let run = world.start(&draw, &()).await?;
            Ok((run.id(), world.output(run).await?))
        })
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn a_schedule_ticks_once_for_each_day_that_passes() {
    use stepwell::Tick;

    #[workflow(cron = "0 6 * * *")]
    async fn morning(step: &mut Step, tick: Tick) -> Result<u64, Error> {
        step.run("note", async |_: &Attempt| Ok(tick.at.as_ms()))
            .await?;
        Ok(tick.at.as_ms())
    }
    testkit::test(Registry::new().with(morning), async |world| {
        world.advance(10 * DAY).await;
        assert_eq!(world.calls("note").len(), 10);
        let journals = world.journals().await?;
        assert_eq!(journals.len(), 10);
        let at = |journal: &testkit::Journal| journal.result::<u64>("note");
        let day = u64::try_from(DAY.as_millis())?;
        let days = journals
            .windows(2)
            .map(|two| Some(at(&two[1])? - at(&two[0])?));
        assert!(days.into_iter().all(|apart| apart == Some(day)));
        Ok(())
    });
}

#[test]
fn a_test_that_panics_while_a_body_waits_outside_ends_at_once_with_its_own_words() {
    #[workflow]
    async fn hang(step: &mut Step, _input: ()) -> Result<(), Error> {
        step.run("hang", async |_: &Attempt| {
            std::future::pending::<()>().await;
            Ok(())
        })
        .await?;
        Ok(())
    }
    let said = said(|| {
        testkit::test(Registry::new().with(hang), async |world| {
            world.start(&hang, &()).await?;
            while world.calls("hang").is_empty() {
                world.advance(Duration::from_millis(1)).await;
            }
            assert_eq!(world.now(), stepwell::Timestamp::ZERO, "it is not 1970");
            Ok(())
        });
    });
    assert!(said.contains("it is not 1970"), "{said}");
}

#[test]
fn an_attempt_in_flight_at_a_crash_is_counted() {
    #[workflow]
    async fn second_time(step: &mut Step, _input: ()) -> Result<u32, Error> {
        let attempt = step
            .run("try", async |attempt: &Attempt| {
                if attempt.number() == 1 {
                    std::future::pending::<()>().await;
                }
                Ok(attempt.number())
            })
            .await?;
        Ok(attempt)
    }
    testkit::test(Registry::new().with(second_time), async |world| {
        let run = world.start(&second_time, &()).await?;
        while world.calls("try").is_empty() {
            world.advance(Duration::from_millis(1)).await;
        }
        world.crash().await?;
        assert_eq!(world.output(run).await?, 2);
        world.journal(run).await?.assert_attempts("try", 2);
        Ok(())
    });
}

/// What the test kit says when it ends a test.
pub(crate) fn said(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(test).expect_err("the test was to fail");
    let said = panic.downcast::<String>();
    said.map_or_else(|_| String::new(), |said| *said)
}

#[test]
fn a_run_that_waits_for_ever_is_reported_with_its_journal() {
    use super::shop::first_move;
    let said = said(|| {
        let kit = Kit::new(Registry::new().with(first_move)).patience(90 * DAY);
        kit.test(async |world| {
            let run = world.start(&first_move, &"box".to_owned()).await?;
            world.output(run).await?;
            Ok(())
        });
    });
    assert!(said.contains("to end within 90 d"), "{said}");
    let waits = "step move waits for event parcel/moved with key \"box\"";
    assert!(said.contains(waits), "{said}");
}

#[test]
fn a_kit_inside_a_runtime_says_where_to_call_it_from() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let said = said(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { testkit::test(Registry::new(), async |_| Ok(())) });
    }));
    assert!(said.contains("call it from a plain #[test]"), "{said}");
}
