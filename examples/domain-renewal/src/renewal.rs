//! `renew-domain`: ask the owner, wait for two events, charge, extend.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Step, workflow};

use crate::services::{ServiceError, Services};

/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// What a year costs.
pub const CENTS_A_YEAR: u64 = 1_500;

/// A domain was registered for a year.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("domain/registered", key = "domain")]
#[serde(rename_all = "camelCase")]
pub struct DomainRegistered {
    /// The domain.
    pub domain: String,
    /// Where its owner gets mail.
    pub owner: String,
    /// What is charged.
    pub card: String,
    /// The year it is paid until.
    pub paid_until: u32,
}

/// The owner wants the domain for longer.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("domain/renewal.approved", key = "domain")]
#[serde(rename_all = "camelCase")]
pub struct RenewalApproved {
    /// The domain.
    pub domain: String,
    /// For so many years.
    pub years: u32,
}

/// The registry knows of no dispute about the name.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("domain/cleared", key = "domain")]
#[serde(rename_all = "camelCase")]
pub struct DomainCleared {
    /// The domain.
    pub domain: String,
}

/// What became of the domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Renewal {
    /// It is paid until this year.
    #[serde(rename_all = "camelCase")]
    Renewed {
        /// The year.
        paid_until: u32,
        /// The bank's receipt.
        receipt: String,
    },
    /// It lapses.
    Lapsed,
}

/// Renews a domain when its year is nearly over.
#[workflow(on = DomainRegistered, retries = 5)]
pub async fn renew_domain(step: &mut Step, registered: DomainRegistered) -> Result<Renewal, Error> {
    let services = step.get::<Services>();
    let domain = &registered.domain;

    step.sleep("eleven-months", 335 * DAY).await?;

    step.run("ask-owner", async |attempt: &Attempt| {
        let text = format!("{domain} ends in a month: renew it?");
        // The key is the same on every attempt: a mail whose reply was lost is not sent again.
        let sent = services
            .post
            .send(attempt.idempotency_key(), &registered.owner, &text);
        sent.await.map_err(step_error)
    })
    .await?;

    // Either may come first: an event that comes before it is waited for is not missed.
    let approved = step
        .wait_for::<RenewalApproved>("approval", domain)
        .timeout(30 * DAY)
        .await?;
    let cleared = step
        .wait_for::<DomainCleared>("clearance", domain)
        .timeout(30 * DAY)
        .await?;
    let (Some(approved), Some(_)) = (approved, cleared) else {
        return Ok(Renewal::Lapsed);
    };

    let receipt = step
        .run("charge-card", async |attempt: &Attempt| {
            let cents = CENTS_A_YEAR * u64::from(approved.years);
            let charged = services
                .bank
                .charge(attempt.idempotency_key(), &registered.card, cents);
            charged.await.map_err(step_error)
        })
        .await?;

    let paid_until = registered.paid_until + approved.years;
    step.run("extend-domain", async |_: &Attempt| {
        let extended = services.domains.paid_until(domain, paid_until);
        extended.await.map_err(step_error)
    })
    .await?;

    Ok(Renewal::Renewed {
        paid_until,
        receipt,
    })
}

/// A refusal stays one however often it is asked; everything else is worth another attempt.
fn step_error(error: ServiceError) -> Error {
    match error {
        ServiceError::Refused { .. } => Error::terminal(error),
        ServiceError::Unreachable { .. } => Error::retryable(error),
    }
}
