//! A year in no time, services that fail, a crash at every write, events in every order.

#[cfg(test)]
mod world;

use std::time::Duration;

use domain_renewal::registry;
use domain_renewal::renewal::renew_domain;
use domain_renewal::renewal::{DAY, DomainCleared, DomainRegistered, Renewal, RenewalApproved};
use stepwell::Error;
use stepwell_testkit::{Kit, Scenario, Shuffle, crash_everywhere, ensure, shuffle, test};
use world::World;

fn registered() -> DomainRegistered {
    DomainRegistered {
        domain: "ada.example".to_owned(),
        owner: "ada@ada.example".to_owned(),
        card: "card-1".to_owned(),
        paid_until: 2026,
    }
}

fn approved() -> RenewalApproved {
    RenewalApproved {
        domain: "ada.example".to_owned(),
        years: 2,
    }
}

fn cleared() -> DomainCleared {
    DomainCleared {
        domain: "ada.example".to_owned(),
    }
}

#[test]
fn a_domain_is_renewed_when_its_owner_says_so() {
    let outside = World::new();
    test(registry(outside.services()), async |world| {
        let begin = world.now();
        let event = world.send(&registered()).await?;
        let run = world.run_of(&renew_domain, &event).await?;

        world.advance(336 * DAY).await;
        assert_eq!(outside.mails(), ["ada.example ends in a month: renew it?"]);
        world.journal(run).await?.assert_waits_in("approval");

        world.send(&cleared()).await?;
        world.send(&approved()).await?;
        let renewal = world.output(run).await?;
        let paid_until = match renewal {
            Renewal::Renewed { paid_until, .. } => Some(paid_until),
            Renewal::Lapsed => None,
        };
        assert_eq!(paid_until, Some(2028));
        assert_eq!(outside.paid_until("ada.example"), Some(2028));
        assert!(world.now().since(begin) < 337 * DAY);
        Ok(())
    });
}

#[test]
fn a_domain_whose_owner_says_nothing_lapses_after_a_year() {
    let outside = World::new();
    test(registry(outside.services()), async |world| {
        let run = world.start(&renew_domain, &registered()).await?;
        assert_eq!(world.output(run).await?, Renewal::Lapsed);
        let steps = ["eleven-months", "ask-owner", "approval", "clearance"];
        world.journal(run).await?.assert_steps(&steps);
        Ok(())
    });
    assert_eq!(outside.charged_cents(), 0);
}

#[test]
fn a_bank_that_is_away_for_a_while_is_asked_again() {
    let outside = World::new();
    let kit =
        Kit::new(registry(outside.services())).fake("charge-card", |call| match call.attempt {
            1 | 2 => Err(Error::retry_after(
                Duration::from_secs(3_600),
                "bank is away",
            )),
            _ => Ok("receipt-1"),
        });
    kit.test(async |world| {
        let run = world.start(&renew_domain, &registered()).await?;
        world.send(&approved()).await?;
        world.send(&cleared()).await?;
        let receipt = "receipt-1".to_owned();
        let renewed = Renewal::Renewed {
            paid_until: 2028,
            receipt,
        };
        assert_eq!(world.output(run).await?, renewed);
        let journal = world.journal(run).await?;
        journal.assert_attempts("charge-card", 3);
        journal.assert_result("charge-card", &"receipt-1");
        Ok(())
    });
}

/// Everything that happens to a domain that is renewed, and what must hold then.
fn a_renewal(outside: fn() -> World) -> Scenario<World> {
    Scenario::new(
        async move || Ok(outside()),
        |outside| registry(outside.services()),
    )
    .send(&registered())
    .arrives(&approved())
    .arrives(&cleared())
    .invariant("two years are charged, once", async |outside, _end| {
        let cents = outside.charged_cents();
        ensure(cents == 3_000, format_args!("{cents} cents were charged"))
    })
    .invariant("the owner is asked once", async |outside, _end| {
        let mails = outside.mails().len();
        ensure(mails == 1, format_args!("{mails} mails were sent"))
    })
    .invariant("the domain is extended", async |outside, _end| {
        let year = outside.paid_until("ada.example");
        ensure(year == Some(2028), "it is not paid until 2028")
    })
}

#[test]
fn a_renewal_survives_a_crash_at_every_write() {
    crash_everywhere(&a_renewal(World::new)).unwrap();
}

#[test]
fn a_bank_that_ignores_keys_is_found() {
    let broken = crash_everywhere(&a_renewal(World::with_careless_bank)).unwrap_err();
    let what = "two years are charged, once: 6000 cents were charged";
    assert_eq!(broken.what(), what);
    assert!(broken.to_string().contains("step charge-card"), "{broken}");
}

#[test]
fn approval_and_clearance_may_come_in_any_order_and_more_than_once() {
    let scenario = a_renewal(World::new);
    shuffle(&scenario).unwrap();
    let twice = Shuffle::of(&scenario).duplicates_under_new_ids();
    twice.check().unwrap();
}
