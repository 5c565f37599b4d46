//! The open waits of a run by what they are for, each in the order in which they began.
//!
//! An event or a signal finds its wait here: a run of many waits costs no more an arrival than one
//! of few.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Awaited, WaitOn};
use crate::ids::{EventId, StepAddress};

/// Who waits for which event or signal, and which events are being judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Waiters {
    events: BTreeMap<Awaited, Vec<StepAddress>>,
    signals: BTreeMap<String, Vec<StepAddress>>,
    judged: BTreeSet<EventId>,
}

impl Waiters {
    /// The waits for `awaited`, oldest first.
    pub(super) fn for_event(&self, awaited: &Awaited) -> &[StepAddress] {
        self.events.get(awaited).map_or(&[], Vec::as_slice)
    }

    /// The waits for the signal `name`, oldest first.
    pub(super) fn for_signal(&self, name: &str) -> &[StepAddress] {
        self.signals.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a wait is judging `event`: until it has, no other gets it.
    pub(super) fn is_judged(&self, event: &EventId) -> bool {
        self.judged.contains(event)
    }

    /// A wait was offered `event`.
    pub(super) fn offered(&mut self, event: &EventId) {
        self.judged.insert(event.clone());
    }

    /// A wait took or turned down `event`, or is over.
    pub(super) fn settled(&mut self, event: &EventId) {
        self.judged.remove(event);
    }

    /// `step` begins to wait.
    pub(super) fn began(&mut self, on: &WaitOn, step: &StepAddress) {
        let waiting = match on {
            WaitOn::Until => return,
            WaitOn::Event { awaited, .. } => self.events.entry(awaited.clone()).or_default(),
            WaitOn::Signal { name } => self.signals.entry(name.clone()).or_default(),
        };
        waiting.push(step.clone());
    }

    /// `step` waits no more.
    pub(super) fn closed(&mut self, on: &WaitOn, step: &StepAddress) {
        match on {
            WaitOn::Until => {}
            WaitOn::Event { awaited, .. } => remove(&mut self.events, awaited, step),
            WaitOn::Signal { name } => remove(&mut self.signals, name, step),
        }
    }
}

fn remove<K: Ord>(of: &mut BTreeMap<K, Vec<StepAddress>>, key: &K, step: &StepAddress) {
    let Some(waiting) = of.get_mut(key) else {
        return;
    };
    if let Some(at) = waiting.iter().position(|waiting| waiting == step) {
        waiting.remove(at);
    }
    if waiting.is_empty() {
        of.remove(key);
    }
}
