//! Accounts are linked and unlinked: who claims what, who is refused, and what never crosses.

use std::time::Duration;

use stepwell::Error;
use stepwell_bundle_sync::claim_pending_entitlements::claim_pending_entitlements;
use stepwell_bundle_sync::db::links::PutLink;
use stepwell_bundle_sync::event::{
    AccountLinked, Email, LinkMethod, OAuthSignedIn, Provider, UnlinkRequested,
};
use stepwell_bundle_sync::handle_bundle_purchase::handle_bundle_purchase;
use stepwell_bundle_sync::link_accounts::{Consent, link_accounts};
use stepwell_testkit::{Scenario, crash_everywhere, ensure, shuffle};

use crate::purchase::{created, sold};
use crate::world::{AH, BOUGHT_AT, Side, TT, Two, Wire, envelope, two};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn consent(ah_user: &str, tt_user: &str) -> Consent {
    Consent {
        user_id: ah_user.to_owned(),
        linked_user_id: tt_user.to_owned(),
        linked_email: None,
        linked_at: BOUGHT_AT.to_owned(),
    }
}

pub(crate) fn linked(id: &str) -> AccountLinked {
    AccountLinked {
        envelope: envelope(TT),
        link_id: id.to_owned(),
        origin_app: TT,
        tt_user_id: "tt-ada".to_owned(),
        ai_hero_user_id: "ah-ada".to_owned(),
        tt_email: Some(Email::new("ada@tt.example")),
        ai_hero_email: None,
        link_method: LinkMethod::OAuthGitHub,
        linked_at: BOUGHT_AT.to_owned(),
        replaces: Vec::new(),
    }
}

pub(crate) fn unlink(user: &str) -> UnlinkRequested {
    UnlinkRequested {
        user_id: user.to_owned(),
        unlinked_at: BOUGHT_AT.to_owned(),
    }
}

fn signed_in(user: &str, account: &str, session: &str) -> OAuthSignedIn {
    OAuthSignedIn {
        user_id: user.to_owned(),
        provider: Provider::GitHub,
        provider_account_id: account.to_owned(),
        email: Some(Email::new(format!("{user}@sign-in.example"))),
        email_verified: true,
        session_id: session.to_owned(),
        login_at: BOUGHT_AT.to_owned(),
    }
}

/// Somebody consents at AI Hero.
pub(crate) async fn links(two: &Two<'_>, consent: &Consent) -> Result<PutLink, Error> {
    let run = two.ah_world.start(&link_accounts, consent).await?;
    let outcome = two.ah_world.output(run).await?;
    two.ah_world.advance(MINUTE).await;
    Ok(outcome)
}

async fn buys(two: &Two<'_>, purchase: &str) -> Result<(), Error> {
    two.tt.buys(purchase, "tt_bundle", 1).await?;
    two.tt_world.send(&created(purchase)).await?;
    two.tt_world.advance(MINUTE).await;
    Ok(())
}

async fn link_rows(side: &Side) -> Result<Vec<String>, Error> {
    side.texts(
        "SELECT id || ' ' || user_id || ' ' || linked_user_id
             || CASE WHEN unlinked_at IS NULL THEN '' ELSE ' removed' END
         FROM account_links ORDER BY id",
    )
    .await
}

#[test]
fn what_waited_is_claimed_once_wherever_the_engine_dies() {
    let scenario = Scenario::new(
        async || Side::new(AH, Wire::default()).await,
        Side::registry,
    )
    .act(async |world, _: &Side| {
        let event = world.send(&sold("pur-1")).await?;
        let run = world.run_of(&handle_bundle_purchase, &event).await?;
        world.output(run).await?;
        let event = world.send(&linked("link-1")).await?;
        let run = world.run_of(&claim_pending_entitlements, &event).await?;
        let claimed = world.output(run).await?;
        ensure(claimed.grants.len() == 1, "nothing was claimed")
    })
    .invariant(
        "active for the right user, one mail of each kind",
        async |ah, _| {
            let rows = ah.entitlements().await?;
            let expected = [
                "pur-1 content_access/ah-cohort active ah-ada",
                "pur-1 discord_role/cohort active ah-ada",
            ];
            ensure(rows == expected, format_args!("{rows:?}"))?;
            let waiting = ah.post.kinds_to("ada@tt.example");
            let claimed = ah.post.kinds_to("ada@ah.example");
            ensure(
                waiting == ["pending"] && claimed == ["claimed"],
                format_args!("{waiting:?} {claimed:?}"),
            )
        },
    );
    crash_everywhere(&scenario).unwrap();
}

#[test]
fn a_grant_ends_active_in_every_order_of_purchase_and_link() {
    let scenario = Scenario::new(
        async || Side::new(AH, Wire::default()).await,
        Side::registry,
    )
    .arrives_as("bundle/purchased:pur-1:ah-cohort", &sold("pur-1"))
    .arrives_as("account/linked:link-1", &linked("link-1"))
    .forget(|output| *output = serde_json::Value::Null)
    .invariant("active for the right user", async |ah, _| {
        let rows = ah.entitlements().await?;
        let active = rows.iter().all(|row| row.ends_with("active ah-ada"));
        ensure(active && rows.len() == 2, format_args!("{rows:?}"))
    });
    shuffle(&scenario).unwrap();
}

#[test]
fn a_link_stands_on_both_sides_under_one_id_and_is_told_to_each_app_once() {
    two(async |two| {
        assert_eq!(
            links(two, &consent("ah-ada", "tt-ada")).await?,
            PutLink::Linked
        );
        let ah: Vec<_> = link_rows(&two.ah).await?;
        let tt: Vec<_> = link_rows(&two.tt).await?;
        let id = ah[0].split(' ').next().unwrap().to_owned();
        assert_eq!(ah, [format!("{id} ah-ada tt-ada")]);
        assert_eq!(tt, [format!("{id} tt-ada ah-ada")]);
        assert_eq!(two.wire.arrived(), [format!("account/linked:{id}")]);
        Ok(())
    });
}

#[test]
fn linking_the_same_two_again_writes_nothing() {
    two(async |two| {
        links(two, &consent("ah-ada", "tt-ada")).await?;
        let again = links(two, &consent("ah-ada", "tt-ada")).await?;
        assert_eq!(again, PutLink::Known);
        assert_eq!(link_rows(&two.ah).await?.len(), 1);
        assert_eq!(two.wire.arrived().len(), 1);
        Ok(())
    });
}

#[test]
fn two_users_who_want_one_account_do_not_both_get_it() {
    two(async |two| {
        assert_eq!(
            links(two, &consent("ah-ada", "tt-ada")).await?,
            PutLink::Linked
        );
        assert_eq!(
            links(two, &consent("ah-eve", "tt-ada")).await?,
            PutLink::Conflict
        );
        assert_eq!(
            links(two, &consent("ah-ada", "tt-eve")).await?,
            PutLink::Conflict
        );
        assert_eq!(link_rows(&two.ah).await?.len(), 1);
        assert_eq!(two.ah.alerts().await?.len(), 2);
        Ok(())
    });
}

#[test]
fn two_pending_purchases_are_claimed_in_one_run_with_one_mail() {
    two(async |two| {
        buys(two, "pur-1").await?;
        buys(two, "pur-2").await?;
        links(two, &consent("ah-ada", "tt-ada")).await?;
        let rows = two.ah.entitlements().await?;
        assert!(
            rows.iter().all(|row| row.ends_with("active ah-ada")),
            "{rows:?}"
        );
        assert_eq!(two.ah.post.kinds_to("ada@ah.example"), ["claimed"]);
        let users = two
            .tt
            .texts("SELECT target_user_id FROM cross_app_syncs")
            .await?;
        assert_eq!(users, ["ah-ada", "ah-ada"]);
        Ok(())
    });
}

#[test]
fn a_linked_buyer_has_access_at_once_with_one_mail() {
    two(async |two| {
        links(two, &consent("ah-ada", "tt-ada")).await?;
        buys(two, "pur-1").await?;
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        assert_eq!(two.ah.post.kinds_to("ada@ah.example"), ["granted"]);
        let body = two.wire.body("bundle/purchased:pur-1:ah-cohort");
        assert_eq!(body["linkedUserId"], "ah-ada");
        Ok(())
    });
}

#[test]
fn the_account_decides_what_is_claimed_and_not_the_address() {
    two(async |two| {
        buys(two, "pur-1").await?;
        // Eve takes over the address Ada bought under, and Ada has another one.
        two.tt.put_user("tt-ada", "ada@new.example").await?;
        two.tt.put_user("tt-eve", "ada@tt.example").await?;
        let mut eve = consent("ah-eve", "tt-eve");
        eve.linked_email = Some(Email::new("ada@tt.example"));
        links(two, &eve).await?;
        assert!(!two.ah.has_access("ah-eve", "ah-cohort").await?);
        links(two, &consent("ah-ada", "tt-ada")).await?;
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        Ok(())
    });
}

#[test]
fn a_purchase_by_nobody_in_particular_is_claimed_by_the_verified_address() {
    two(async |two| {
        let mut guest = sold("pur-1");
        guest.source_user_id = None;
        two.ah_world.send(&guest).await?;
        two.ah_world.advance(MINUTE).await;
        let mut ada = consent("ah-ada", "tt-ada");
        ada.linked_email = Some(Email::new("ADA@tt.example "));
        links(two, &ada).await?;
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        Ok(())
    });
}

#[test]
fn unlinking_removes_both_halves_keeps_access_and_grants_nothing_new() {
    two(async |two| {
        links(two, &consent("ah-ada", "tt-ada")).await?;
        buys(two, "pur-1").await?;
        two.tt_world.send(&unlink("tt-ada")).await?;
        two.tt_world.advance(MINUTE).await;
        for side in [&two.tt, &two.ah] {
            assert!(link_rows(side).await?[0].ends_with("removed"));
        }
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        buys(two, "pur-2").await?;
        let rows = two.ah.entitlements().await?;
        assert!(
            rows[2].starts_with("pur-2") && rows[2].ends_with("pending"),
            "{rows:?}"
        );
        Ok(())
    });
}

#[test]
fn relinking_to_somebody_else_moves_only_what_is_pending() {
    two(async |two| {
        links(two, &consent("ah-ada", "tt-ada")).await?;
        buys(two, "pur-1").await?;
        two.ah_world.send(&unlink("ah-ada")).await?;
        two.ah_world.advance(MINUTE).await;
        buys(two, "pur-2").await?;
        assert_eq!(
            links(two, &consent("ah-bob", "tt-ada")).await?,
            PutLink::Linked
        );
        let rows = two.ah.entitlements().await?;
        let expected = [
            "pur-1 content_access/ah-cohort active ah-ada",
            "pur-1 discord_role/cohort active ah-ada",
            "pur-2 content_access/ah-cohort active ah-bob",
            "pur-2 discord_role/cohort active ah-bob",
        ];
        assert_eq!(rows, expected);
        Ok(())
    });
}

#[test]
fn the_same_account_elsewhere_links_whichever_side_is_signed_in_to_second() {
    for (first, second) in [(TT, AH), (AH, TT)] {
        two(async |two| {
            for app in [first, second] {
                let (world, user) = match app == TT {
                    true => (two.tt_world, "tt-bob"),
                    false => (&two.ah_world, "ah-bob"),
                };
                world.send(&signed_in(user, "1002", "session-1")).await?;
                world.advance(MINUTE).await;
            }
            assert_eq!(link_rows(&two.tt).await?.len(), 1);
            let tt = link_rows(&two.tt).await?;
            let ah = link_rows(&two.ah).await?;
            assert_eq!(tt[0].split(' ').next(), ah[0].split(' ').next());
            Ok(())
        });
    }
}

#[test]
fn signing_in_on_both_apps_at_the_same_instant_makes_one_link() {
    two(async |two| {
        two.tt_world
            .send(&signed_in("tt-bob", "1002", "session-1"))
            .await?;
        two.ah_world
            .send(&signed_in("ah-bob", "1002", "session-2"))
            .await?;
        two.ah_world.advance(MINUTE).await;
        let tt = link_rows(&two.tt).await?;
        let ah = link_rows(&two.ah).await?;
        assert_eq!((tt.len(), ah.len()), (1, 1));
        assert_eq!(tt[0].split(' ').next(), ah[0].split(' ').next());
        Ok(())
    });
}

#[test]
fn equal_addresses_alone_link_nobody() {
    two(async |two| {
        two.tt_world
            .send(&signed_in("tt-bob", "9999", "session-1"))
            .await?;
        two.tt_world.advance(MINUTE).await;
        assert!(link_rows(&two.ah).await?.is_empty());
        Ok(())
    });
}

#[test]
fn somebody_who_is_linked_elsewhere_is_not_linked_by_a_sign_in() {
    two(async |two| {
        links(two, &consent("ah-bob", "tt-ada")).await?;
        two.tt_world
            .send(&signed_in("tt-bob", "1002", "session-1"))
            .await?;
        two.tt_world.advance(MINUTE).await;
        assert_eq!(link_rows(&two.ah).await?.len(), 1);
        let alerts = two.ah.alerts().await?;
        assert!(alerts[0].starts_with("link-conflict"), "{alerts:?}");
        Ok(())
    });
}

#[test]
fn a_sign_in_does_not_make_a_link_again_that_its_owner_removed() {
    two(async |two| {
        links(two, &consent("ah-bob", "tt-bob")).await?;
        two.ah_world.send(&unlink("ah-bob")).await?;
        two.ah_world.advance(MINUTE).await;
        two.tt_world
            .send(&signed_in("tt-bob", "1002", "session-1"))
            .await?;
        two.tt_world.advance(MINUTE).await;
        assert!(link_rows(&two.ah).await?[0].ends_with("removed"));
        assert_eq!(link_rows(&two.tt).await?.len(), 1);
        Ok(())
    });
}

#[test]
fn a_sign_in_crosses_once_for_a_session_with_provider_and_account_and_no_token() {
    two(async |two| {
        for delivery in ["a", "b"] {
            let event = signed_in("tt-bob", "1002", "session-1");
            two.tt_world.send_as(delivery, &event).await?;
            two.tt_world.advance(MINUTE).await;
        }
        let id = "user/oauth-login:total-typescript:github:1002:session-1";
        assert_eq!(two.wire.attempts(id), 1);
        let body = two.wire.body(id);
        assert_eq!(body["provider"], "github");
        assert!(!body.to_string().to_lowercase().contains("token"));
        Ok(())
    });
}

#[test]
fn a_deleted_buyer_takes_links_and_sync_rows_along_and_leaves_what_was_paid_for() {
    two(async |two| {
        links(two, &consent("ah-ada", "tt-ada")).await?;
        buys(two, "pur-1").await?;
        let mut tx = two.tt.pool().begin().await?;
        stepwell_bundle_sync::db::shop::delete_user(&mut tx, "tt-ada").await?;
        tx.commit().await?;
        assert!(two.tt.syncs().await?.is_empty());
        assert!(link_rows(&two.tt).await?.is_empty());
        assert!(two.ah.has_access("ah-ada", "ah-cohort").await?);
        Ok(())
    });
}
