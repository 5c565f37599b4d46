//! `emit-oauth-login`: tells the other app who signed in here with an account of a provider.

use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::outbox::{self, Sent};
use crate::event::{Checked as _, OAuthLogin, OAuthSignedIn};
use crate::send::{PATIENT, send_cross_app_event};

/// Tells of a sign-in, once for a session. No token is known here, so none can cross.
#[workflow(on = OAuthSignedIn, retries = 10)]
pub async fn emit_oauth_login(step: &mut Step, signed_in: OAuthSignedIn) -> Result<Sent, Error> {
    signed_in.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let other = app.name.other();
    let message = step
        .transaction("owe-login", &app.db, async |tx| {
            let login = OAuthLogin {
                envelope: app.envelope(),
                app: app.name,
                user_id: signed_in.user_id.clone(),
                provider: signed_in.provider,
                provider_account_id: signed_in.provider_account_id.clone(),
                email: signed_in.email.clone(),
                email_verified: signed_in.email_verified,
                session_id: signed_in.session_id.clone(),
                login_at: signed_in.login_at.clone(),
            };
            Ok(outbox::put(tx, other, &login, None).await?)
        })
        .await?;
    Ok(send_cross_app_event(step, &app, other, &message, PATIENT).await?)
}
