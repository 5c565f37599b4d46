//! The overlay: what recent commits made of the keys that preconditions ask about.
//!
//! Commits are checked against the overlay alone, in order; the table behind the log is never
//! asked while commits wait. A key stays at least until its record is settled, and usually much
//! longer. For a key the overlay does not know, the caller's own look at the table decides,
//! unless keys settled after that look have left the overlay since: then the look is stale.

use std::collections::{HashMap, VecDeque};

use stepwell_core::{EventId, Fence, RunId, Seq};
use stepwell_store::{CommitError, Seen};

/// What a commit asks of the state before it, taken from the commit by its caller.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// Must be the store's.
    pub(crate) fence: Fence,
    /// How far the store had settled when the caller looked for `events`.
    pub(crate) seen: Seen,
    /// Ids that must be new.
    pub(crate) events: Vec<EventId>,
    /// Runs that must stand at a sequence.
    pub(crate) appends: Vec<Position>,
}

/// Where one run must stand, and where the commit takes it.
#[derive(Debug)]
pub(crate) struct Position {
    /// The run.
    pub(crate) run: RunId,
    /// The sequence expected next.
    pub(crate) expected: Seq,
    /// The sequence next after the commit.
    pub(crate) next: Seq,
    /// Where the table had the run, for a run the overlay did not know.
    pub(crate) look: Option<Look>,
}

/// A look at where the table has a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The sequence next in the table, 0 for no such run.
    pub(crate) next: Seq,
    /// How far the store had settled before the look.
    pub(crate) seen: Seen,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Overlay {
    fence: Fence,
    events: HashMap<EventId, u64>,
    positions: HashMap<RunId, (Seq, u64)>,
    /// Every key written, in order of the record that wrote it.
    order: VecDeque<(u64, Key)>,
    /// How to take back the commits checked since the last [`Overlay::keep`], newest last.
    undo: Vec<Undo>,
    evicted: u64,
    keys_max: usize,
}

#[derive(Debug, Clone)]
enum Key {
    Event(EventId),
    Run(RunId),
}

#[derive(Debug)]
struct Undo {
    key: Key,
    before: Option<(Seq, u64)>,
}

impl Overlay {
    /// An overlay that knows nothing of the records up to `settled`.
    pub(crate) fn new(fence: Fence, settled: u64, keys_max: usize) -> Self {
        Self {
            fence,
            events: HashMap::new(),
            positions: HashMap::new(),
            order: VecDeque::new(),
            undo: Vec::new(),
            evicted: settled,
            keys_max,
        }
    }

    /// Whether the overlay knows where `run` stands.
    pub(crate) fn knows(&self, run: RunId) -> bool {
        self.positions.contains_key(&run)
    }

    /// Checks one commit that would be part of record `number`, and remembers what it changes.
    /// A refused commit leaves nothing behind.
    pub(crate) fn check(&mut self, number: u64, asked: &Conditions) -> Result<(), CommitError> {
        if asked.fence != self.fence {
            return Err(CommitError::Fenced {
                current: self.fence,
                found: asked.fence,
            });
        }
        let mark = self.undo.len();
        let checked = self.check_each(number, asked);
        if checked.is_err() {
            self.take_back(mark);
        }
        checked
    }

    /// The commits checked so far are in the log, or on their way for good.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Nothing of the commits checked since the last [`Overlay::keep`] was written.
    pub(crate) fn forget(&mut self) {
        self.take_back(0);
    }

    /// Forgets the oldest keys beyond the limit, of records up to `settled` alone.
    pub(crate) fn evict(&mut self, settled: u64) {
        while self.order.len() > self.keys_max {
            match self.order.front() {
                Some((number, _)) if *number <= settled => {}
                Some(_) | None => return,
            }
            let Some((number, key)) = self.order.pop_front() else {
                return;
            };
            let gone = match &key {
                Key::Event(id) => self.events.remove(id).is_some(),
                Key::Run(run) => {
                    // Written again since: the later place in the order keeps it.
                    let latest = self.positions.get(run).is_some_and(|(_, at)| *at == number);
                    latest && self.positions.remove(run).is_some()
                }
            };
            if gone {
                self.evicted = self.evicted.max(number);
            }
        }
    }

    fn check_each(&mut self, number: u64, asked: &Conditions) -> Result<(), CommitError> {
        for id in &asked.events {
            if self.events.contains_key(id) {
                return Err(CommitError::EventExists { id: id.clone() });
            }
            if asked.seen.0 < self.evicted {
                return Err(CommitError::Stale);
            }
            self.events.insert(id.clone(), number);
            self.remember(number, Key::Event(id.clone()), None);
        }
        for append in &asked.appends {
            let known = self.positions.get(&append.run).copied();
            let next = match (known, append.look) {
                (Some((next, _)), _) => next,
                (None, Some(look)) if look.seen.0 >= self.evicted => look.next,
                (None, Some(_) | None) => return Err(CommitError::Stale),
            };
            if next != append.expected {
                return Err(CommitError::OutOfSequence {
                    run: append.run,
                    expected: append.expected,
                });
            }
            self.positions.insert(append.run, (append.next, number));
            self.remember(number, Key::Run(append.run), known);
        }
        Ok(())
    }

    fn remember(&mut self, number: u64, key: Key, before: Option<(Seq, u64)>) {
        self.order.push_back((number, key.clone()));
        self.undo.push(Undo { key, before });
    }

    fn take_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let Some(undo) = self.undo.pop() else { return };
            self.order.pop_back();
            match (undo.key, undo.before) {
                (Key::Event(id), _) => {
                    self.events.remove(&id);
                }
                (Key::Run(run), Some(before)) => {
                    self.positions.insert(run, before);
                }
                (Key::Run(run), None) => {
                    self.positions.remove(&run);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
