//! What the parts of one engine share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stepwell::Registry;
use stepwell_core::run::Outcome;
use stepwell_core::{EventOrder, RunId, StepAddress};
use stepwell_store::{CommitError, DeliveryRow, Store};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::event_table::EventTable;
use crate::gate::Gate;
use crate::in_flight::Marks;
use crate::operator::{InFlight, LiveRuns};
use crate::options::Options;
use crate::shard::Wake;

/// How far shutting down has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Open for work.
    Open,
    /// No new events or bodies; bodies in flight may end.
    Draining,
    /// Everything still in flight is dropped where it stands.
    Letting,
}

/// One engine's shared parts.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) gate: Gate,
    /// Where events and waits meet.
    pub(crate) events: EventTable,
    /// Told when a run parked beyond the horizon of the shards' own timers.
    pub(crate) far: Notify,
    /// Events on their way, to whoever hands them out.
    pub(crate) deliveries: mpsc::UnboundedSender<(EventOrder, DeliveryRow)>,
    pub(crate) marks: Option<Marks>,
    /// Runs driven right now; read by lists.
    pub(crate) live: LiveRuns,
    /// Runs queued or driven in any shard; intake refuses past a limit.
    pub(crate) ready: AtomicUsize,
    /// Runs driven in any shard.
    pub(crate) driven: AtomicUsize,
    /// Bytes of inputs held for queued runs.
    pub(crate) backlog_bytes: AtomicUsize,
    /// Who wants to hear how a run ended.
    pub(crate) waiters: Mutex<HashMap<RunId, Vec<oneshot::Sender<Outcome>>>>,
    pub(crate) phase: watch::Sender<Phase>,
    /// The failure that stopped the store.
    pub(crate) failure: watch::Sender<Option<CommitError>>,
    pub(crate) shards: OnceLock<Vec<mpsc::UnboundedSender<Wake>>>,
}

impl Shared {
    /// Hands `wake` to the shard that owns `run`. A shard that has ended needs no waking.
    pub(crate) fn wake(&self, run: RunId, wake: Wake) {
        let Some(shards) = self.shards.get() else {
            return;
        };
        let bytes = run.to_bytes();
        // The low bits of a ULID are random: no further mixing is needed.
        let low = usize::from(bytes[15]) | (usize::from(bytes[14]) << 8);
        if let Some(shard) = shards.get(low % shards.len().max(1)) {
            drop(shard.send(wake));
        }
    }

    /// Events that are durable are handed out.
    pub(crate) fn deliver(&self, deliveries: Vec<(EventOrder, DeliveryRow)>) {
        for delivery in deliveries {
            // An engine that ended hands it out at the next opening.
            drop(self.deliveries.send(delivery));
        }
    }

    /// The store stopped writing: nothing is acknowledged from here on, and the process has to be
    /// restarted.
    pub(crate) fn fail(&self, error: &CommitError) {
        let first = self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert_with(|| error.clone());
            first
        });
        if first {
            self.end_waits();
            tracing::error!(%error, "store stopped writing; restart the engine");
        }
    }

    /// Resolves with the outcome of `run` once its end is durable; registered when this returns.
    pub(crate) fn await_end(&self, run: RunId) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiters.entry(run).or_default();
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        receiver
    }

    /// Tells whoever waits; called once the end of `run` is durable.
    pub(crate) fn ended(&self, run: RunId, outcome: &Outcome) {
        let waiting = {
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.remove(&run)
        };
        for sender in waiting.into_iter().flatten() {
            // Whoever asked may have gone, which is theirs to do.
            drop(sender.send(outcome.clone()));
        }
    }

    /// Nobody will hear of an end any more: waiting for one fails.
    pub(crate) fn end_waits(&self) {
        self.waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Forgets those who stopped waiting for `run`.
    pub(crate) fn forget_gone(&self, run: RunId) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiters.get_mut(&run) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                waiters.remove(&run);
            }
        }
    }

    /// Whether the store holds back as much as it may.
    pub(crate) fn strained(&self) -> bool {
        let pressure = self.store.pressure();
        let held = pressure
            .queued_bytes
            .saturating_add(pressure.unsettled_bytes);
        held >= self.options.store_bytes_max
    }

    /// Whether new bodies may start.
    pub(crate) fn open(&self) -> bool {
        *self.phase.borrow() == Phase::Open && self.failure.borrow().is_none()
    }

    /// Shows `run` as driven, with the body it has in flight.
    pub(crate) fn show(&self, run: RunId, step: Option<(&StepAddress, u32)>) {
        let shown = InFlight {
            step: step.map(|(step, _)| step.clone()),
            attempt: step.map_or(0, |(_, attempt)| attempt),
            since: self.clock.now(),
        };
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(run, shown);
    }

    /// Shows `run` as driven no more.
    pub(crate) fn hide(&self, run: RunId) {
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&run);
    }

    pub(crate) fn probe(&self, point: &'static str, step: Option<&StepAddress>) {
        match step {
            None => (self.options.probe)(point, None),
            Some(step) => (self.options.probe)(point, Some(&step.name)),
        }
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }
}
