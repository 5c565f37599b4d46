//! Mails to buyers, of three kinds, each once for a purchase; access never waits for one.

mod letters;

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Step, StepError};
use thiserror::Error as ThisError;

use crate::app::{App, AppName};
use crate::db::grants::{self, Grant};
use crate::db::mails::{self, MailKind};
use crate::event::Email;
use crate::machine::GrantStatus;
use crate::send::PATIENT;

/// What a mail provider answers, once it does.
pub type MailAnswer<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// A mail to be sent. Personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Whom to.
    pub to: Email,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letter(withheld)")
    }
}

/// Why a mail was not taken. No variant repeats an address or a provider's prose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum MailError {
    /// The provider may take it later.
    #[error("send a mail: the provider cannot take it: try again later")]
    Unavailable,
    /// It never will.
    #[error("send a mail: the provider refused it")]
    Refused,
}

/// Sends mails.
pub trait Mail: Send + Sync {
    /// Sends a letter, once for each `key` however often it is asked.
    fn send<'a>(&'a self, key: &'a str, letter: &'a Letter) -> MailAnswer<'a>;
}

/// What became of telling a buyer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// A mail went out.
    Sent,
    /// One of this kind was sent before, or there is nothing to tell any more.
    Nothing,
    /// The provider did not take it.
    GivenUp,
}

/// Tells the buyer of `grants` what became of them, in one mail about all those whose purchase had
/// none of this kind yet.
///
/// # Errors
/// When the decision cannot be recorded; a mail that is not taken is an outcome.
pub async fn tell_buyer(
    step: &mut Step,
    app: &App,
    kind: MailKind,
    source_app: AppName,
    about: &[Grant],
) -> Result<Told, StepError> {
    let decided: Vec<String> = step
        .transaction("decide-mail", &app.db, async |tx| {
            let mut decided = Vec::new();
            for grant in about {
                // Products of one purchase share its mail.
                let purchase = &grant.purchase_id;
                if mails::decide(tx, kind, source_app.as_str(), purchase).await? {
                    decided.push(grant.id.clone());
                }
            }
            Ok(decided)
        })
        .await?;
    let Some(first) = decided.first() else {
        return Ok(Told::Nothing);
    };
    // Not the attempt's key: the mail is one for what it is about, also when it is decided anew.
    let key = format!("{}:{first}", kind.as_str());
    let sent = step
        .run("send-mail", async |_: &Attempt| {
            send(app, kind, source_app, &decided, &key).await
        })
        .retry(PATIENT)
        .await;
    Ok(sent.unwrap_or(Told::GivenUp))
}

async fn send(
    app: &App,
    kind: MailKind,
    source_app: AppName,
    decided: &[String],
    key: &str,
) -> Result<Told, Error> {
    let mut recipients = Vec::new();
    for id in decided {
        recipients.extend(grants::recipient(app.db.pool(), id).await?);
    }
    let Some(letter) = letters::letter(kind, app.name, source_app, &recipients) else {
        return Ok(Told::Nothing);
    };
    // Crash here, or before the answer is recorded: the provider knows the key.
    match app.mail.send(key, &letter).await {
        Ok(()) => Ok(Told::Sent),
        Err(error @ MailError::Unavailable) => Err(Error::retryable(error)),
        Err(error @ MailError::Refused) => Err(Error::terminal(error)),
    }
}

/// The mail that a grant asks for when it is made.
#[must_use]
pub fn kind_for(status: GrantStatus) -> Option<MailKind> {
    match status {
        GrantStatus::Active => Some(MailKind::Granted),
        GrantStatus::Pending => Some(MailKind::Pending),
        GrantStatus::Revoked => None,
    }
}
