//! `release-message`: sends a message that was held, because a person has corrected what held it.

use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::outbox::{self, Sent};
use crate::send::{PATIENT, send_cross_app_event};

/// Sends the held message of this id.
#[workflow(retries = 10)]
pub async fn release_message(step: &mut Step, id: String) -> Result<Sent, Error> {
    let app = step.get::<App>();
    let released = step
        .transaction("release", &app.db, async |tx| {
            Ok(outbox::release(tx, &id).await?)
        })
        .await?;
    if !released {
        return Ok(Sent::Settled);
    }
    let other = app.name.other();
    Ok(send_cross_app_event(step, &app, other, &id, PATIENT).await?)
}
