//! Sending an event across the bridge as two durable steps: post it, record what became of it.
//!
//! The event is in the outbox already, written in the transaction that gives reason for it. So the
//! bytes are the same on every attempt, no step's output names a person, and a message that could not
//! be delivered waits there to be sent again, or for a person.

use stepwell::{Attempt, Error, RetryPolicy, Step, StepError};

use crate::app::{App, AppName};
use crate::bridge::{BridgeError, Verdict};
use crate::db;
use crate::db::outbox::{self, Sent};

/// Attempts at the bridge and at the mail provider: ten retries, the last about four hours behind the
/// first, which outlasts a deploy and most outages.
pub const PATIENT: RetryPolicy = RetryPolicy {
    attempts_max: 11,
    initial_ms: 15_000,
    max_ms: 4 * 3_600 * 1_000,
    jitter_percent: 20,
};

/// One attempt: whoever asks comes again by itself.
pub const ONCE: RetryPolicy = RetryPolicy {
    attempts_max: 1,
    ..PATIENT
};

/// Sends the event `id` of the outbox to `target`, trying as `policy` says, and records what became
/// of it. A failure is an outcome and no error: what was sold stays sold.
///
/// # Errors
/// When the outcome cannot be recorded.
pub async fn send_cross_app_event(
    step: &mut Step,
    app: &App,
    target: AppName,
    id: &str,
    policy: RetryPolicy,
) -> Result<Sent, StepError> {
    let posted = step
        .run("send", async |_: &Attempt| post(app, target, id).await)
        .retry(policy)
        .await;
    let sent = posted.unwrap_or_else(|spent| {
        let error = spent.message().to_owned();
        Sent::of(Verdict::Retry, error)
    });
    // A failure is dated by the run's own clock, which the replay compares with its own.
    let at = match sent {
        Sent::Delivered | Sent::Settled => None,
        Sent::GaveUp { .. } | Sent::Held { .. } | Sent::Rejected { .. } => {
            Some(db::instant(step.now().await.as_ms()))
        }
    };
    if sent != Sent::Settled {
        let record = step.transaction("settle", &app.db, async |tx| {
            let at = at.clone().unwrap_or_else(db::now);
            Ok(outbox::settle(tx, id, &sent, &at).await?)
        });
        record.await?;
    }
    Ok(sent)
}

/// One attempt: only what may pass by itself is an error.
async fn post(app: &App, target: AppName, id: &str) -> Result<Sent, Error> {
    let Some(message) = outbox::owed(app.db.pool(), id).await? else {
        return Ok(Sent::Settled);
    };
    // Crash here, or before the answer is recorded: the next attempt posts the same id.
    let error = match app.bridge.post(target, &message).await {
        Ok(()) => return Ok(Sent::Delivered),
        Err(error) => error,
    };
    match (error.verdict(), &error) {
        (
            Verdict::Retry,
            BridgeError::Unavailable {
                retry_after: Some(wait),
                ..
            },
        ) => Err(Error::retry_after(*wait, error)),
        (Verdict::Retry, _) => Err(Error::retryable(error)),
        (verdict, _) => Ok(Sent::of(verdict, error.to_string())),
    }
}
