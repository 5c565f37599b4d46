//! Who was called, how often, and how often it had its effect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The services the fakes play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Payments: payment intents and checkout line items.
    Stripe,
    /// The token endpoint that turns a signed assertion into a bearer token.
    GoogleToken,
    /// Spreadsheet values.
    Sheets,
    /// Mail.
    Resend,
    /// The incoming webhook of a channel.
    Slack,
}

impl Service {
    /// Every service there is.
    pub const ALL: [Service; 5] = [
        Service::Stripe,
        Service::GoogleToken,
        Service::Sheets,
        Service::Resend,
        Service::Slack,
    ];
}

/// What a call is counted under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) operation: &'static str,
    pub(crate) subject: String,
    pub(crate) idempotency_key: Option<String>,
}

/// The count of one kind of call about one subject under one idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallCount {
    /// The service that was called.
    pub service: Service,
    /// The operation, in the service's own words: `payment_intents.retrieve`, `values.append`,
    /// `emails.send`, ….
    pub operation: String,
    /// What the call was about: a payment intent, a session, an order id (first cell of an appended
    /// row), a subject line.
    pub subject: String,
    /// The `Idempotency-Key` header, if the caller sent one.
    pub idempotency_key: Option<String>,
    /// Requests that arrived.
    pub received: u64,
    /// Requests that had their effect, whether or not the reply got out.
    pub acted: u64,
}

/// A snapshot of all counters, ordered by service, operation, subject and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// One entry for each distinct service, operation, subject and idempotency key.
    pub calls: Vec<CallCount>,
}

impl Calls {
    /// Requests that arrived at `service`.
    #[must_use]
    pub fn received(&self, service: Service) -> u64 {
        self.of(service).map(|call| call.received).sum()
    }

    /// Requests to `service` that had their effect.
    #[must_use]
    pub fn acted(&self, service: Service) -> u64 {
        self.of(service).map(|call| call.acted).sum()
    }

    /// Requests for `operation` of `service` that had their effect.
    #[must_use]
    pub fn acted_on(&self, service: Service, operation: &str) -> u64 {
        let calls = self.of(service);
        calls
            .filter(|call| call.operation == operation)
            .map(|call| call.acted)
            .sum()
    }

    /// The counts of `service`, one for each operation, subject and idempotency key.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &CallCount> {
        self.calls
            .iter()
            .filter(move |call| call.service == service)
    }
}

/// The counters themselves. They grow with the number of distinct subjects: a dev server's worth,
/// not a production's.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<Call, (u64, u64)>,
}

impl Tally {
    pub(crate) fn receive(&mut self, call: &Call) {
        self.counts.entry(call.clone()).or_default().0 += 1;
    }

    pub(crate) fn act(&mut self, call: &Call) {
        self.counts.entry(call.clone()).or_default().1 += 1;
    }

    pub(crate) fn snapshot(&self) -> Calls {
        let calls = self
            .counts
            .iter()
            .map(|(call, &(received, acted))| CallCount {
                service: call.service,
                operation: call.operation.to_owned(),
                subject: call.subject.clone(),
                idempotency_key: call.idempotency_key.clone(),
                received,
                acted,
            });
        Calls {
            calls: calls.collect(),
        }
    }
}
