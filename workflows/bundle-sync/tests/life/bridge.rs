//! The bridge is down, denies, refuses: nothing is lost, nothing is sent blindly, sales go on.

use std::time::Duration;

use stepwell_bundle_sync::bridge::BridgeError;
use stepwell_bundle_sync::release_message::release_message;
use stepwell_testkit::Kit;

use crate::purchase::created;
use crate::world::{AH, Side, TT, Wire, two};

const HOUR: Duration = Duration::from_secs(3_600);
const MESSAGE: &str = "bundle/purchased:pur-1:ah-cohort";

async fn failures(tt: &Side) -> Result<Vec<String>, stepwell::Error> {
    tt.texts(
        "SELECT status || ' ' || retry_count || ' ' || COALESCE(error_message, '-')
         FROM cross_app_syncs",
    )
    .await
}

#[test]
fn a_bridge_that_is_down_for_a_day_loses_nothing_and_is_tried_again_by_itself() {
    Kit::new(stepwell::Registry::new()).test(async |idle| {
        let wire = Wire::default();
        let tt = Side::new(TT, wire.clone()).await?;
        let world = idle.beside(tt.scheduled()).await?;
        wire.weather(|_, _| Err(BridgeError::of_status(AH, 503, None)));
        tt.buys("pur-1", "tt_bundle", 1).await?;
        world.send(&created("pur-1")).await?;
        world.advance(HOUR).await;
        assert_eq!(tt.syncs().await?, ["pur-1 ah-cohort pending"]);
        world.advance(6 * HOUR).await;
        let rows = failures(&tt).await?;
        assert!(rows[0].contains("503"), "{rows:?}");
        let retries: u32 = rows[0].split(' ').nth(1).unwrap().parse().unwrap();
        assert!(retries > 1, "{rows:?}");
        wire.fine_weather();
        world.advance(HOUR).await;
        assert_eq!(wire.arrived(), [MESSAGE]);
        assert_eq!(tt.syncs().await?, ["pur-1 ah-cohort pending"]);
        let outbox = tt.texts("SELECT status FROM outbox").await?;
        assert_eq!(outbox, ["delivered"]);
        Ok(())
    });
}

#[test]
fn a_key_that_is_denied_holds_the_message_until_a_person_releases_it() {
    two(async |two| {
        two.wire
            .weather(|_, _| Err(BridgeError::of_status(AH, 401, None)));
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        two.tt_world.send(&created("pur-1")).await?;
        two.tt_world.advance(HOUR).await;
        assert_eq!(two.wire.attempts(MESSAGE), 1);
        let rows = failures(&two.tt).await?;
        assert!(
            rows[0].starts_with("failed 1 ") && rows[0].contains("401"),
            "{rows:?}"
        );
        let alerts = two.tt.alerts().await?;
        assert_eq!(alerts, [format!("message-held {MESSAGE}")]);
        two.wire.fine_weather();
        let run = two
            .tt_world
            .start(&release_message, &MESSAGE.to_owned())
            .await?;
        two.tt_world.output(run).await?;
        two.tt_world.advance(HOUR).await;
        assert_eq!(two.tt.syncs().await?, ["pur-1 ah-cohort synced"]);
        assert!(two.tt.alerts().await?.is_empty());
        Ok(())
    });
}

#[test]
fn an_event_that_is_refused_is_never_sent_again() {
    two(async |two| {
        two.wire
            .weather(|_, _| Err(BridgeError::of_status(AH, 422, None)));
        two.tt.buys("pur-1", "tt_bundle", 1).await?;
        two.tt_world.send(&created("pur-1")).await?;
        two.tt_world.advance(HOUR).await;
        let run = two
            .tt_world
            .start(&release_message, &MESSAGE.to_owned())
            .await?;
        two.tt_world.output(run).await?;
        assert_eq!(two.wire.attempts(MESSAGE), 1);
        let outbox = two.tt.texts("SELECT status FROM outbox").await?;
        assert_eq!(outbox, ["rejected"]);
        Ok(())
    });
}

#[test]
fn what_failed_for_a_day_waits_for_a_person() {
    Kit::new(stepwell::Registry::new()).test(async |idle| {
        let wire = Wire::default();
        let tt = Side::new(TT, wire.clone()).await?;
        let world = idle.beside(tt.scheduled()).await?;
        wire.weather(|_, _| Err(BridgeError::of_status(AH, 503, None)));
        tt.buys("pur-1", "tt_bundle", 1).await?;
        world.send(&created("pur-1")).await?;
        world.advance(30 * HOUR).await;
        let outbox = tt.texts("SELECT status FROM outbox").await?;
        assert_eq!(outbox, ["held"]);
        assert_eq!(tt.alerts().await?, [format!("message-held {MESSAGE}")]);
        Ok(())
    });
}
