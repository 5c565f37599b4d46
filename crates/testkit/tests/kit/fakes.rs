//! Fakes in the place of bodies: called with the attempt, recorded as bodies are.

use std::time::Duration;

use stepwell::{Attempt, Error, Registry, Scope, Step, workflow};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_testkit::{Fakes, Kit};

use super::shop::{Bought, Till, buy};

fn shop(till: &Till) -> Kit {
    Kit::new(Registry::new().with(buy).provide(till.clone()))
}

#[test]
fn a_fake_runs_in_the_place_of_a_body_and_is_told_the_attempt() {
    let till = Till::new();
    shop(&till)
        .fake("charge", |_| Ok(7_u32))
        .test(async |world| {
            let run = world.start(&buy, &500).await?;
            let bought = Bought {
                cents: 7,
                delivered: true,
            };
            assert_eq!(world.output(run).await?, bought);
            let calls = world.calls("charge");
            assert_eq!((calls.len(), calls[0].attempt, calls[0].nth), (1, 1, 1));
            assert_eq!(calls[0].idempotency_key, format!("{}/charge", run.id()));
            assert_eq!(world.calls("deliver").len(), 1);
            Ok(())
        });
    assert_eq!(till.count(), 0);
}

#[test]
fn a_fake_fails_the_attempts_it_wants_to() {
    let kit = shop(&Till::new()).fake("charge", |call| match call.attempt {
        1 => Err(Error::retryable("busy")),
        2 => Err(Error::retry_after(Duration::from_secs(3_600), "come back")),
        _ => Ok(500_u32),
    });
    kit.test(async |world| {
        let begin = world.now();
        let run = world.start(&buy, &500).await?;
        world.output(run).await?;
        let journal = world.journal(run).await?;
        journal.assert_attempts("charge", 3);
        journal.assert_steps(&["charge", "deliver"]);
        let said: Vec<_> = journal
            .failures("charge")
            .iter()
            .map(|f| &*f.message)
            .collect();
        assert_eq!(said, ["busy", "come back"]);
        assert!(world.now().since(begin) >= Duration::from_secs(3_600));
        Ok(())
    });
}

#[test]
fn a_fake_that_hangs_runs_into_the_time_limit_which_takes_no_time() {
    let fakes = Fakes::new().with_async("charge", |call| async move {
        if call.attempt == 1 {
            std::future::pending::<()>().await;
        }
        Ok(500_u32)
    });
    let kit = shop(&Till::new()).fakes(fakes).engine_options(|options| {
        options.attempt_timeout = Duration::from_secs(7_200);
    });
    kit.test(async |world| {
        let begin = world.now();
        let run = world.start(&buy, &500).await?;
        world.output(run).await?;
        assert!(world.now().since(begin) >= Duration::from_secs(7_200));
        world.journal(run).await?.assert_attempts("charge", 2);
        Ok(())
    });
}

#[test]
fn a_fake_that_fails_terminally_fails_the_run_and_the_report_says_with_what() {
    let kit = shop(&Till::new()).fake("charge", |_| -> Result<u32, Error> {
        Err(Error::terminal("card declined"))
    });
    kit.test(async |world| {
        let run = world.start(&buy, &500).await?;
        let Outcome::Failed(failure) = world.outcome(run).await? else {
            panic!("the run did not fail");
        };
        assert!(
            failure.message.ends_with("card declined"),
            "{}",
            failure.message
        );
        world.journal(run).await?.assert_status(RunStatus::Failed);
        let error = world.output(run).await.unwrap_err().to_string();
        let said = "but it failed: step charge failed after 1 attempt(s): card declined";
        assert!(error.contains(said), "{error}");
        Ok(())
    });
}

#[test]
fn a_fake_whose_result_has_another_shape_quarantines_the_run_and_the_report_says_so() {
    let kit = shop(&Till::new()).fake("charge", |_| Ok("seven"));
    kit.test(async |world| {
        let run = world.start(&buy, &500).await?;
        let error = world.output(run).await.unwrap_err().to_string();
        assert!(error.contains("it is quarantined"), "{error}");
        assert!(error.contains("read as u32"), "{error}");
        Ok(())
    });
}

/// A database that nothing in these tests may reach.
struct NoDatabase;

impl stepwell::Database for NoDatabase {
    type Transaction = ();
    type Connection = ();

    fn label(&self) -> &'static str {
        "none"
    }

    async fn begin(&self, _receipt: &stepwell::Receipt) -> Result<stepwell::Begun<()>, Error> {
        Err(Error::terminal("there is no database"))
    }

    fn connection<'t>(&self, transaction: &'t mut ()) -> &'t mut () {
        transaction
    }

    async fn commit(
        &self,
        (): (),
        _receipt: &stepwell::Receipt,
        _output: &str,
    ) -> Result<(), Error> {
        Err(Error::terminal("there is no database"))
    }
}

/// Books a seat, reserves in a database, and takes both back because there is no train.
#[workflow]
async fn plan_trip(step: &mut Step, _input: ()) -> Result<String, Error> {
    let trip = step
        .scope("trip", async |trip: &mut Scope<'_>| {
            let seat = trip
                .run("seat", async |_: &Attempt| Ok(1_u32))
                .undo(async |_: &Attempt, _seat: u32| Err(Error::terminal("no way back")))
                .await?;
            let reserve = async |(): &mut ()| Ok(seat);
            trip.transaction("reserve", &NoDatabase, reserve).await?;
            Err::<(), Error>(Error::terminal("no train"))
        })
        .await;
    Ok(trip.map_or_else(|error| error.to_string(), |()| "a trip".to_owned()))
}

#[test]
fn fakes_stand_in_for_transactions_and_for_compensations() {
    let kit = Kit::new(Registry::new().with(plan_trip))
        .fake("reserve", |_| Ok(1_u32))
        .fake("seat", |_| Ok(7_u32))
        .fake("trip/undo/seat", |_| Ok(()));
    kit.test(async |world| {
        let run = world.start(&plan_trip, &()).await?;
        assert_eq!(world.output(run).await?, "no train");
        let journal = world.journal(run).await?;
        journal.assert_result("trip/0/reserve", &1);
        journal.assert_result("trip/0/seat", &7);
        journal.assert_attempts("trip/undo/seat", 1);
        let undone = world.calls("trip/undo/seat");
        assert_eq!((world.calls("seat").len(), undone.len()), (1, 1));
        assert!(undone[0].undoes);
        Ok(())
    });
}
