//! One purchase's life over two apps in every weather: the same rows as on a calm day.

use std::time::Duration;

use stepwell::Error;
use stepwell_bundle_sync::bridge::BridgeError;
use stepwell_bundle_sync::event::Granted;
use stepwell_bundle_sync::link_accounts::link_accounts;
use stepwell_testkit::{Scenario, Shuffle, ensure};

use crate::link::{consent, linked, unlink};
use crate::purchase::{created, sold};
use crate::revocation::{granted, refunded, revoke};
use crate::world::{AH, Fate, Side, TT, Two, Wire, two_over};

const HOUR: Duration = Duration::from_secs(3_600);

/// Lives that are tried in weather of their own.
const LIVES: u64 = 60;

/// Numbers drawn from a seed: the same every time.
#[derive(Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// What the nth attempt of the bridge meets: `in_ten` times of ten trouble of some kind that passes.
fn weather(seed: u64, nth: u32, in_ten: u64) -> Result<Fate, BridgeError> {
    let mut dice = Dice(seed << 32 | u64::from(nth));
    if dice.below(10) >= in_ten {
        return Ok(Fate::Arrives);
    }
    match dice.below(5) {
        0 => Ok(Fate::IsLost),
        1 | 2 => Ok(Fate::ArrivesAndTheReplyIsLost),
        3 => Ok(Fate::ArrivesTwice),
        _ => Err(BridgeError::of_status(AH, 503, None)),
    }
}

/// What may happen in a life, in the order of the shop and of the accounts' owner.
#[derive(Clone, Copy, Debug)]
enum Act {
    Buys,
    GivesHalfBack,
    GivesAllBack,
    Links,
    Unlinks,
    LinksAgain,
    IsToldOfThePurchaseAgain,
    TheEngineOfTheShopDies,
    TheOtherEngineDies,
}

async fn happen(two: &Two<'_>, act: Act) -> Result<(), Error> {
    match act {
        Act::Buys => {
            two.tt.buys("pur-1", "tt_double", 1).await?;
            two.tt_world
                .send_as("purchase/created:pur-1", &created("pur-1"))
                .await?;
        }
        Act::GivesHalfBack | Act::GivesAllBack => {
            let cents = if matches!(act, Act::GivesAllBack) {
                10_000
            } else {
                5_000
            };
            two.tt.refunds("pur-1", cents).await?;
            let id = format!("purchase/refunded:pur-1:{cents}");
            two.tt_world.send_as(&id, &refunded("pur-1", cents)).await?;
        }
        Act::Links | Act::LinksAgain => {
            two.ah_world
                .start(&link_accounts, &consent("ah-ada", "tt-ada"))
                .await?;
        }
        Act::Unlinks => {
            two.ah_world.send(&unlink("ah-ada")).await?;
        }
        Act::IsToldOfThePurchaseAgain => {
            two.tt_world.send(&created("pur-1")).await?;
        }
        Act::TheEngineOfTheShopDies => {
            two.tt_world.crash().await?;
            two.wire.connect(TT, two.tt_world);
        }
        Act::TheOtherEngineDies => {
            two.ah_world.crash().await?;
            two.wire.connect(AH, &two.ah_world);
        }
    }
    Ok(())
}

/// The acts of two people, each in its order, mixed and paused between as the dice say.
async fn live(two: &Two<'_>, shop: &[Act], owner: &[Act], mut dice: Dice) -> Result<(), Error> {
    let (mut shop, mut owner) = (shop.iter(), owner.iter());
    loop {
        let of_the_shop = dice.below(2) == 0;
        let next = match of_the_shop {
            true => shop.next().or_else(|| owner.next()),
            false => owner.next().or_else(|| shop.next()),
        };
        let Some(act) = next else { break };
        happen(two, *act).await?;
        // Nobody removes a link before they see it: what an act does in its own app comes first.
        two.tt_world.advance(Duration::from_millis(10)).await;
        let pauses = [0, 0, 20, 1_000, 20_000, 600_000];
        let pause = pauses[dice.below(pauses.len() as u64) as usize];
        two.tt_world.advance(Duration::from_millis(pause)).await;
    }
    two.tt_world.advance(12 * HOUR).await;
    Ok(())
}

/// What must be the same in the end, however it came about.
async fn rows(two: &Two<'_>) -> Result<Vec<String>, Error> {
    let mut rows = two.tt.syncs().await?;
    rows.extend(two.ah.entitlements().await?);
    for side in [&two.tt, &two.ah] {
        let links = side.texts(
            "SELECT id || ' ' || user_id || ' ' || linked_user_id || ' ' || COALESCE(unlinked_at, '-')
             FROM account_links ORDER BY id",
        );
        rows.extend(links.await?);
        rows.extend(side.alerts().await?);
        let undelivered = "SELECT id || ' is ' || status FROM outbox WHERE status <> 'delivered'";
        rows.extend(side.texts(undelivered).await?);
    }
    let mut kinds = two
        .ah
        .texts("SELECT kind || ' ' || purchase_id FROM mails")
        .await?;
    kinds.sort();
    let before = kinds.len();
    kinds.dedup();
    ensure(
        kinds.len() == before,
        format_args!("a mail twice: {kinds:?}"),
    )?;
    Ok(rows)
}

/// How a life went that nothing disturbed.
fn calm(shop: &[Act], owner: &[Act]) -> Vec<String> {
    let calm = std::cell::RefCell::new(Vec::new());
    two_over(0, Side::registry, async |two| {
        for act in shop.iter().chain(owner) {
            happen(two, *act).await?;
            two.tt_world.advance(HOUR).await;
        }
        calm.replace(rows(two).await?);
        Ok(())
    });
    calm.into_inner()
}

/// Lives in which `shop` and `owner` act: each in weather of its own must end as the calm one.
fn all_end_alike(shop: &[Act], owner: &[Act]) {
    let calm = calm(shop, owner);
    for seed in 0..LIVES {
        two_over(seed, Side::registry, async |two| {
            two.wire
                .weather(move |nth, of_the_message| match of_the_message {
                    // Before its attempts are used up each message arrives; what becomes of one that
                    // does not is another test's.
                    9.. => Ok(Fate::Arrives),
                    _ => weather(seed, nth, 5),
                });
            live(two, shop, owner, Dice(seed)).await?;
            let rows = rows(two).await?;
            ensure(
                rows == calm,
                format_args!("seed {seed}: {rows:#?}\ncalmly {calm:#?}"),
            )
        });
    }
}

#[test]
fn a_bridge_that_hardly_works_for_a_day_changes_nothing_in_the_end() {
    use Act::*;
    let (shop, owner) = (
        [Buys, GivesHalfBack, GivesAllBack],
        [Links, Unlinks, LinksAgain],
    );
    let calm = calm(&shop, &owner);
    for seed in 0..5 {
        two_over(seed, Side::scheduled, async |two| {
            two.wire.weather(move |nth, _| weather(seed, nth, 10));
            live(two, &shop, &owner, Dice(seed)).await?;
            two.wire.fine_weather();
            two.tt_world.advance(HOUR).await;
            let rows = rows(two).await?;
            ensure(
                rows == calm,
                format_args!("seed {seed}: {rows:#?}\ncalmly {calm:#?}"),
            )
        });
    }
}

#[test]
fn a_refunded_purchase_ends_in_the_same_rows_in_any_weather_and_over_any_crash() {
    use Act::*;
    let shop = [
        Buys,
        IsToldOfThePurchaseAgain,
        GivesHalfBack,
        TheEngineOfTheShopDies,
        GivesAllBack,
        IsToldOfThePurchaseAgain,
    ];
    let owner = [Links, Unlinks, TheOtherEngineDies, LinksAgain];
    all_end_alike(&shop, &owner);
}

#[test]
fn a_kept_purchase_of_somebody_who_relinks_ends_in_the_same_rows_in_any_weather() {
    use Act::*;
    let shop = [
        Buys,
        TheEngineOfTheShopDies,
        GivesHalfBack,
        IsToldOfThePurchaseAgain,
    ];
    let owner = [Links, TheOtherEngineDies, Unlinks, LinksAgain];
    all_end_alike(&shop, &owner);
}

#[test]
fn everything_a_granting_app_may_hear_ends_in_the_same_rows_in_every_order() {
    let mut again = linked("link-2");
    again.replaces = vec![stepwell_bundle_sync::event::RemovedLink {
        link_id: "link-1".to_owned(),
        unlinked_at: "2026-01-01T00:00:00.000Z".to_owned(),
    }];
    let removed = stepwell_bundle_sync::event::AccountUnlinked {
        envelope: crate::world::envelope(TT),
        origin_app: TT,
        removed: again.replaces[0].clone(),
    };
    let scenario =
        Scenario::new(
            async || Side::new(AH, Wire::default()).await,
            Side::registry,
        )
        .arrives_as("bundle/purchased:pur-1:ah-cohort", &sold("pur-1"))
        .arrives_as("bundle/purchased:pur-2:ah-cohort", &sold("pur-2"))
        .arrives_as("entitlement/revoke:pur-1:ah-cohort", &revoke("pur-1"))
        .arrives_as("account/linked:link-1", &linked("link-1"))
        .arrives_as("account/unlinked:link-1", &removed)
        .arrives_as("account/linked:link-2", &again)
        .forget(|output| *output = serde_json::Value::Null)
        .invariant(
            "one purchase is over, the other is active",
            async |ah, _| {
                let rows = ah.entitlements().await?;
                let expected = [
                    "pur-1 content_access/ah-cohort revoked",
                    "pur-1 discord_role/cohort revoked",
                    "pur-2 content_access/ah-cohort active ah-ada",
                    "pur-2 discord_role/cohort active ah-ada",
                ];
                ensure(rows == expected, format_args!("{rows:?}"))?;
                let links = ah
            .texts("SELECT id || ' ' || COALESCE(unlinked_at, '-') FROM account_links ORDER BY id")
            .await?;
                let expected = ["link-1 2026-01-01T00:00:00.000Z", "link-2 -"];
                ensure(links == expected, format_args!("{links:?}"))?;
                let alerts = ah.alerts().await?;
                ensure(alerts.is_empty(), format_args!("{alerts:?}"))
            },
        );
    Shuffle::of(&scenario).passes(200).check().unwrap();
    Shuffle::of(&scenario)
        .duplicates_under_new_ids()
        .passes(100)
        .check()
        .unwrap();
}

#[test]
fn everything_a_selling_app_may_hear_ends_in_the_same_rows_in_every_order() {
    let revoked = stepwell_bundle_sync::event::EntitlementRevoked {
        envelope: crate::world::envelope(AH),
        source_purchase_id: "pur-1".to_owned(),
        target_product_id: "ah-cohort".to_owned(),
        entitlement_ids: Vec::new(),
        outcome: stepwell_bundle_sync::event::RevokeOutcome::Revoked,
        revoked_at: crate::world::BOUGHT_AT.to_owned(),
    };
    let scenario = Scenario::new(
        async || {
            let tt = Side::new(TT, Wire::default()).await?;
            tt.buys("pur-1", "tt_bundle", 1).await?;
            tt.buys("pur-2", "tt_bundle", 1).await?;
            Ok(tt)
        },
        Side::registry,
    )
    .arrives_as("purchase/created:pur-1", &created("pur-1"))
    .arrives_as("purchase/created:pur-2", &created("pur-2"))
    .arrives_as("granted:pur-1:pending", &granted("pur-1", Granted::Pending))
    .arrives_as("granted:pur-2:pending", &granted("pur-2", Granted::Pending))
    .arrives_as("granted:pur-2:active", &granted("pur-2", Granted::Active))
    .arrives_as("revoked:pur-1", &revoked)
    .forget(|output| *output = serde_json::Value::Null)
    .invariant(
        "one row is revoked, the other synced with its user",
        async |tt, _| {
            let rows = tt
                .texts(
                    "SELECT purchase_id || ' ' || status || ' ' || COALESCE(target_user_id, '-')
                 FROM cross_app_syncs ORDER BY purchase_id",
                )
                .await?;
            ensure(
                rows[0].starts_with("pur-1 revoked"),
                format_args!("{rows:?}"),
            )?;
            ensure(rows[1] == "pur-2 synced ah-ada", format_args!("{rows:?}"))
        },
    );
    Shuffle::of(&scenario).passes(200).check().unwrap();
}
