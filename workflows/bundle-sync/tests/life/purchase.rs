//! A bundle is bought: told, granted or kept pending, answered, mailed about.

use std::time::Duration;

use stepwell_bundle_sync::bridge::BridgeError;
use stepwell_bundle_sync::emit_bundle_purchase::{Emitted, emit_bundle_purchase};
use stepwell_bundle_sync::event::{BundlePurchased, Email, PurchaseCreated};
use stepwell_bundle_sync::handle_bundle_purchase::handle_bundle_purchase;
use stepwell_testkit::{Scenario, crash_everywhere, ensure};

use crate::world::BOUGHT_AT;
use crate::world::{AH, Fate, Side, TT, Wire, envelope, two};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn created(purchase: &str) -> PurchaseCreated {
    PurchaseCreated {
        purchase_id: purchase.to_owned(),
    }
}

pub(crate) fn sold(purchase: &str) -> BundlePurchased {
    BundlePurchased {
        envelope: envelope(TT),
        purchase_id: purchase.to_owned(),
        buyer_email: Email::new(" Ada@TT.example "),
        linked_user_id: None,
        source_user_id: Some("tt-ada".to_owned()),
        bundle_product_id: "tt_bundle".to_owned(),
        target_product_id: "ah-cohort".to_owned(),
        buyer_name: Some("Ada".to_owned()),
        purchased_at: BOUGHT_AT.to_owned(),
        purchase_status: "Valid".to_owned(),
        cross_app_sync_id: format!("sync-of-{purchase}"),
    }
}

#[test]
fn a_purchase_is_told_once_wherever_the_engine_dies() {
    let scenario = Scenario::new(
        async || {
            let tt = Side::new(TT, Wire::default()).await?;
            tt.buys("pur-1", "tt_double", 1).await?;
            Ok(tt)
        },
        Side::registry,
    )
    .send(&created("pur-1"))
    .invariant("a row and a message for each product", async |tt, _| {
        let rows = tt.syncs().await?;
        let expected = ["pur-1 ah-cohort pending", "pur-1 ah-workshop pending"];
        ensure(rows == expected, format_args!("{rows:?}"))?;
        let arrived = tt.wire.arrived();
        let expected = [
            "bundle/purchased:pur-1:ah-cohort",
            "bundle/purchased:pur-1:ah-workshop",
        ];
        ensure(arrived == expected, format_args!("{arrived:?}"))
    });
    crash_everywhere(&scenario).unwrap();
}

#[test]
fn a_purchase_is_granted_once_wherever_the_engine_dies() {
    let scenario = Scenario::new(
        async || Side::new(AH, Wire::default()).await,
        Side::registry,
    )
    .send(&sold("pur-1"))
    .invariant(
        "one set of entitlements, one answer, one mail",
        async |ah, _| {
            let rows = ah.entitlements().await?;
            let expected = [
                "pur-1 content_access/ah-cohort pending",
                "pur-1 discord_role/cohort pending",
            ];
            ensure(rows == expected, format_args!("{rows:?}"))?;
            let arrived = ah.wire.arrived();
            let expected = ["entitlement/granted:pur-1:ah-cohort:pending"];
            ensure(arrived == expected, format_args!("{arrived:?}"))?;
            let mails = ah.post.kinds_to("ada@tt.example");
            ensure(mails == ["pending"], format_args!("{mails:?}"))
        },
    );
    crash_everywhere(&scenario).unwrap();
}

#[test]
fn a_bundle_that_is_bought_unlinked_waits_under_the_normalised_address() {
    two(async |two| {
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        let event = two.tt_world.send(&created("pur-1")).await?;
        let run = two.tt_world.run_of(&emit_bundle_purchase, &event).await?;
        assert!(matches!(
            two.tt_world.output(run).await?,
            Emitted::Told { .. }
        ));
        two.ah_world.advance(MINUTE).await;
        let email = two
            .ah
            .texts("SELECT pending_for_email FROM entitlements")
            .await?;
        assert_eq!(email, ["ada@tt.example", "ada@tt.example"]);
        assert!(!two.ah.has_access("ah-ada", "ah-cohort").await?);
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort synced"]);
        let users = two
            .tt
            .texts("SELECT target_user_id FROM cross_app_syncs")
            .await?;
        assert_eq!(users, ["-"]);
        Ok(())
    });
}

#[test]
fn a_purchase_that_is_delivered_again_a_month_later_makes_no_second_set_and_no_second_mail() {
    two(async |two| {
        let first = two.ah_world.send_as("delivery-1", &sold("pur-1")).await?;
        let run = two.ah_world.run_of(&handle_bundle_purchase, &first).await?;
        two.ah_world.output(run).await?;
        two.ah_world.advance(30 * 24 * 60 * MINUTE).await;
        let again = two.ah_world.send_as("delivery-2", &sold("pur-1")).await?;
        let run = two.ah_world.run_of(&handle_bundle_purchase, &again).await?;
        two.ah_world.output(run).await?;
        assert_eq!(two.ah.entitlements().await?.len(), 2);
        assert_eq!(two.ah.post.asked(), 1);
        Ok(())
    });
}

#[test]
fn a_reply_that_is_lost_leads_to_one_run_on_the_other_side() {
    two(async |two| {
        two.wire.weather(|nth, _| match nth {
            1 => Ok(Fate::ArrivesAndTheReplyIsLost),
            2 => Ok(Fate::ArrivesTwice),
            _ => Ok(Fate::Arrives),
        });
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        two.tt_world.send(&created("pur-1")).await?;
        two.tt_world.advance(5 * MINUTE).await;
        assert_eq!(two.wire.attempts("bundle/purchased:pur-1:ah-cohort"), 2);
        assert_eq!(two.ah_world.journals().await?.len(), 1);
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort synced"]);
        Ok(())
    });
}

#[test]
fn a_product_without_a_bundle_crosses_nothing() {
    two(async |two| {
        two.tt.buys("pur-1", "tt_book", 1).await?;
        let event = two.tt_world.send(&created("pur-1")).await?;
        let run = two.tt_world.run_of(&emit_bundle_purchase, &event).await?;
        assert_eq!(two.tt_world.output(run).await?, Emitted::NoBundle);
        assert!(two.wire.arrived().is_empty());
        Ok(())
    });
}

#[test]
fn the_buyer_of_a_teams_seats_gets_nothing() {
    two(async |two| {
        two.tt.buys("pur-1", "tt_bundle", 3).await?;
        let event = two.tt_world.send(&created("pur-1")).await?;
        let run = two.tt_world.run_of(&emit_bundle_purchase, &event).await?;
        assert_eq!(two.tt_world.output(run).await?, Emitted::OfATeam);
        assert!(two.wire.arrived().is_empty());
        // A seat that is redeemed is a purchase of one.
        two.tt.buys("seat-1", "tt_bundle", 1).await?;
        two.tt_world.send(&created("seat-1")).await?;
        two.tt_world.advance(MINUTE).await;
        assert_eq!(two.tt.syncs().await?, ["seat-1 ah-cohort synced"]);
        Ok(())
    });
}

#[test]
fn metadata_that_cannot_be_read_raise_an_alert_and_leave_the_sale_alone() {
    two(async |two| {
        let mut tx = two.tt.pool().begin().await?;
        let product = stepwell_bundle_sync::db::shop::put_product;
        product(&mut tx, "tt_odd", "Odd", Some("ai-hero, cohort")).await?;
        tx.commit().await?;
        two.tt.buys("pur-1", "tt_odd", 1).await?;
        let event = two.tt_world.send(&created("pur-1")).await?;
        let run = two.tt_world.run_of(&emit_bundle_purchase, &event).await?;
        assert_eq!(two.tt_world.output(run).await?, Emitted::BadBundleProducts);
        assert_eq!(two.tt.alerts().await?, ["bad-bundle-products tt_odd"]);
        let status = two.tt.texts("SELECT status FROM purchases").await?;
        assert_eq!(status, ["Valid"]);
        Ok(())
    });
}

#[test]
fn an_unknown_app_or_product_in_a_bundle_stops_that_target_alone() {
    two(async |two| {
        let mut tx = two.tt.pool().begin().await?;
        let bundle = r#"[{"app": "no-app", "productId": "x"},
                         {"app": "ai-hero", "productId": "ah-nothing"},
                         {"app": "ai-hero", "productId": "ah-cohort"}]"#;
        let product = stepwell_bundle_sync::db::shop::put_product;
        product(&mut tx, "tt_odd", "Odd", Some(bundle)).await?;
        tx.commit().await?;
        two.tt.buys("pur-1", "tt_odd", 1).await?;
        two.tt_world.send(&created("pur-1")).await?;
        two.tt_world.advance(5 * MINUTE).await;
        let rows = two.tt.syncs().await?;
        assert_eq!(rows, ["pur-1 ah-cohort synced", "pur-1 ah-nothing pending"]);
        assert_eq!(two.tt.alerts().await?, ["unknown-target tt_odd:no-app"]);
        let alerts = two.ah.alerts().await?;
        assert_eq!(alerts, ["unknown-target total-typescript:tt_odd"]);
        Ok(())
    });
}

#[test]
fn a_linked_user_this_app_does_not_have_leaves_the_purchase_pending_with_an_alert() {
    two(async |two| {
        let mut forged = sold("pur-1");
        forged.linked_user_id = Some("ah-nobody".to_owned());
        let event = two.ah_world.send(&forged).await?;
        let run = two.ah_world.run_of(&handle_bundle_purchase, &event).await?;
        two.ah_world.output(run).await?;
        assert_eq!(two.ah.alerts().await?, ["unknown-user pur-1"]);
        assert!(two.ah.entitlements().await?[0].ends_with("pending"));
        Ok(())
    });
}

#[test]
fn a_named_user_without_a_link_here_gets_no_access() {
    two(async |two| {
        let mut forged = sold("pur-1");
        forged.linked_user_id = Some("ah-eve".to_owned());
        two.ah_world.send(&forged).await?;
        two.ah_world.advance(MINUTE).await;
        assert!(!two.ah.has_access("ah-eve", "ah-cohort").await?);
        Ok(())
    });
}

#[test]
fn a_mail_provider_that_is_down_does_not_hold_access_up() {
    two(async |two| {
        two.ah.post.fails(3);
        two.ah_world.send(&sold("pur-1")).await?;
        two.ah_world.advance(Duration::from_secs(2)).await;
        assert_eq!(two.ah.entitlements().await?.len(), 2);
        assert!(two.wire.arrived()[0].starts_with("entitlement/granted:pur-1"));
        assert!(two.ah.post.keys().is_empty());
        two.ah_world.advance(10 * MINUTE).await;
        assert_eq!(two.ah.post.kinds_to("ada@tt.example"), ["pending"]);
        Ok(())
    });
}

#[test]
fn the_sync_row_is_there_before_the_first_byte_is_sent() {
    two(async |two| {
        two.wire
            .weather(|_, _| Err(BridgeError::of_status(AH, 503, None)));
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        two.tt_world.send(&created("pur-1")).await?;
        two.tt_world.advance(MINUTE).await;
        assert!(two.wire.attempts("bundle/purchased:pur-1:ah-cohort") > 1);
        assert!(two.wire.arrived().is_empty());
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort pending"]);
        Ok(())
    });
}
