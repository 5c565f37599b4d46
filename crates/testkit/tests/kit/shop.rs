//! A small shop: a payment provider outside, and workflows that charge and deliver.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Step, workflow};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A payment provider, and whether it honours the key it is given.
#[derive(Debug, Clone)]
pub(crate) struct Till {
    charges: Arc<Mutex<Vec<(String, u32)>>>,
    honours_keys: bool,
}

impl Till {
    pub(crate) fn new() -> Self {
        let charges = Arc::default();
        let honours_keys = true;
        Self {
            charges,
            honours_keys,
        }
    }

    /// One that charges again however often it is asked.
    pub(crate) fn that_forgets() -> Self {
        let honours_keys = false;
        Self {
            honours_keys,
            ..Self::new()
        }
    }

    pub(crate) fn charge(&self, key: &str, cents: u32) -> u32 {
        let mut charges = self.charges.lock().unwrap();
        let known = charges.iter().any(|(known, _)| known == key);
        if !(known && self.honours_keys) {
            charges.push((key.to_owned(), cents));
        }
        cents
    }

    pub(crate) fn count(&self) -> usize {
        self.charges.lock().unwrap().len()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bought {
    pub(crate) cents: u32,
    pub(crate) delivered: bool,
}

/// Charges, and delivers what was paid.
#[workflow(retries = 4)]
pub(crate) async fn buy(step: &mut Step, cents: u32) -> Result<Bought, Error> {
    let till = step.get::<Till>();
    let cents = step
        .run("charge", async |attempt: &Attempt| {
            Ok(till.charge(attempt.idempotency_key(), cents))
        })
        .await?;
    let delivered = step.run("deliver", async |_: &Attempt| Ok(true)).await?;
    Ok(Bought { cents, delivered })
}

/// Charges once a year.
#[workflow]
pub(crate) async fn renew(step: &mut Step, years: u32) -> Result<u32, Error> {
    let till = step.get::<Till>();
    let mut paid = 0;
    for _ in 0..years {
        step.sleep("a-year", 365 * DAY).await?;
        paid += step
            .run("charge", async |attempt: &Attempt| {
                Ok(till.charge(attempt.idempotency_key(), 100))
            })
            .await?;
    }
    Ok(paid)
}

#[derive(Debug, Event, Serialize, Deserialize)]
#[event("parcel/moved", key = "parcel")]
pub(crate) struct Moved {
    pub(crate) parcel: String,
    pub(crate) to: String,
}

#[derive(Debug, Event, Serialize, Deserialize)]
#[event("parcel/paid", key = "parcel")]
pub(crate) struct Paid {
    pub(crate) parcel: String,
}

/// Ends once the parcel was paid and moved, in whichever order.
#[workflow]
pub(crate) async fn follow(step: &mut Step, parcel: String) -> Result<String, Error> {
    step.wait_for::<Paid>("payment", &parcel).await?;
    let moved = step.wait_for::<Moved>("move", &parcel).await?;
    Ok(moved.to)
}

/// Returns where the parcel moved to first, which depends on what arrives first.
#[workflow]
pub(crate) async fn first_move(step: &mut Step, parcel: String) -> Result<String, Error> {
    let moved = step.wait_for::<Moved>("move", &parcel).await?;
    Ok(moved.to)
}

/// Counts payments, one run for each.
#[workflow(on = Paid)]
pub(crate) async fn count_payment(step: &mut Step, paid: Paid) -> Result<String, Error> {
    let till = step.get::<Till>();
    step.run("count", async |attempt: &Attempt| {
        Ok(till.charge(attempt.idempotency_key(), 1))
    })
    .await?;
    Ok(paid.parcel)
}

pub(crate) fn moved(parcel: &str, to: &str) -> Moved {
    Moved {
        parcel: parcel.to_owned(),
        to: to.to_owned(),
    }
}

pub(crate) fn paid(parcel: &str) -> Paid {
    Paid {
        parcel: parcel.to_owned(),
    }
}

/// How many charges the till holds for how many keys; a fake that honours keys has as many of both.
pub(crate) fn per_key(till: &Till) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (key, _) in till.charges.lock().unwrap().iter() {
        *counts.entry(key.clone()).or_default() += 1;
    }
    counts
}
