//! `handle-account-linked`: records in this app a link that was made in the other.

use serde::{Deserialize, Serialize};
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::links::PutLink;
use crate::event::{AccountLinked, Checked as _};
use crate::linking::accept;

/// What hearing of a link came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    /// This app made it and has it.
    Own,
    /// The other app made it.
    Accepted(PutLink),
}

/// Records the other half of a link. It tells nobody: both apps know by then.
#[workflow(on = AccountLinked, retries = 10)]
pub async fn handle_account_linked(step: &mut Step, linked: AccountLinked) -> Result<Heard, Error> {
    linked.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    if linked.origin_app == app.name {
        return Ok(Heard::Own);
    }
    let outcome = step
        .transaction("upsert-link", &app.db, async |tx| {
            Ok(accept(tx, &app, &linked).await?)
        })
        .await?;
    Ok(Heard::Accepted(outcome))
}
