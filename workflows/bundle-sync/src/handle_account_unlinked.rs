//! `handle-account-unlinked`: removes in this app a link that was removed in the other.

use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::links;
use crate::event::{AccountUnlinked, Checked as _};

/// Removes the other half of a link, also of one that will only be heard of later.
#[workflow(on = AccountUnlinked, retries = 10)]
pub async fn handle_account_unlinked(
    step: &mut Step,
    unlinked: AccountUnlinked,
) -> Result<(), Error> {
    unlinked.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    step.transaction("remove-link", &app.db, async |tx| {
        Ok(links::remove(tx, &unlinked.removed).await?)
    })
    .await?;
    Ok(())
}
