//! `handle-revocation`: takes back what a purchase in the other app gave, and says so.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::outbox::{self, Sent};
use crate::db::{DbError, grants};
use crate::event::{Checked as _, EntitlementRevoke, EntitlementRevoked, RevokeOutcome};
use crate::send::{PATIENT, send_cross_app_event};

/// What a revocation came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenBack {
    /// What was found.
    pub outcome: RevokeOutcome,
    /// What became of the answer.
    pub answered: Sent,
}

/// Takes back what was granted, also what will only be heard of later.
#[workflow(on = EntitlementRevoke, retries = 10)]
pub async fn handle_revocation(
    step: &mut Step,
    back: EntitlementRevoke,
) -> Result<TakenBack, Error> {
    back.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let (outcome, answer) = step
        .transaction("revoke-entitlements", &app.db, async |tx| {
            Ok(revoke(tx, &app, &back).await?)
        })
        .await?;
    let source = back.envelope.source_app;
    let answered = send_cross_app_event(step, &app, source, &answer, PATIENT).await?;
    Ok(TakenBack { outcome, answered })
}

async fn revoke(
    tx: &mut SqliteConnection,
    app: &App,
    back: &EntitlementRevoke,
) -> Result<(RevokeOutcome, String), DbError> {
    let revocation = grants::revoke(&mut *tx, back).await?;
    let outcome = revocation.outcome;
    let revoked = EntitlementRevoked {
        envelope: app.envelope(),
        source_purchase_id: back.source_purchase_id.clone(),
        target_product_id: back.target_product_id.clone(),
        entitlement_ids: revocation.entitlement_ids,
        outcome,
        revoked_at: back.revoked_at.clone(),
    };
    let answer = outbox::put(tx, back.envelope.source_app, &revoked, None).await?;
    Ok((outcome, answer))
}
