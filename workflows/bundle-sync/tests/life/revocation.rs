//! Money goes back: access ends for good, in whichever order the two apps hear of it.

use std::time::Duration;

use stepwell_bundle_sync::emit_bundle_purchase::{Emitted, emit_bundle_purchase};
use stepwell_bundle_sync::emit_revocation::{Revoking, emit_revocation};
use stepwell_bundle_sync::event::{
    EntitlementGranted, EntitlementRevoke, Granted, PurchaseRefunded, RevokeOutcome, RevokeReason,
};
use stepwell_bundle_sync::handle_bundle_purchase::handle_bundle_purchase;
use stepwell_bundle_sync::handle_entitlement_granted::{Noted, handle_entitlement_granted};
use stepwell_bundle_sync::handle_revocation::handle_revocation;
use stepwell_testkit::{Scenario, Shuffle, crash_everywhere, ensure, shuffle};

use crate::link::consent;
use crate::purchase::{created, sold};
use crate::world::{AH, BOUGHT_AT, Side, TT, Two, Wire, envelope, two};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn refunded(purchase: &str, amount_refunded: i64) -> PurchaseRefunded {
    PurchaseRefunded {
        purchase_id: purchase.to_owned(),
        amount: 10_000,
        amount_refunded,
        full: amount_refunded == 10_000,
    }
}

pub(crate) fn revoke(purchase: &str) -> EntitlementRevoke {
    EntitlementRevoke {
        envelope: envelope(TT),
        source_purchase_id: purchase.to_owned(),
        target_product_id: "ah-cohort".to_owned(),
        reason: RevokeReason::Refund,
        buyer_email: None,
        source_user_id: Some("tt-ada".to_owned()),
        revoked_at: BOUGHT_AT.to_owned(),
    }
}

pub(crate) fn granted(purchase: &str, status: Granted) -> EntitlementGranted {
    EntitlementGranted {
        envelope: envelope(AH),
        source_purchase_id: purchase.to_owned(),
        entitlement_id: "entitlement-1".to_owned(),
        entitlement_ids: vec!["entitlement-1".to_owned()],
        target_product_id: "ah-cohort".to_owned(),
        target_user_id: (status == Granted::Active).then(|| "ah-ada".to_owned()),
        status,
        granted_at: BOUGHT_AT.to_owned(),
        cross_app_sync_id: None,
    }
}

/// Ada buys at Total TypeScript.
async fn buys(two: &Two<'_>, purchase: &str) -> Result<(), stepwell::Error> {
    two.tt.buys(purchase, "tt_bundle", 1).await?;
    two.tt_world.send(&created(purchase)).await?;
    two.tt_world.advance(MINUTE).await;
    Ok(())
}

/// So much of it goes back.
async fn gives_back(two: &Two<'_>, purchase: &str, cents: i64) -> Result<(), stepwell::Error> {
    two.tt.refunds(purchase, cents).await?;
    two.tt_world.send(&refunded(purchase, cents)).await?;
    two.tt_world.advance(MINUTE).await;
    Ok(())
}

#[test]
fn a_revocation_is_asked_for_once_wherever_the_engine_dies() {
    let scenario = Scenario::new(
        async || {
            let tt = Side::new(TT, Wire::default()).await?;
            tt.buys("pur-1", "tt_double", 1).await?;
            Ok(tt)
        },
        Side::registry,
    )
    .act(async |world, tt: &Side| {
        let event = world.send(&created("pur-1")).await?;
        let run = world.run_of(&emit_bundle_purchase, &event).await?;
        world.output(run).await?;
        tt.refunds("pur-1", 10_000).await?;
        let event = world.send(&refunded("pur-1", 10_000)).await?;
        let run = world.run_of(&emit_revocation, &event).await?;
        world.output(run).await?;
        Ok(())
    })
    .invariant("one wish for each product", async |tt, _| {
        let arrived = tt.wire.arrived();
        let wishes = arrived
            .iter()
            .filter(|id| id.starts_with("entitlement/revoke:"));
        let wishes: Vec<_> = wishes.collect();
        ensure(wishes.len() == 2, format_args!("{wishes:?}"))
    });
    crash_everywhere(&scenario).unwrap();
}

#[test]
fn access_ends_once_wherever_the_engine_dies() {
    let scenario = Scenario::new(
        async || Side::new(AH, Wire::default()).await,
        Side::registry,
    )
    .act(async |world, _: &Side| {
        let event = world.send(&sold("pur-1")).await?;
        let run = world.run_of(&handle_bundle_purchase, &event).await?;
        world.output(run).await?;
        let event = world.send(&revoke("pur-1")).await?;
        let run = world.run_of(&handle_revocation, &event).await?;
        let taken = world.output(run).await?;
        ensure(
            taken.outcome == RevokeOutcome::Revoked,
            "nothing was revoked",
        )
    })
    .invariant("everything is revoked", async |ah, _| {
        let rows = ah.entitlements().await?;
        let over = rows.iter().all(|row| row.ends_with("revoked"));
        ensure(over && rows.len() == 2, format_args!("{rows:?}"))
    });
    crash_everywhere(&scenario).unwrap();
}

#[test]
fn a_grant_ends_revoked_in_every_order_of_purchase_and_revocation() {
    let scenario = Scenario::new(
        async || Side::new(AH, Wire::default()).await,
        Side::registry,
    )
    .arrives_as("bundle/purchased:pur-1:ah-cohort", &sold("pur-1"))
    .arrives_as("entitlement/revoke:pur-1:ah-cohort", &revoke("pur-1"))
    .forget(|output| *output = serde_json::Value::Null)
    .invariant("no access, the same rows", async |ah, _| {
        let rows = ah.entitlements().await?;
        let expected = [
            "pur-1 content_access/ah-cohort revoked",
            "pur-1 discord_role/cohort revoked",
        ];
        ensure(rows == expected, format_args!("{rows:?}"))
    });
    shuffle(&scenario).unwrap();
    Shuffle::of(&scenario)
        .duplicates_under_new_ids()
        .passes(12)
        .check()
        .unwrap();
}

#[test]
fn a_refund_before_the_purchase_was_heard_of_leaves_no_access_and_ends_revoked() {
    two(async |two| {
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        two.tt.refunds("pur-1", 10_000).await?;
        let event = two.tt_world.send(&refunded("pur-1", 10_000)).await?;
        let run = two.tt_world.run_of(&emit_revocation, &event).await?;
        assert_eq!(two.tt_world.output(run).await?, Revoking::NeverTold);
        let event = two.tt_world.send(&created("pur-1")).await?;
        let run = two.tt_world.run_of(&emit_bundle_purchase, &event).await?;
        assert_eq!(two.tt_world.output(run).await?, Emitted::NotValid);
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort revoked"]);
        assert!(two.wire.arrived().is_empty());
        Ok(())
    });
}

#[test]
fn a_revocation_of_an_unknown_purchase_is_remembered_and_answered() {
    two(async |two| {
        let event = two.ah_world.send(&revoke("pur-1")).await?;
        let run = two.ah_world.run_of(&handle_revocation, &event).await?;
        let taken = two.ah_world.output(run).await?;
        assert_eq!(taken.outcome, RevokeOutcome::Tombstoned);
        let answer = two.wire.body("entitlement/revoked:pur-1:ah-cohort");
        assert_eq!(answer["outcome"], "tombstoned");
        two.ah_world.send(&sold("pur-1")).await?;
        two.ah_world.advance(MINUTE).await;
        let rows = two.ah.entitlements().await?;
        assert!(rows.iter().all(|row| row.ends_with("revoked")), "{rows:?}");
        assert!(two.ah.post.keys().is_empty());
        Ok(())
    });
}

#[test]
fn a_refund_while_access_is_pending_leaves_nothing_to_claim() {
    two(async |two| {
        buys(two, "pur-1").await?;
        gives_back(two, "pur-1", 10_000).await?;
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort revoked"]);
        crate::link::links(two, &consent("ah-ada", "tt-ada")).await?;
        assert!(!two.ah.has_access("ah-ada", "ah-cohort").await?);
        assert_eq!(two.ah.post.kinds_to("ah-ada"), Vec::<String>::new());
        assert_eq!(two.ah.post.keys().len(), 1);
        Ok(())
    });
}

#[test]
fn a_refund_in_part_takes_nothing_back_and_the_one_that_makes_it_whole_does() {
    two(async |two| {
        buys(two, "pur-1").await?;
        gives_back(two, "pur-1", 5_000).await?;
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort synced"]);
        let notes = two.tt.texts("SELECT note FROM purchases").await?;
        assert_eq!(notes, ["refunded in part: 5000 of 10000"]);
        gives_back(two, "pur-1", 10_000).await?;
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort revoked"]);
        Ok(())
    });
}

#[test]
fn a_refund_of_one_of_two_purchases_leaves_the_access_of_the_other() {
    two(async |two| {
        crate::link::links(two, &consent("ah-ada", "tt-ada")).await?;
        buys(two, "pur-1").await?;
        buys(two, "pur-2").await?;
        gives_back(two, "pur-1", 10_000).await?;
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        gives_back(two, "pur-2", 10_000).await?;
        assert!(!two.ah.has_access("ah-ada", "ah-cohort").await?);
        Ok(())
    });
}

#[test]
fn buying_again_after_a_refund_is_a_purchase_like_any_other() {
    two(async |two| {
        crate::link::links(two, &consent("ah-ada", "tt-ada")).await?;
        buys(two, "pur-1").await?;
        gives_back(two, "pur-1", 10_000).await?;
        buys(two, "pur-2").await?;
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        let rows = two.tt.syncs().await?;
        assert_eq!(rows, ["pur-1 ah-cohort revoked", "pur-2 ah-cohort synced"]);
        Ok(())
    });
}

#[test]
fn a_refund_that_is_not_stored_yet_is_waited_for() {
    two(async |two| {
        buys(two, "pur-1").await?;
        let event = two.tt_world.send(&refunded("pur-1", 10_000)).await?;
        two.tt_world.advance(Duration::from_secs(5)).await;
        two.tt.refunds("pur-1", 10_000).await?;
        let run = two.tt_world.run_of(&emit_revocation, &event).await?;
        let asked = two.tt_world.output(run).await?;
        assert!(matches!(asked, Revoking::Asked { .. }));
        Ok(())
    });
}

#[test]
fn what_was_sold_is_taken_back_whatever_the_bundle_holds_by_then() {
    two(async |two| {
        buys(two, "pur-1").await?;
        let mut tx = two.tt.pool().begin().await?;
        let product = stepwell_bundle_sync::db::shop::put_product;
        product(&mut tx, "tt_bundle", "The bundle", None).await?;
        tx.commit().await?;
        gives_back(two, "pur-1", 10_000).await?;
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort revoked"]);
        Ok(())
    });
}

#[test]
fn an_answer_before_there_is_a_row_makes_one_that_is_synced() {
    two(async |two| {
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        two.tt_world
            .send(&granted("pur-1", Granted::Pending))
            .await?;
        two.tt_world.advance(MINUTE).await;
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort synced"]);
        Ok(())
    });
}

#[test]
fn a_late_answer_does_not_bring_a_revoked_row_back_and_asks_again_once() {
    two(async |two| {
        buys(two, "pur-1").await?;
        gives_back(two, "pur-1", 10_000).await?;
        for delivery in ["late-1", "late-2"] {
            let late = granted("pur-1", Granted::Active);
            let event = two.tt_world.send_as(delivery, &late).await?;
            let run = two
                .tt_world
                .run_of(&handle_entitlement_granted, &event)
                .await?;
            let noted = two.tt_world.output(run).await?;
            assert!(matches!(noted, Noted::AskedBack { .. }), "{noted:?}");
        }
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort revoked"]);
        assert_eq!(two.wire.attempts("entitlement/revoke:pur-1:ah-cohort"), 1);
        Ok(())
    });
}

#[test]
fn a_disputed_or_banned_purchase_is_taken_back_with_its_reason() {
    two(async |two| {
        use stepwell_bundle_sync::db::purchases::PurchaseStatus;
        buys(two, "pur-1").await?;
        let mut tx = two.tt.pool().begin().await?;
        let put = stepwell_bundle_sync::db::shop::put_status;
        put(&mut tx, "pur-1", PurchaseStatus::Disputed).await?;
        tx.commit().await?;
        two.tt_world.send(&refunded("pur-1", 10_000)).await?;
        two.tt_world.advance(MINUTE).await;
        let wish = two.wire.body("entitlement/revoke:pur-1:ah-cohort");
        assert_eq!(wish["reason"], "dispute");
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort revoked"]);
        Ok(())
    });
}
