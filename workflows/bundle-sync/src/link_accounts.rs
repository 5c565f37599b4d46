//! `link-accounts`: links two accounts because their owner, signed in to both, said so.

use serde::{Deserialize, Serialize};
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::links::PutLink;
use crate::event::{Email, LinkMethod};
use crate::linking::{Pair, announce, make};

/// Who consented to what. The caller has checked both sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// The user of this app.
    pub user_id: String,
    /// The user of the other.
    pub linked_user_id: String,
    /// Their address there, if it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_email: Option<Email>,
    /// When, in ISO 8601.
    pub linked_at: String,
}

/// Links two accounts; the output says whether they are.
#[workflow(retries = 10)]
pub async fn link_accounts(step: &mut Step, consent: Consent) -> Result<PutLink, Error> {
    let app = step.get::<App>();
    let made = step
        .transaction("create-link", &app.db, async |tx| {
            let pair = Pair {
                user_id: &consent.user_id,
                linked_user_id: &consent.linked_user_id,
                linked_email: consent.linked_email.as_ref(),
                method: LinkMethod::Explicit,
                linked_at: &consent.linked_at,
            };
            Ok(make(tx, &app, &pair).await?)
        })
        .await?;
    announce(step, &app, &made).await?;
    Ok(made.outcome)
}
