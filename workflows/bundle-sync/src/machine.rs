//! What becomes of a sync row, a grant and a link when something is heard of them: pure functions.
//!
//! Messages between two apps come late, twice and out of order. Every machine here only ever goes
//! forward, and its last state absorbs whatever comes behind it; so the same set of messages ends in
//! the same state, in whichever order it came and however often. The SQL of `db` asks these functions
//! and writes what they say with a compare-and-set; nothing else decides a status.

use serde::{Deserialize, Serialize};

/// How far the other app is with one product of one purchase.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum SyncStatus {
    /// It is being told.
    Pending,
    /// Telling it was given up; it is told again when the bridge works.
    Failed,
    /// It has durably recorded the purchase, claimed or not.
    Synced,
    /// It gives no access any more, or never will.
    Revoked,
}

/// What is heard of a sync row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMessage {
    /// The purchase sells a product of the other app.
    Purchased,
    /// The attempts to tell the other app are used up, or it refuses to be told.
    GaveUp,
    /// The message is sent again.
    Replayed,
    /// The other app has recorded it.
    Granted,
    /// The money went back. The other app has to be asked; its answer is `Revoked`.
    Refunded,
    /// The other app gives no access any more.
    Revoked,
}

/// The sync row behind `message`; `None` as long as there is none.
#[must_use]
pub fn sync_after(row: Option<SyncStatus>, message: SyncMessage) -> Option<SyncStatus> {
    use SyncStatus::{Failed, Pending, Revoked, Synced};
    match (row, message) {
        (Some(Revoked), _) | (_, SyncMessage::Revoked) => Some(Revoked),
        // Nobody was told: the purchase that comes late has to find that it is over.
        (None, SyncMessage::Refunded) => Some(Revoked),
        (_, SyncMessage::Granted) => Some(Synced),
        (None, SyncMessage::Purchased) | (Some(Failed), SyncMessage::Replayed) => Some(Pending),
        (Some(Pending), SyncMessage::GaveUp) => Some(Failed),
        (
            None | Some(Pending | Failed | Synced),
            SyncMessage::Purchased
            | SyncMessage::GaveUp
            | SyncMessage::Replayed
            | SyncMessage::Refunded,
        ) => row,
    }
}

/// What the buyer has of one product of this app through one purchase in the other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum GrantStatus {
    /// Nothing yet: it is not known which user of this app the buyer is.
    Pending,
    /// Access.
    Active,
    /// Nothing, for good.
    Revoked,
}

/// What is heard of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantMessage {
    /// The other app sold it.
    Purchased {
        /// Whether the buyer is known as a user of this app.
        linked: bool,
    },
    /// The buyer has become known as a user of this app.
    Claimed,
    /// The other app takes it back.
    Revoked,
}

/// The grant behind `message`; `None` as long as there is none.
#[must_use]
pub fn grant_after(grant: Option<GrantStatus>, message: GrantMessage) -> Option<GrantStatus> {
    use GrantStatus::{Active, Pending, Revoked};
    match (grant, message) {
        (Some(Revoked), _) | (_, GrantMessage::Revoked) => Some(Revoked),
        (None | Some(Pending), GrantMessage::Purchased { linked: true })
        | (Some(Pending), GrantMessage::Claimed) => Some(Active),
        (None, GrantMessage::Purchased { linked: false }) => Some(Pending),
        (None | Some(Pending | Active), GrantMessage::Purchased { .. } | GrantMessage::Claimed) => {
            grant
        }
    }
}

/// One link between two accounts, known by its id. Linking the same two again is another link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkStatus {
    /// The two accounts are one person's.
    Linked,
    /// They were, until somebody removed the link.
    Removed,
}

/// What is heard of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMessage {
    /// It was made.
    Linked,
    /// It was removed.
    Removed,
}

/// The link behind `message`.
#[must_use]
pub fn link_after(link: Option<LinkStatus>, message: LinkMessage) -> LinkStatus {
    match (link, message) {
        (Some(LinkStatus::Removed), _) | (_, LinkMessage::Removed) => LinkStatus::Removed,
        (None | Some(LinkStatus::Linked), LinkMessage::Linked) => LinkStatus::Linked,
    }
}

#[cfg(test)]
mod tests;
