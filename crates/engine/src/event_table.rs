//! Where events and waits meet: one lock under which both take their place in the log.
//!
//! A wait must miss no event that is accepted after its run began. It is registered in three
//! moves: say that it is coming, look at what is stored, then take its place in the log — unless an
//! event of its key took one in between, in which case it looks again. An event takes its place
//! under the same lock, and is put on its way whenever somebody may be waiting. So an event either
//! stands before the look and is found by it, or behind the wait and is delivered to it.
//!
//! Who waits for what is in the store. Memory holds counters by digest alone, as many as there
//! ever are: one that is too high costs a look at the store and nothing else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::Shared;
use stepwell_core::{EventKey, EventOrder, Fence};
use stepwell_store::Ticket;

/// A ticket that several may wait for.
pub(crate) type SharedTicket = Shared<Ticket>;

/// Counters of waits; digests that share one count together.
const COUNTERS: usize = 1 << 18;

/// How many keys with events under way are kept before those that arrived are forgotten.
const UNDER_WAY_MAX: usize = 4_096;

/// See the module.
pub(crate) struct EventTable {
    opening: u64,
    waits: Vec<AtomicU32>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The place of the newest event.
    number: u64,
    /// Waits that are coming, and whether an event of their key came since they looked.
    coming: HashMap<EventKey, Coming>,
    /// Events that have their place and may not be durable yet.
    under_way: HashMap<EventKey, Vec<SharedTicket>>,
}

#[derive(Default)]
struct Coming {
    waits: u32,
    events: u64,
}

/// The lock: events take their places while it is held.
pub(crate) struct Places<'t> {
    table: &'t EventTable,
    inner: MutexGuard<'t, Inner>,
    placed: Vec<EventKey>,
}

/// A wait that is coming; dropped once it is there.
pub(crate) struct Registration<'t> {
    table: &'t EventTable,
    key: EventKey,
}

impl EventTable {
    pub(crate) fn new(fence: Fence) -> Self {
        Self {
            opening: fence.0,
            waits: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(),
            inner: Mutex::default(),
        }
    }

    /// One more run waits for `key`; counted before its wait takes its place in the log.
    pub(crate) fn watch(&self, key: EventKey) {
        self.counter(key).fetch_add(1, Ordering::Relaxed);
    }

    /// One run waits for `key` no more; told once that is durable.
    pub(crate) fn unwatch(&self, key: EventKey) {
        let fewer = |count: u32| count.checked_sub(1);
        let order = Ordering::Relaxed;
        // A counter at zero stays there, which cannot happen while each wait is counted first.
        if self.counter(key).fetch_update(order, order, fewer).is_err() {
            tracing::debug!("a wait was counted off that was never counted");
        }
    }

    pub(crate) fn lock(&self) -> Places<'_> {
        Places {
            table: self,
            inner: self.inner(),
            placed: Vec::new(),
        }
    }

    /// A wait for `key` is coming.
    pub(crate) fn register(&self, key: EventKey) -> Registration<'_> {
        self.inner().coming.entry(key).or_default().waits += 1;
        Registration { table: self, key }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counter(&self, key: EventKey) -> &AtomicU32 {
        let low = key.0.iter().take(8);
        let hash = low.fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        &self.waits[hash % COUNTERS]
    }
}

impl Places<'_> {
    /// The place of the newest event: those behind it come later.
    pub(crate) fn newest(&self) -> EventOrder {
        EventOrder {
            opening: self.table.opening,
            number: self.inner.number,
        }
    }

    /// The next place, for an event with `key`, and whether somebody may wait for it.
    pub(crate) fn place(&mut self, key: EventKey) -> (EventOrder, bool) {
        self.inner.number += 1;
        let coming = self.inner.coming.get_mut(&key);
        let awaited = coming.is_some();
        if let Some(coming) = coming {
            coming.events += 1;
        }
        self.placed.push(key);
        let watched = awaited || self.table.counter(key).load(Ordering::Relaxed) > 0;
        (self.newest(), watched)
    }

    /// The commit with the events placed so far has its place in the log.
    pub(crate) fn ordered(mut self, ticket: Ticket) -> SharedTicket {
        let ticket = ticket.shared();
        let placed = std::mem::take(&mut self.placed);
        let under_way = &mut self.inner.under_way;
        if under_way.len() > UNDER_WAY_MAX {
            under_way.retain(|_, tickets| {
                tickets.retain(|ticket| ticket.peek().is_none());
                !tickets.is_empty()
            });
        }
        for key in placed {
            let tickets = under_way.entry(key).or_default();
            tickets.retain(|ticket| ticket.peek().is_none());
            tickets.push(ticket.clone());
        }
        ticket
    }
}

impl Registration<'_> {
    /// Events of the key that have their place and may not be durable: a look waits for them.
    pub(crate) fn under_way(&self) -> Vec<SharedTicket> {
        let inner = self.table.inner();
        let tickets = inner.under_way.get(&self.key);
        tickets.cloned().unwrap_or_default()
    }

    /// How many events of the key were placed since somebody began to come.
    pub(crate) fn events(&self) -> u64 {
        let inner = self.table.inner();
        inner
            .coming
            .get(&self.key)
            .map_or(0, |coming| coming.events)
    }

    /// [`Registration::events`], and no further one is placed while `places` is held.
    pub(crate) fn events_under(&self, places: &Places<'_>) -> u64 {
        let coming = places.inner.coming.get(&self.key);
        coming.map_or(0, |coming| coming.events)
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut inner = self.table.inner();
        if let Some(coming) = inner.coming.get_mut(&self.key) {
            coming.waits = coming.waits.saturating_sub(1);
            if coming.waits == 0 {
                inner.coming.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> EventTable {
        EventTable::new(Fence(3))
    }

    fn key(text: &str) -> EventKey {
        EventKey::of("order/paid", text)
    }

    #[test]
    fn an_event_is_put_on_its_way_when_somebody_waits_or_is_about_to() {
        let table = table();
        assert!(!table.lock().place(key("a")).1, "nobody waits");
        table.watch(key("a"));
        assert!(table.lock().place(key("a")).1, "somebody waits");
        table.unwatch(key("a"));
        let coming = table.register(key("a"));
        assert_eq!(coming.events(), 0);
        assert!(table.lock().place(key("a")).1, "somebody is coming");
        assert_eq!(coming.events(), 1, "who is coming looks again");
        drop(coming);
        assert!(!table.lock().place(key("a")).1, "nobody waits any more");
    }

    #[test]
    fn places_grow_and_begin_with_the_opening() {
        let table = table();
        let (first, _) = table.lock().place(key("a"));
        let (second, _) = table.lock().place(key("b"));
        assert!(first < second);
        assert_eq!(second, table.lock().newest());
        let later = EventTable::new(Fence(4));
        assert!(
            later.lock().newest() > second,
            "a later opening comes later"
        );
    }

    #[test]
    fn a_look_waits_for_events_that_are_placed_and_not_durable() {
        let table = table();
        let (sender, ticket) = Ticket::pair();
        let mut places = table.lock();
        places.place(key("a"));
        let ticket = places.ordered(ticket);
        let coming = table.register(key("a"));
        assert_eq!(coming.under_way().len(), 1);
        sender.resolve(Ok(()));
        assert_eq!(ticket.now_or_never(), Some(Ok(())));
        assert_eq!(
            coming
                .under_way()
                .iter()
                .filter(|t| t.peek().is_none())
                .count(),
            0
        );
    }
}
