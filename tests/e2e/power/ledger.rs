//! What the engine acknowledged and when: the test's own account, kept outside the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::filler;

/// Sizes of payloads, in bytes: around where sled would take values out of its file, the limit
/// for events unless told otherwise, and 1 MiB. Most are small.
const PAYLOADS: [usize; 11] = [
    120,
    900,
    3_000,
    200,
    8_100,
    60_000,
    150,
    4_096,
    500_000,
    300,
    1 << 20,
];

/// Sizes of results, in bytes; another cycle length, so that all pairs come up.
const RESULTS: [usize; 7] = [80, 5_000, 1 << 20, 300, 20_000, 8_000, 250_000];

/// One event the test sends; its number says everything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer(pub(crate) u64);

impl Offer {
    /// Its id.
    pub(crate) fn id(self) -> String {
        format!("offer-{}", self.0)
    }

    /// Its data.
    pub(crate) fn data(self) -> Value {
        let filler = filler::text(self.0, PAYLOADS[self.at(PAYLOADS.len())]);
        json!({ "seed": self.0, "resultBytes": self.result_bytes(), "filler": filler })
    }

    /// What the first step of its run returns.
    pub(crate) fn result(self) -> String {
        filler::text(!self.0, self.result_bytes())
    }

    fn result_bytes(self) -> usize {
        RESULTS[self.at(RESULTS.len())]
    }

    fn at(self, length: usize) -> usize {
        usize::try_from(self.0).unwrap_or_default() % length
    }
}

/// A journal as the API showed it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) run: String,
    pub(crate) entries: Vec<Value>,
    pub(crate) at: Instant,
}

/// What is known of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) offer: Offer,
    /// When the body of its first step began last.
    pub(crate) making: Option<Instant>,
    /// When its first step's result was first known to be recorded.
    pub(crate) recorded: Option<Instant>,
    /// Whether a look at its journal is under way or done.
    watched: bool,
}

/// Everything acknowledged since the store was made. Instants are of this process's monotonic
/// clock, taken on arrival, so each is later than the fact.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Events answered with 200.
    pub(crate) events: Vec<(Offer, Instant)>,
    /// Runs that told of themselves.
    pub(crate) runs: BTreeMap<String, Told>,
    /// Journals shown.
    pub(crate) shown: Vec<Shown>,
    /// Runs whose recorded step ran again.
    pub(crate) repeated: Vec<String>,
    /// Senders at work.
    pub(crate) senders: usize,
    /// Why others of them stopped.
    pub(crate) stopped: Vec<String>,
}

impl Account {
    fn recorded(&self) -> usize {
        self.runs
            .values()
            .filter(|told| told.recorded.is_some())
            .count()
    }

    /// Forgets what was acknowledged at `cut` or later: a sync under way as the power goes may
    /// report success without being it.
    pub(crate) fn forget_since(&mut self, cut: Instant) {
        self.events.retain(|(_, at)| *at < cut);
        self.shown.retain(|shown| shown.at < cut);
        for told in self.runs.values_mut() {
            told.recorded = told.recorded.filter(|at| *at < cut);
        }
    }

    /// Notes what a body told: `making` or `recorded`, run, number of the offer, attempt.
    pub(crate) fn note(&mut self, line: &str, at: Instant) {
        let mut words = line.split(' ');
        let (Some(what), Some(run), Some(number)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let offer = Offer(number.parse().unwrap_or_default());
        let fresh = Told {
            offer,
            making: None,
            recorded: None,
            watched: false,
        };
        let told = self.runs.entry(run.to_owned()).or_insert(fresh);
        match what {
            "making" => {
                told.making = Some(at);
                if told.recorded.is_some() {
                    self.repeated.push(run.to_owned());
                }
            }
            _ => told.recorded = told.recorded.or(Some(at)),
        }
    }

    /// A recorded run that nobody has looked at, one in four.
    pub(crate) fn next_unwatched(&mut self) -> Option<String> {
        let unseen = |told: &Told| {
            !told.watched && told.recorded.is_some() && told.offer.0.is_multiple_of(4)
        };
        let (run, told) = self.runs.iter_mut().find(|(_, told)| unseen(told))?;
        told.watched = true;
        Some(run.clone())
    }
}

/// An [`Account`] shared by those who send, those who listen and those who wait.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    account: Mutex<Account>,
    changed: Condvar,
    watcher: tokio::sync::Notify,
}

impl Ledger {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the account and wakes whoever waits for it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.lock());
        self.changed.notify_all();
        self.watcher.notify_one();
    }

    /// Waits until so many more events are acknowledged and results recorded than there were, or
    /// nobody sends any more, or it takes too long; whether it came to that.
    pub(crate) fn wait_for(&self, events: usize, recorded: usize, within: Duration) -> bool {
        let account = self.lock();
        let goal = (account.events.len() + events, account.recorded() + recorded);
        let reached =
            |account: &Account| account.events.len() >= goal.0 && account.recorded() >= goal.1;
        let (account, _) = self
            .changed
            .wait_timeout_while(account, within, |account| {
                account.senders > 0 && !reached(account)
            })
            .unwrap_or_else(PoisonError::into_inner);
        reached(&account)
    }

    /// Waits a while for the results of all acknowledged events but `done` to be recorded; those
    /// that are not.
    pub(crate) fn wait_for_results(&self, done: &BTreeSet<u64>, within: Duration) -> Vec<Offer> {
        let open = |account: &Account| {
            let recorded = account.runs.values().filter(|told| told.recorded.is_some());
            let recorded: BTreeSet<u64> = recorded.map(|told| told.offer.0).collect();
            let offers = account.events.iter().map(|(offer, _)| *offer);
            let open = offers.filter(|Offer(n)| !recorded.contains(n) && !done.contains(n));
            open.collect::<Vec<_>>()
        };
        let (account, _) = self
            .changed
            .wait_timeout_while(self.lock(), within, |account| !open(account).is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        open(&account)
    }

    /// Resolves when the account may have changed.
    pub(crate) async fn changed(&self) {
        self.watcher.notified().await;
    }
}
