//! `check-oauth-autolink`: links two accounts that sign in with the same account of a provider.
//!
//! Both apps run it, because either sign-in may come second. They make the same link id of the pair,
//! so two runs at the same moment make one link. Equal addresses link nobody.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::links::PutLink;
use crate::db::{DbError, links};
use crate::event::{Checked as _, OAuthLogin};
use crate::linking::{Made, Pair, announce, make};

/// What a sign-in in the other app came to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AutoLink {
    /// Nobody here signs in with that account.
    Nobody,
    /// Somebody does.
    Found(PutLink),
}

/// Links the two users of one account.
#[workflow(on = OAuthLogin, retries = 10)]
pub async fn check_oauth_autolink(step: &mut Step, login: OAuthLogin) -> Result<AutoLink, Error> {
    login.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    if login.app == app.name {
        return Ok(AutoLink::Nobody);
    }
    let made = step
        .transaction("create-link", &app.db, async |tx| {
            Ok(link(tx, &app, &login).await?)
        })
        .await?;
    let Some(made) = made else {
        return Ok(AutoLink::Nobody);
    };
    announce(step, &app, &made).await?;
    Ok(AutoLink::Found(made.outcome))
}

async fn link(
    tx: &mut SqliteConnection,
    app: &App,
    login: &OAuthLogin,
) -> Result<Option<Made>, DbError> {
    let (provider, account) = (login.provider.as_str(), &login.provider_account_id);
    let Some(user) = links::user_of_account(&mut *tx, provider, account).await? else {
        return Ok(None);
    };
    let pair = Pair {
        user_id: &user,
        linked_user_id: &login.user_id,
        linked_email: login.email.as_ref().filter(|_| login.email_verified),
        method: login.provider.link_method(),
        linked_at: &login.login_at,
    };
    make(tx, app, &pair).await.map(Some)
}
