//! A bank, a post and a domain registry in memory, which outlive every crash of the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain_renewal::services::{Answer, Bank, DomainRegistry, Post, Services};

/// What lies outside of the engine.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Charges by key, and how often each was made.
    charges: BTreeMap<String, Vec<u64>>,
    mails: BTreeMap<String, String>,
    paid_until: BTreeMap<String, u32>,
    ignores_keys: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One whose bank charges as often as it is asked, whatever the key.
    pub(crate) fn with_careless_bank() -> Self {
        let world = Self::new();
        world.0.lock().unwrap().ignores_keys = true;
        world
    }

    pub(crate) fn services(&self) -> Services {
        Services {
            bank: Arc::new(self.clone()),
            post: Arc::new(self.clone()),
            domains: Arc::new(self.clone()),
        }
    }

    pub(crate) fn charged_cents(&self) -> u64 {
        self.0.lock().unwrap().charges.values().flatten().sum()
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.0.lock().unwrap().mails.values().cloned().collect()
    }

    pub(crate) fn paid_until(&self, domain: &str) -> Option<u32> {
        self.0.lock().unwrap().paid_until.get(domain).copied()
    }
}

impl Bank for World {
    fn charge<'a>(&'a self, key: &'a str, _card: &'a str, cents: u64) -> Answer<'a, String> {
        Box::pin(async move {
            let mut state = self.0.lock().unwrap();
            let ignores_keys = state.ignores_keys;
            let charges = state.charges.entry(key.to_owned()).or_default();
            if charges.is_empty() || ignores_keys {
                charges.push(cents);
            }
            Ok(format!("receipt for {cents} cents"))
        })
    }
}

impl Post for World {
    fn send<'a>(&'a self, key: &'a str, _to: &'a str, text: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut state = self.0.lock().unwrap();
            state.mails.insert(key.to_owned(), text.to_owned());
            Ok(())
        })
    }
}

impl DomainRegistry for World {
    fn paid_until<'a>(&'a self, domain: &'a str, year: u32) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut state = self.0.lock().unwrap();
            state.paid_until.insert(domain.to_owned(), year);
            Ok(())
        })
    }
}
