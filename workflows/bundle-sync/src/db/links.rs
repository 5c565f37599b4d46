//! Links between a user of this app and one of the other, each with an id that both apps share.
//!
//! A link that was removed stays removed, also when its making is heard of later. Linking the same
//! two accounts again is another link: the id is made of the pair and how often it was linked.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::{DbError, Raced, derived_id};
use crate::app::AppName;
use crate::event::{Email, LinkMethod, RemovedLink};
use crate::machine::{LinkMessage, LinkStatus, link_after};

/// The most removed links that a new one tells of.
const REPLACED_MAX: i64 = 100;

/// A link to be recorded.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    /// Its id.
    pub id: &'a str,
    /// The user of this app.
    pub user_id: &'a str,
    /// The other app.
    pub linked_app: AppName,
    /// The user there.
    pub linked_user_id: &'a str,
    /// Their address there, if it is verified.
    pub linked_email: Option<&'a Email>,
    /// How they were linked.
    pub method: LinkMethod,
    /// When, in ISO 8601.
    pub linked_at: &'a str,
}

/// What recording a link came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PutLink {
    /// It is there.
    Linked,
    /// It was there before, or the two are linked under another id.
    Known,
    /// It was removed before.
    Removed,
    /// One of the two is linked to somebody else.
    Conflict,
    /// This app has no such user.
    UnknownUser,
}

/// A link that is not removed.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ActiveLink {
    /// Its id.
    pub id: String,
    /// The user of this app.
    pub user_id: String,
    /// The user of the other.
    pub linked_user_id: String,
    /// Their verified address there. Personal.
    pub linked_email: Option<String>,
}

impl std::fmt::Debug for ActiveLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActiveLink({})", self.id)
    }
}

/// The id of the link that is made between two accounts after `before` links of the same two.
#[must_use]
pub fn link_id(tt_user_id: &str, ai_hero_user_id: &str, before: usize) -> String {
    derived_id(&["link", tt_user_id, ai_hero_user_id, &before.to_string()])
}

/// The active link of a user of this app.
///
/// # Errors
/// When the database does not answer.
pub async fn of_user(
    tx: &mut SqliteConnection,
    user_id: &str,
    linked_app: AppName,
) -> Result<Option<ActiveLink>, DbError> {
    let link = sqlx::query_as(
        "SELECT id, user_id, linked_user_id, linked_email FROM account_links
         WHERE user_id = $1 AND linked_app = $2 AND unlinked_at IS NULL",
    )
    .bind(user_id)
    .bind(linked_app.as_str())
    .fetch_optional(tx)
    .await?;
    Ok(link)
}

/// The active link of a user of the other app.
///
/// # Errors
/// When the database does not answer.
pub async fn of_linked_user(
    tx: &mut SqliteConnection,
    linked_app: AppName,
    linked_user_id: &str,
) -> Result<Option<ActiveLink>, DbError> {
    let link = sqlx::query_as(
        "SELECT id, user_id, linked_user_id, linked_email FROM account_links
         WHERE linked_app = $1 AND linked_user_id = $2 AND unlinked_at IS NULL",
    )
    .bind(linked_app.as_str())
    .bind(linked_user_id)
    .fetch_optional(tx)
    .await?;
    Ok(link)
}

/// Whether this app has a user of this id.
///
/// # Errors
/// When the database does not answer.
pub async fn has_user(tx: &mut SqliteConnection, user_id: &str) -> Result<bool, DbError> {
    let found: Option<String> = sqlx::query_scalar("SELECT id FROM users WHERE id = $1")
        .bind(user_id)
        .fetch_optional(tx)
        .await?;
    Ok(found.is_some())
}

/// The address of a user of this app, if it is verified.
///
/// # Errors
/// When the database does not answer.
pub async fn verified_email(
    tx: &mut SqliteConnection,
    user_id: &str,
) -> Result<Option<Email>, DbError> {
    let email: Option<String> =
        sqlx::query_scalar("SELECT email FROM users WHERE id = $1 AND email_verified = 1")
            .bind(user_id)
            .fetch_optional(tx)
            .await?;
    Ok(email.map(Email::new))
}

/// The user of this app who signs in with an account of a provider.
///
/// # Errors
/// When the database does not answer.
pub async fn user_of_account(
    tx: &mut SqliteConnection,
    provider: &str,
    provider_account_id: &str,
) -> Result<Option<String>, DbError> {
    let user = sqlx::query_scalar(
        "SELECT user_id FROM oauth_accounts WHERE provider = $1 AND provider_account_id = $2",
    )
    .bind(provider)
    .bind(provider_account_id)
    .fetch_optional(tx)
    .await?;
    Ok(user)
}

/// How a link stands, whether its making or only its removal was heard of.
async fn status(tx: &mut SqliteConnection, id: &str) -> Result<Option<LinkStatus>, DbError> {
    let removed: Option<String> = sqlx::query_scalar("SELECT id FROM removed_links WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    if removed.is_some() {
        return Ok(Some(LinkStatus::Removed));
    }
    let made: Option<String> = sqlx::query_scalar("SELECT id FROM account_links WHERE id = $1")
        .bind(id)
        .fetch_optional(tx)
        .await?;
    Ok(made.map(|_| LinkStatus::Linked))
}

/// Records that two accounts were linked, unless one of them is linked to somebody else.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn put(tx: &mut SqliteConnection, link: &NewLink<'_>) -> Result<PutLink, DbError> {
    if !has_user(&mut *tx, link.user_id).await? {
        return Ok(PutLink::UnknownUser);
    }
    let before = status(&mut *tx, link.id).await?;
    if link_after(before, LinkMessage::Linked) == LinkStatus::Removed {
        insert(&mut *tx, link).await?;
        return Ok(PutLink::Removed);
    }
    if before == Some(LinkStatus::Linked) {
        return Ok(PutLink::Known);
    }
    let ours = of_user(&mut *tx, link.user_id, link.linked_app).await?;
    let theirs = of_linked_user(&mut *tx, link.linked_app, link.linked_user_id).await?;
    match (ours, theirs) {
        (None, None) => {}
        (Some(ours), Some(theirs)) if ours.id == theirs.id => return Ok(PutLink::Known),
        (Some(_) | None, _) => return Ok(PutLink::Conflict),
    }
    if insert(tx, link).await? == 1 {
        return Ok(PutLink::Linked);
    }
    let table = "account_links";
    Err(Raced { table }.into())
}

/// Inserts the row, as removed when its removal was heard of before. The unique indexes refuse what
/// another writer made impossible meanwhile.
async fn insert(tx: &mut SqliteConnection, link: &NewLink<'_>) -> Result<u64, DbError> {
    let inserted = sqlx::query(
        "INSERT INTO account_links (id, user_id, linked_app, linked_user_id, linked_email,
             link_method, linked_at, unlinked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT unlinked_at FROM removed_links WHERE id = $1))
         ON CONFLICT DO NOTHING",
    )
    .bind(link.id)
    .bind(link.user_id)
    .bind(link.linked_app.as_str())
    .bind(link.linked_user_id)
    .bind(link.linked_email.map(Email::normalised))
    .bind(link.method)
    .bind(link.linked_at)
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected())
}

/// Records that a link was removed, also one whose making was not heard of yet.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(tx: &mut SqliteConnection, removed: &RemovedLink) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO removed_links (id, unlinked_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&removed.link_id)
    .bind(&removed.unlinked_at)
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE account_links SET unlinked_at = $2 WHERE id = $1 AND unlinked_at IS NULL")
        .bind(&removed.link_id)
        .bind(&removed.unlinked_at)
        .execute(tx)
        .await?;
    Ok(())
}

/// The removed links of either of two users, the last first: a new link of theirs tells of them.
///
/// # Errors
/// When the database does not answer.
pub async fn removed_of(
    tx: &mut SqliteConnection,
    user_id: &str,
    linked_app: AppName,
    linked_user_id: &str,
) -> Result<Vec<RemovedLink>, DbError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, unlinked_at FROM account_links
         WHERE (user_id = $1 OR linked_user_id = $3) AND linked_app = $2 AND unlinked_at IS NOT NULL
         ORDER BY unlinked_at DESC, id LIMIT $4",
    )
    .bind(user_id)
    .bind(linked_app.as_str())
    .bind(linked_user_id)
    .bind(REPLACED_MAX)
    .fetch_all(tx)
    .await?;
    let removed = rows.into_iter().map(|(link_id, unlinked_at)| RemovedLink {
        link_id,
        unlinked_at,
    });
    Ok(removed.collect())
}

/// How many links of the same two accounts were removed.
///
/// # Errors
/// When the database does not answer.
pub async fn removed_between(
    tx: &mut SqliteConnection,
    user_id: &str,
    linked_app: AppName,
    linked_user_id: &str,
) -> Result<usize, DbError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM account_links
         WHERE user_id = $1 AND linked_app = $2 AND linked_user_id = $3 AND unlinked_at IS NOT NULL",
    )
    .bind(user_id)
    .bind(linked_app.as_str())
    .bind(linked_user_id)
    .fetch_one(tx)
    .await?;
    Ok(usize::try_from(count).unwrap_or_default())
}
