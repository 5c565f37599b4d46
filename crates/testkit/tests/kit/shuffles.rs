//! Arrivals in every order: what does not care, and what does and is found.

use stepwell::Registry;
use stepwell_testkit::{Scenario, Shuffle, ensure, shuffle};

use super::shop::{Paid, Till, count_payment, first_move, follow, moved, paid};

#[test]
fn a_workflow_that_takes_events_as_they_come_does_not_care_for_their_order() {
    let scenario = Scenario::new(async || Ok(()), |()| Registry::new().with(follow))
        .start(&follow, &"box".to_owned())
        .arrives(&moved("box", "the door"))
        .arrives(&paid("box"))
        .arrives(&paid("another"));
    let survived = shuffle(&scenario).unwrap();
    assert_eq!(survived.passes, 1 + 48);
}

#[test]
fn a_workflow_that_depends_on_order_is_found_with_seed_and_order() {
    let scenario = Scenario::new(async || Ok(()), |()| Registry::new().with(first_move))
        .start(&first_move, &"box".to_owned())
        .arrives(&moved("box", "the shelf"))
        .arrives(&moved("box", "the door"));
    let broken = shuffle(&scenario).unwrap_err();
    let seed = broken
        .pass()
        .strip_prefix("seed ")
        .unwrap()
        .parse()
        .unwrap();
    let what = "came to the output \"the door\", calmly to \"the shelf\"";
    assert!(broken.what().ends_with(what), "{broken}");
    let order = "arrivals in the order: arrival-2 (parcel/moved), arrival-1 (parcel/moved)";
    assert!(broken.to_string().contains(order), "{broken}");
    let again = Shuffle::of(&scenario).only(seed).check().unwrap_err();
    assert_eq!((again.pass(), again.what()), (broken.pass(), broken.what()));
}

fn payments() -> Scenario<Till> {
    Scenario::new(
        async || Ok(Till::new()),
        |till| Registry::new().with(count_payment).provide(till.clone()),
    )
    .arrives(&paid("box"))
    .arrives(&paid("bag"))
    .invariant("each payment is counted once", async |till, end| {
        let (counted, runs) = (till.count(), end.runs().len());
        ensure(
            counted == 2 && runs == 2,
            format_args!("{counted} counted by {runs} runs"),
        )
    })
}

#[test]
fn an_event_that_arrives_twice_under_one_id_starts_one_run() {
    shuffle(&payments()).unwrap();
}

#[test]
fn an_event_that_arrives_twice_under_two_ids_is_found_where_it_acts_twice() {
    let scenario = payments();
    let twice = Shuffle::of(&scenario).duplicates_under_new_ids();
    let broken = twice.check().unwrap_err();
    let what = "each payment is counted once: 3 counted by 2 runs";
    assert_eq!((broken.pass(), broken.what()), ("seed 0", what));
}

#[test]
fn an_event_that_arrives_twice_under_two_ids_may_start_two_runs_that_act_once() {
    use stepwell::{Attempt, Error, Step, workflow};

    /// Counts a payment under a key of its own, not of the run.
    #[workflow(on = Paid)]
    async fn count_once(step: &mut Step, paid: Paid) -> Result<(), Error> {
        let till = step.get::<Till>();
        step.run(
            "count",
            async |_: &Attempt| Ok(till.charge(&paid.parcel, 1)),
        )
        .await?;
        Ok(())
    }
    let scenario = Scenario::new(
        async || Ok(Till::new()),
        |till| Registry::new().with(count_once).provide(till.clone()),
    )
    .arrives(&paid("box"))
    .arrives(&paid("bag"))
    .invariant("each payment is counted once", async |till, _end| {
        ensure(till.count() == 2, till.count())
    });
    let twice = Shuffle::of(&scenario).duplicates_under_new_ids();
    twice.check().unwrap();
}

#[test]
fn of_many_arrivals_orders_are_drawn() {
    let mut scenario = Scenario::new(async || Ok(()), |()| Registry::new().with(follow))
        .start(&follow, &"box".to_owned())
        .arrives(&moved("box", "the door"))
        .arrives(&paid("box"));
    for parcel in ["one", "two", "three", "four"] {
        scenario = scenario.arrives(&paid(parcel));
    }
    let few = Shuffle::of(&scenario).passes(12).check().unwrap();
    assert_eq!(few.passes, 1 + 12);
}
