//! `unlink-accounts`: removes a link because its owner said so, on both sides. What was granted stays.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::outbox::{self, Sent};
use crate::db::{DbError, links};
use crate::event::{AccountUnlinked, Checked as _, RemovedLink, UnlinkRequested};
use crate::send::{PATIENT, send_cross_app_event};

/// What the wish came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Unlinking {
    /// The link is removed.
    Unlinked {
        /// What became of telling the other app.
        sent: Sent,
    },
    /// There was none.
    NotLinked,
}

/// Removes the user's link.
#[workflow(on = UnlinkRequested, retries = 10)]
pub async fn unlink_accounts(step: &mut Step, wish: UnlinkRequested) -> Result<Unlinking, Error> {
    wish.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let message = step
        .transaction("remove-link", &app.db, async |tx| {
            Ok(remove(tx, &app, &wish).await?)
        })
        .await?;
    let Some(message) = message else {
        return Ok(Unlinking::NotLinked);
    };
    let other = app.name.other();
    let sent = send_cross_app_event(step, &app, other, &message, PATIENT).await?;
    Ok(Unlinking::Unlinked { sent })
}

async fn remove(
    tx: &mut SqliteConnection,
    app: &App,
    wish: &UnlinkRequested,
) -> Result<Option<String>, DbError> {
    let other = app.name.other();
    let Some(link) = links::of_user(&mut *tx, &wish.user_id, other).await? else {
        return Ok(None);
    };
    let removed = RemovedLink {
        link_id: link.id,
        unlinked_at: wish.unlinked_at.clone(),
    };
    links::remove(&mut *tx, &removed).await?;
    let unlinked = AccountUnlinked {
        envelope: app.envelope(),
        origin_app: app.name,
        removed,
    };
    outbox::put(tx, other, &unlinked, None).await.map(Some)
}
