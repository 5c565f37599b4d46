//! `retry-failed-syncs`: sends again what could not be delivered, every five minutes for a day.

use std::time::Duration;

use stepwell::{Error, Overlap, Step, Tick, Timestamp, workflow};

use crate::app::App;
use crate::db::instant;
use crate::db::outbox::{self, Sent};
use crate::send::{ONCE, send_cross_app_event};

/// For how long a message is sent again by itself. Later a person decides: it may not be wanted any
/// more.
const HELD_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The most messages of one tick.
const MESSAGES_MAX: i64 = 100;
/// How many of them are under way at a time.
const AT_A_TIME: usize = 8;

/// Sends failed messages again; the output says how many arrived.
#[workflow(cron = "*/5 * * * *", overlap = Overlap::Skip, retries = 3)]
pub async fn retry_failed_syncs(step: &mut Step, tick: Tick) -> Result<usize, Error> {
    let app = step.get::<App>();
    let held_before = tick
        .at
        .as_ms()
        .saturating_sub(HELD_AFTER.as_millis() as u64);
    let held_before = instant(Timestamp::from_ms(held_before).as_ms());
    let owed = step
        .transaction("owe-again", &app.db, async |tx| {
            Ok(outbox::owe_failed(tx, &held_before, MESSAGES_MAX).await?)
        })
        .await?;
    let other = app.name.other();
    let sent = step
        .map(
            "resend",
            owed,
            AT_A_TIME,
            async |step: &mut Step, id: String| {
                // The next tick is the next attempt.
                send_cross_app_event(step, &app, other, &id, ONCE).await
            },
        )
        .await?;
    let mut arrived = 0;
    for sent in sent {
        arrived += usize::from(sent? == Sent::Delivered);
    }
    Ok(arrived)
}
