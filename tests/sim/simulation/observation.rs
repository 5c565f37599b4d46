//! What there is to judge once a seed has run: the store, cut by cut, and what the world wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stepwell::Event as _;
use stepwell_core::run::{Outcome, RunState, fold};
use stepwell_core::{
    Entry, EntryBody, EventId, EventKey, EventOrder, RunId, StepAddress, StepKind, Timestamp,
};
use stepwell_store::{DeliveryRow, EventRow, InboxRow, RunFilter, RunHead, Store as _};
use stepwell_testkit::memory::MemoryStore;

use super::interpreter::{Fact, key_name};
use super::plan::Plan;
use super::program::KEYS;
use super::world::{Answer, Begun};

/// One run as it is stored.
#[derive(Debug, Clone)]
pub(super) struct StoredRun {
    pub(super) journal: Vec<Entry>,
    pub(super) head: RunHead,
    pub(super) agenda: Vec<Timestamp>,
    pub(super) waits: Vec<EventKey>,
    pub(super) inbox: Vec<InboxRow>,
    /// The fold of its journal, or why it has none.
    pub(super) state: Result<RunState, String>,
}

/// Everything durable in one moment.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// When, by the wall clock.
    pub(super) at: Timestamp,
    /// How many answers had been given; counted at rest alone.
    pub(super) answered: usize,
    pub(super) runs: BTreeMap<RunId, StoredRun>,
    pub(super) events: BTreeMap<EventId, EventRow>,
    pub(super) deliveries: Vec<DeliveryRow>,
    /// Events that may be waited for, in the order of the log, by what they are matched by.
    pub(super) facts: BTreeMap<EventKey, Vec<(EventOrder, EventId)>>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    pub(super) plan: Arc<Plan>,
    /// The store at each death and each change of engines, and at the end.
    pub(super) cuts: Vec<Cut>,
    /// The store whenever nothing failed for long and nothing was due.
    pub(super) at_rest: Vec<Cut>,
    pub(super) last: Cut,
    pub(super) begun: Vec<Begun>,
    pub(super) answers: Vec<Answer>,
    /// Runs somebody asked to cancel or kill, whether that was acknowledged or not.
    pub(super) asked_to_end: BTreeSet<RunId>,
    pub(super) fenced_answers: Vec<String>,
    /// Why the simulation was ended before it came to rest, if it was.
    pub(super) cut_short: Option<String>,
    pub(super) seen: BTreeMap<&'static str, u64>,
    pub(super) lines: Vec<String>,
}

impl Cut {
    /// What `memory` holds durably at `at`; of events those that `sent` names and that runs speak of.
    pub(super) fn of(memory: &MemoryStore, sent: &BTreeSet<EventId>, at: Timestamp) -> Self {
        let heads = memory.runs(&RunFilter::default(), usize::MAX).unwrap();
        let end = Timestamp::from_ms(u64::MAX);
        let agenda = memory.agenda(None, end, usize::MAX).unwrap();
        let waits = memory.waits(None, usize::MAX).unwrap();
        let runs = heads.into_iter().map(|head| {
            let run = head.run;
            let journal = memory.journal(run).unwrap();
            let state = fold(run, &journal).map_err(|illegal| illegal.to_string());
            let mine = agenda.iter().filter(|(_, of)| *of == run);
            let keys = waits.iter().filter(|(_, of)| *of == run);
            let inbox = memory.inbox(run).unwrap();
            let stored = StoredRun {
                journal,
                head,
                agenda: mine.map(|(at, _)| *at).collect(),
                waits: keys.map(|(key, _)| *key).collect(),
                inbox: inbox.into_iter().map(|(_, row)| row).collect(),
                state,
            };
            (run, stored)
        });
        let runs: BTreeMap<RunId, StoredRun> = runs.collect();
        let spoken_of = runs.iter().flat_map(|(run, stored)| {
            let entries = stored.journal.iter();
            entries.filter_map(|entry| event_of(*run, &entry.body))
        });
        let mut events = BTreeMap::new();
        for id in sent.iter().cloned().chain(spoken_of) {
            if let Some(row) = memory.event(&id).unwrap() {
                events.insert(id, row);
            }
        }
        let beginning = EventOrder::BEGINNING;
        let deliveries = memory.deliveries(beginning, usize::MAX);
        let facts = (0..KEYS).map(|key| {
            let key = EventKey::of(Fact::NAME, &key_name(key));
            let rows = memory.events_by_key(key, beginning, usize::MAX);
            let rows = rows.unwrap().into_iter();
            (key, rows.map(|(order, row)| (order, row.event)).collect())
        });
        Self {
            at,
            answered: 0,
            facts: facts.collect(),
            runs,
            events,
            deliveries: deliveries
                .unwrap()
                .into_iter()
                .map(|(_, row)| row)
                .collect(),
        }
    }

    /// The runs whose journals fold.
    pub(super) fn states(&self) -> impl Iterator<Item = (&RunId, &StoredRun, &RunState)> {
        let folded = self.runs.iter();
        folded.filter_map(|(run, stored)| Some((run, stored, stored.state.as_ref().ok()?)))
    }

    pub(super) fn state(&self, run: RunId) -> Option<&RunState> {
        self.runs.get(&run)?.state.as_ref().ok()
    }

    /// The run that `run` goes on as, or itself.
    pub(super) fn goes_on_as(&self, run: RunId) -> Option<&RunState> {
        let state = self.state(run)?;
        match &state.outcome {
            Some(Outcome::Continued(next)) => self.goes_on_as(*next),
            _ => Some(state),
        }
    }

    /// Whether every run has ended.
    pub(super) fn is_over(&self) -> bool {
        let mut runs = self.runs.values();
        runs.all(|stored| {
            let state = stored.state.as_ref();
            state.is_ok_and(|state| state.outcome.is_some())
        })
    }
}

/// The event an entry of `run` speaks of.
fn event_of(run: RunId, entry: &EntryBody) -> Option<EventId> {
    match entry {
        EntryBody::RunStarted(fields) => Some(fields.event.clone()),
        EntryBody::EventReceived(fields) => Some(fields.event.clone()),
        EntryBody::StepSucceeded(fields) if fields.kind == StepKind::Send => {
            Some(sent_by(run, &fields.step))
        }
        _ => None,
    }
}

/// The id of the event that a step of a run sends.
pub(super) fn sent_by(run: RunId, step: &StepAddress) -> EventId {
    EventId::derived(&format!("{run}/{step}"))
}

impl Observation {
    /// Everything durable at the end, as bytes: the same for the same seed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (run, stored) in &self.last.runs {
            bytes.extend(run.to_bytes());
            bytes.extend(stepwell_core::envelope::encode_block(&stored.journal).unwrap());
        }
        for row in self.last.events.values() {
            bytes.extend(stepwell_core::envelope::encode_fields(row).unwrap());
        }
        for begun in &self.begun {
            bytes.extend(format!("{begun:?}").into_bytes());
        }
        bytes
    }
}
