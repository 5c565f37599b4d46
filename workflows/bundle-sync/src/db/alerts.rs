//! What a person should look at: one row for each thing, however often it is met.

use sqlx::SqliteConnection;

use super::{DbError, now};

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The metadata of a product are not a list of products of other apps.
    BadBundleProducts,
    /// A bundle names an app or a product that does not exist.
    UnknownTarget,
    /// Accounts cannot be linked, because one of them is linked to somebody else.
    LinkConflict,
    /// A link names a user this app does not have.
    UnknownUser,
    /// The other app answers about a purchase this app does not have.
    UnknownPurchase,
    /// A message to the other app waits for a person.
    MessageHeld,
}

impl Alert {
    /// Its name in the table and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadBundleProducts => "bad-bundle-products",
            Self::UnknownTarget => "unknown-target",
            Self::LinkConflict => "link-conflict",
            Self::UnknownUser => "unknown-user",
            Self::UnknownPurchase => "unknown-purchase",
            Self::MessageHeld => "message-held",
        }
    }
}

/// Raises `alert` about `subject`, an id, once. `detail` names no person.
///
/// # Errors
/// When the database does not answer.
pub async fn raise(
    tx: &mut SqliteConnection,
    alert: Alert,
    subject: &str,
    detail: &str,
) -> Result<(), DbError> {
    let raised = sqlx::query(
        "INSERT INTO alerts (kind, subject, detail, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, subject) DO NOTHING",
    )
    .bind(alert.as_str())
    .bind(subject)
    .bind(detail)
    .bind(now())
    .execute(tx)
    .await?;
    if raised.rows_affected() == 1 {
        tracing::warn!(
            alert = alert.as_str(),
            subject,
            detail,
            "a person should look"
        );
    }
    Ok(())
}

/// Takes an alert back that is over.
///
/// # Errors
/// When the database does not answer.
pub async fn clear(tx: &mut SqliteConnection, alert: Alert, subject: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM alerts WHERE kind = $1 AND subject = $2")
        .bind(alert.as_str())
        .bind(subject)
        .execute(tx)
        .await?;
    Ok(())
}
