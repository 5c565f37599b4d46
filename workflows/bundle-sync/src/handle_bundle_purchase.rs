//! `handle-bundle-purchase`: records what the other app sold of this one, answers, tells the buyer.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::answers::owe_granted;
use crate::app::App;
use crate::db::alerts::{self, Alert};
use crate::db::grants::{self, Grant};
use crate::db::outbox::Sent;
use crate::db::{DbError, links};
use crate::event::{BundlePurchased, Checked as _};
use crate::machine::GrantStatus;
use crate::mail::{Told, kind_for, tell_buyer};
use crate::send::{PATIENT, send_cross_app_event};

/// What a purchase in the other app came to here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// What the buyer has.
    pub grant: Grant,
    /// What became of the answer; none is owed for what was revoked before.
    pub answered: Option<Sent>,
    /// Whether the buyer was told.
    pub told: Told,
}

/// What `create-entitlement` and `claim-if-linked` record.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Created {
    grant: Grant,
    /// The answer that is owed.
    answer: Option<String>,
}

/// Grants what the other app sold.
#[workflow(on = BundlePurchased, retries = 10)]
pub async fn handle_bundle_purchase(
    step: &mut Step,
    sold: BundlePurchased,
) -> Result<Handled, Error> {
    sold.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let created = step
        .transaction("create-entitlement", &app.db, async |tx| {
            Ok(create(tx, &app, &sold).await?)
        })
        .await?;
    let Some(mut created) = created else {
        return Err(Error::terminal(format_args!(
            "grant product {} for purchase {}: there is no such product: add it, then retry",
            sold.target_product_id, sold.purchase_id
        )));
    };
    if created.grant.status == GrantStatus::Pending {
        // A link may have been made while this purchase was being recorded, by a transaction that
        // saw no grant to claim. One of the two sees the other.
        let claimed = step
            .transaction("claim-if-linked", &app.db, async |tx| {
                Ok(create(tx, &app, &sold).await?)
            })
            .await?;
        created = claimed.unwrap_or(created);
    }
    let Created { grant, answer } = created;
    let source = sold.envelope.source_app;
    let (answered, told) = step
        .join(
            "tell",
            (
                async |step: &mut Step| match &answer {
                    Some(id) => send_cross_app_event(step, &app, source, id, PATIENT)
                        .await
                        .map(Some),
                    None => Ok(None),
                },
                async |step: &mut Step| match kind_for(grant.status) {
                    Some(kind) => {
                        let about = std::slice::from_ref(&grant);
                        tell_buyer(step, &app, kind, source, about).await
                    }
                    None => Ok(Told::Nothing),
                },
            ),
        )
        .await?;
    let (answered, told) = (answered?, told?);
    Ok(Handled {
        grant,
        answered,
        told,
    })
}

/// Records the grant and owes the answer; `None` when this app has no such product. Doing it again
/// changes nothing, or claims what has become known to be somebody's.
async fn create(
    tx: &mut SqliteConnection,
    app: &App,
    sold: &BundlePurchased,
) -> Result<Option<Created>, DbError> {
    let source = sold.envelope.source_app;
    if !grants::has_product(&mut *tx, &sold.target_product_id).await? {
        let subject = format!("{source}:{}", sold.bundle_product_id);
        let detail = "a bundle names a product this app does not have";
        alerts::raise(&mut *tx, Alert::UnknownTarget, &subject, detail).await?;
        return Ok(None);
    }
    let user = buyer(&mut *tx, sold).await?;
    let grant = grants::purchase(&mut *tx, sold, user.as_deref()).await?;
    let answer = match grant.status {
        GrantStatus::Revoked => None,
        GrantStatus::Pending | GrantStatus::Active => {
            Some(owe_granted(tx, app, source, &grant).await?)
        }
    };
    Ok(Some(Created { grant, answer }))
}

/// The buyer as a user of this app, by its own links alone: what the event says is not proof.
async fn buyer(
    tx: &mut SqliteConnection,
    sold: &BundlePurchased,
) -> Result<Option<String>, DbError> {
    let source = sold.envelope.source_app;
    if let Some(user) = &sold.linked_user_id
        && !links::has_user(&mut *tx, user).await?
    {
        let detail = "a purchase in the other app names a user this app does not have";
        alerts::raise(&mut *tx, Alert::UnknownUser, &sold.purchase_id, detail).await?;
    }
    let link = match (&sold.source_user_id, &sold.linked_user_id) {
        (Some(user), _) => links::of_linked_user(tx, source, user).await?,
        (None, Some(user)) => links::of_user(tx, user, source).await?,
        (None, None) => None,
    };
    Ok(link.map(|link| link.user_id))
}
