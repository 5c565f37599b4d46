//! Which mails were decided upon: one of each kind for a purchase, whoever decides twice.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::{DbError, now};

/// What a mail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailKind {
    /// Access is there, as the accounts were linked before.
    Granted,
    /// Access waits for the accounts to be linked.
    Pending,
    /// The accounts were linked, and access is there.
    Claimed,
}

impl MailKind {
    /// Its name in the table and in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Pending => "pending",
            Self::Claimed => "claimed",
        }
    }
}

/// Decides that a mail of `kind` about a purchase is sent; `false` when that was decided before.
///
/// # Errors
/// When the database does not answer.
pub async fn decide(
    tx: &mut SqliteConnection,
    kind: MailKind,
    source_app: &str,
    purchase_id: &str,
) -> Result<bool, DbError> {
    let decided = sqlx::query(
        "INSERT INTO mails (kind, source_app, purchase_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, source_app, purchase_id) DO NOTHING",
    )
    .bind(kind.as_str())
    .bind(source_app)
    .bind(purchase_id)
    .bind(now())
    .execute(tx)
    .await?;
    Ok(decided.rows_affected() == 1)
}
