//! `claim-pending-entitlements`: gives a user what waited for the accounts to be linked.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::answers::owe_granted;
use crate::app::App;
use crate::db::grants::{self, Grant};
use crate::db::mails::MailKind;
use crate::db::outbox::Sent;
use crate::db::{DbError, links};
use crate::event::{AccountLinked, Checked as _};
use crate::linking::accept;
use crate::mail::{Told, tell_buyer};
use crate::send::{PATIENT, send_cross_app_event};

/// What a link brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    /// What became active.
    pub grants: Vec<Grant>,
    /// What became of each answer.
    pub answered: Vec<Sent>,
    /// Whether the user was told, in one mail.
    pub told: Told,
}

/// Claims everything that waits for the user of a link.
#[workflow(on = AccountLinked, retries = 10)]
pub async fn claim_pending_entitlements(
    step: &mut Step,
    linked: AccountLinked,
) -> Result<Claimed, Error> {
    linked.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let (claimed, answers) = step
        .transaction("claim-pending", &app.db, async |tx| {
            Ok(claim(tx, &app, &linked).await?)
        })
        .await?;
    let source = app.name.other();
    let count = answers.len();
    let (answered, told) = step
        .join(
            "tell",
            (
                async |step: &mut Step| {
                    let answers = answers.clone();
                    step.map(
                        "answer",
                        answers,
                        count,
                        async |step: &mut Step, id: String| {
                            send_cross_app_event(step, &app, source, &id, PATIENT).await
                        },
                    )
                    .await
                },
                async |step: &mut Step| {
                    tell_buyer(step, &app, MailKind::Claimed, source, &claimed).await
                },
            ),
        )
        .await?;
    let answered = answered?.into_iter().collect::<Result<_, _>>()?;
    Ok(Claimed {
        grants: claimed,
        answered,
        told: told?,
    })
}

/// Gives the user of the link what waits for them, as long as the link is there; the messages that
/// say so are owed.
async fn claim(
    tx: &mut SqliteConnection,
    app: &App,
    linked: &AccountLinked,
) -> Result<(Vec<Grant>, Vec<String>), DbError> {
    let source = app.name.other();
    if linked.origin_app != app.name {
        // The workflow that records the link may come later.
        accept(&mut *tx, app, linked).await?;
    }
    let link = links::of_user(&mut *tx, linked.user_of(app.name), source).await?;
    // Removed meanwhile, or refused because one of the two is somebody else's.
    let Some(link) = link.filter(|link| link.linked_user_id == linked.user_of(source)) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let (theirs, email) = (&link.linked_user_id, link.linked_email.as_deref());
    let waiting = grants::pending_for(&mut *tx, source.as_str(), theirs, email).await?;
    let (mut claimed, mut answers) = (Vec::new(), Vec::new());
    for id in waiting {
        if let Some(grant) = grants::claim(&mut *tx, &id, &link.user_id).await? {
            answers.push(owe_granted(&mut *tx, app, source, &grant).await?);
            claimed.push(grant);
        }
    }
    Ok((claimed, answers))
}
