//! Making a link in this app and hearing of one made in the other: the same rules on both sides.
//!
//! The first link of an account wins; who comes second is refused and a person is told. So that a
//! link and the removal of the one before it may come in either order, a new link names the removed
//! ones it follows.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Step, StepError};

use crate::app::{App, AppName};
use crate::db::DbError;
use crate::db::alerts::{self, Alert};
use crate::db::links::{self, NewLink, PutLink};
use crate::db::outbox::{self, Sent};
use crate::event::{AccountLinked, Email, Envelope, LinkMethod, VERSION};
use crate::send::{PATIENT, send_cross_app_event};

/// Two accounts that are one person's.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'a> {
    /// The user of this app.
    pub(crate) user_id: &'a str,
    /// The user of the other.
    pub(crate) linked_user_id: &'a str,
    /// Their address there, if it is verified.
    pub(crate) linked_email: Option<&'a Email>,
    /// How that is known.
    pub(crate) method: LinkMethod,
    /// Since when, in ISO 8601.
    pub(crate) linked_at: &'a str,
}

/// What making a link came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Made {
    /// What came of it.
    pub(crate) outcome: PutLink,
    /// The link as this app's own workflows are told of it, without addresses.
    link: Option<AccountLinked>,
    /// The message that tells the other app.
    message: Option<String>,
}

/// Links two accounts, and owes the other app the news. Only somebody who says so links two accounts
/// again whose link was removed.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub(crate) async fn make(
    tx: &mut SqliteConnection,
    app: &App,
    pair: &Pair<'_>,
) -> Result<Made, DbError> {
    let other = app.name.other();
    let (user, linked_user) = (pair.user_id, pair.linked_user_id);
    let before = links::removed_between(&mut *tx, user, other, linked_user).await?;
    if before > 0 && pair.method != LinkMethod::Explicit {
        return Ok(nothing(PutLink::Removed));
    }
    let (tt_user, ai_hero_user) = match app.name {
        AppName::TotalTypescript => (user, linked_user),
        AppName::AiHero => (linked_user, user),
    };
    let id = links::link_id(tt_user, ai_hero_user, before);
    let new = NewLink {
        id: &id,
        user_id: user,
        linked_app: other,
        linked_user_id: linked_user,
        linked_email: pair.linked_email,
        method: pair.method,
        linked_at: pair.linked_at,
    };
    let outcome = links::put(&mut *tx, &new).await?;
    report(&mut *tx, outcome, &id).await?;
    if outcome != PutLink::Linked {
        return Ok(nothing(outcome));
    }
    let local = AccountLinked {
        envelope: Envelope {
            version: VERSION,
            source_app: app.name,
            emitted_at: pair.linked_at.to_owned(),
        },
        origin_app: app.name,
        tt_user_id: tt_user.to_owned(),
        ai_hero_user_id: ai_hero_user.to_owned(),
        tt_email: None,
        ai_hero_email: None,
        link_method: pair.method,
        linked_at: pair.linked_at.to_owned(),
        replaces: links::removed_of(&mut *tx, user, other, linked_user).await?,
        link_id: id,
    };
    let mut across = local.clone();
    across.envelope = app.envelope();
    let (ours, theirs) = (
        links::verified_email(&mut *tx, user).await?,
        pair.linked_email,
    );
    (across.tt_email, across.ai_hero_email) = match app.name {
        AppName::TotalTypescript => (ours, theirs.cloned()),
        AppName::AiHero => (theirs.cloned(), ours),
    };
    let message = outbox::put(tx, other, &across, None).await?;
    Ok(Made {
        outcome,
        link: Some(local),
        message: Some(message),
    })
}

fn nothing(outcome: PutLink) -> Made {
    Made {
        outcome,
        link: None,
        message: None,
    }
}

/// Tells of a link that was made: the workflows of this app, then the other one.
///
/// # Errors
/// When what became of it cannot be recorded.
pub(crate) async fn announce(
    step: &mut Step,
    app: &App,
    made: &Made,
) -> Result<Option<Sent>, StepError> {
    let (Some(link), Some(message)) = (&made.link, &made.message) else {
        return Ok(None);
    };
    step.send("tell-this-app", link).await?;
    let other = app.name.other();
    let sent = send_cross_app_event(step, app, other, message, PATIENT).await?;
    Ok(Some(sent))
}

/// Records a link that the other app made, behind those it follows.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub(crate) async fn accept(
    tx: &mut SqliteConnection,
    app: &App,
    linked: &AccountLinked,
) -> Result<PutLink, DbError> {
    let other = app.name.other();
    for removed in &linked.replaces {
        links::remove(&mut *tx, removed).await?;
    }
    let new = NewLink {
        id: &linked.link_id,
        user_id: linked.user_of(app.name),
        linked_app: other,
        linked_user_id: linked.user_of(other),
        linked_email: linked.email_of(other),
        method: linked.link_method,
        linked_at: &linked.linked_at,
    };
    let outcome = links::put(&mut *tx, &new).await?;
    report(tx, outcome, &linked.link_id).await?;
    Ok(outcome)
}

/// Tells a person of a link that cannot be.
async fn report(tx: &mut SqliteConnection, outcome: PutLink, link_id: &str) -> Result<(), DbError> {
    let (alert, detail) = match outcome {
        PutLink::Linked | PutLink::Known | PutLink::Removed => return Ok(()),
        PutLink::Conflict => (
            Alert::LinkConflict,
            "one of the two accounts is linked to somebody else: remove that link, or leave it",
        ),
        PutLink::UnknownUser => (
            Alert::UnknownUser,
            "a link names a user this app does not have",
        ),
    };
    alerts::raise(tx, alert, link_id, detail).await
}
