//! A crash at every write: what survives it, and what does not and is found.

use stepwell::Registry;
use stepwell_testkit::{Crash, CrashEverywhere, Scenario, crash_everywhere, ensure};

use super::shop::{Bought, Till, buy, follow, moved, paid, per_key, renew};

fn purchase(till: fn() -> Till) -> Scenario<Till> {
    Scenario::new(
        async move || Ok(till()),
        |till| Registry::new().with(buy).provide(till.clone()),
    )
    .start(&buy, &500)
    .invariant("one charge for each purchase", async |till, _end| {
        let charges = till.count();
        ensure(
            charges == 1,
            format_args!("{charges} charges for 1 purchase"),
        )
    })
}

#[test]
fn two_steps_survive_a_crash_at_every_write() {
    let scenario = purchase(Till::new).invariant("all is delivered", async |_, end| {
        let bought = end.output::<Bought>();
        ensure(
            bought.is_some_and(|bought| bought.delivered),
            "not delivered",
        )
    });
    let survived = crash_everywhere(&scenario).unwrap();
    // Start, charge, deliver, end; and for each kind of crash a pass beyond the last write.
    assert_eq!((survived.writes, survived.passes), (4, 1 + 3 * 5));
}

#[test]
fn a_charge_that_ignores_its_key_is_found_at_the_write_that_records_it() {
    let broken = crash_everywhere(&purchase(Till::that_forgets)).unwrap_err();
    assert_eq!(
        broken.pass(),
        "write 2 of 4, with a crash before it: it is lost"
    );
    assert_eq!(
        broken.what(),
        "one charge for each purchase: 2 charges for 1 purchase"
    );
    let report = broken.to_string();
    for said in [
        "that write records: in the journal of run",
        "step charge succeeds with attempt 1: 500",
        "engine opens again; attempt 1 at step charge was cut short",
        "step charge succeeds with attempt 2: 500",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
}

#[test]
fn a_crash_behind_every_crash_is_survived_too() {
    let scenario = purchase(Till::new);
    let survived = CrashEverywhere::of(&scenario).twice().check().unwrap();
    assert!(survived.passes > 80, "{survived}");
}

#[test]
fn the_crash_that_broke_something_can_be_tried_alone() {
    let scenario = purchase(Till::that_forgets);
    let alone = |write, crash| CrashEverywhere::of(&scenario).only(write, crash).check();
    let broken = alone(2, Crash::Before).unwrap_err();
    let all = crash_everywhere(&scenario).unwrap_err();
    assert_eq!((broken.pass(), broken.what()), (all.pass(), all.what()));
    // Kept, the charge is not made again.
    assert_eq!(alone(2, Crash::After).unwrap().passes, 2);
    assert_eq!(alone(1, Crash::Before).unwrap().passes, 2);
}

#[test]
fn a_charge_that_survives_one_crash_but_not_two_is_found() {
    use stepwell::{Attempt, Error, Step, workflow};

    /// Believes that there are two attempts at most.
    #[workflow(retries = 5)]
    async fn believe(step: &mut Step, _input: ()) -> Result<(), Error> {
        let till = step.get::<Till>();
        step.run("charge", async |attempt: &Attempt| {
            let third = if attempt.number() > 2 { "third" } else { "" };
            till.charge(&format!("{}{third}", attempt.idempotency_key()), 1);
            Ok(())
        })
        .await?;
        Ok(())
    }
    let scenario = Scenario::new(
        async || Ok(Till::new()),
        |till| Registry::new().with(believe).provide(till.clone()),
    )
    .start(&believe, &())
    .invariant("one charge", async |till, _| {
        ensure(till.count() == 1, format_args!("{} charges", till.count()))
    });
    crash_everywhere(&scenario).unwrap();
    let broken = CrashEverywhere::of(&scenario).twice().check().unwrap_err();
    let pass = "write 2 of 3, with a crash before it: it is lost; then write 2 of the next engine, \
                with a crash before it: it is lost";
    assert_eq!(
        (broken.pass(), broken.what()),
        (pass, "one charge: 2 charges")
    );
}

#[test]
fn a_year_of_waiting_survives_a_crash_at_every_write() {
    let scenario = Scenario::new(
        async || Ok(Till::new()),
        |till| Registry::new().with(renew).provide(till.clone()),
    )
    .start(&renew, &2)
    .invariant("a charge a year", async |till, _| {
        let counts = per_key(till);
        ensure(
            counts.len() == 2 && counts.values().all(|count| *count == 1),
            "other charges",
        )
    });
    let survived = crash_everywhere(&scenario).unwrap();
    assert!(survived.writes >= 6, "{survived}");
}

#[test]
fn events_and_a_script_survive_a_crash_at_every_write() {
    let scenario =
        Scenario::new(async || Ok(()), |()| Registry::new().with(follow)).act(async |world, ()| {
            let run = world.start(&follow, &"box".to_owned()).await?;
            world.send(&paid("box")).await?;
            world.advance(super::shop::DAY).await;
            world.send(&moved("box", "the door")).await?;
            let to = world.output(run).await?;
            ensure(to == "the door", to)
        });
    let survived = crash_everywhere(&scenario).unwrap();
    assert!(survived.writes >= 8, "{survived}");
}

#[test]
fn an_outcome_that_depends_on_a_crash_is_found() {
    use stepwell::{Attempt, Error, Step, workflow};

    #[workflow]
    async fn count_attempts(step: &mut Step, _input: ()) -> Result<u32, Error> {
        let attempt = step
            .run("count", async |attempt: &Attempt| Ok(attempt.number()))
            .await?;
        Ok(attempt)
    }
    let scenario = Scenario::new(async || Ok(()), |()| Registry::new().with(count_attempts))
        .start(&count_attempts, &());
    let broken = crash_everywhere(&scenario).unwrap_err();
    let what = "came to the output 2, calmly to 1";
    assert!(broken.what().ends_with(what), "{broken}");
}

#[test]
fn the_ids_of_runs_do_not_make_two_outcomes_differ() {
    use stepwell::{Attempt, Error, Step, workflow};

    #[workflow]
    async fn key(step: &mut Step, _input: ()) -> Result<[String; 2], Error> {
        let run = step.run_id().to_string();
        let key = step
            .run("key", async |attempt: &Attempt| {
                Ok(attempt.idempotency_key().to_owned())
            })
            .await?;
        Ok([run, key])
    }
    let scenario = Scenario::new(async || Ok(()), |()| Registry::new().with(key)).start(&key, &());
    crash_everywhere(&scenario).unwrap();
}

#[test]
fn a_run_that_never_ends_is_reported_with_its_journal_once() {
    let scenario = Scenario::new(async || Ok(()), |()| Registry::new().with(follow))
        .start(&follow, &"box".to_owned())
        .arrives(&paid("box"));
    let broken = crash_everywhere(&scenario).unwrap_err();
    assert_eq!(broken.pass(), "the calm pass, in which nothing goes wrong");
    let report = broken.to_string();
    assert!(report.contains("to end within 3650 d"), "{report}");
    let waits = "step move waits for event parcel/moved with key \"box\"";
    assert_eq!(
        report.matches(waits).count(),
        2,
        "as entry and as wait: {report}"
    );
}
