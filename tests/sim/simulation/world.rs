//! What everybody in a simulation sees and writes down: bodies that begin, answers, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepwell::Attempt;
use stepwell_core::run::{StepOutcome, StepProgress, fold};
use stepwell_core::{Entry, EventId, RunId, StepAddress};
use stepwell_store::Store as _;
use stepwell_testkit::memory::MemoryStore;
use stepwell_testkit::sim_store::Fate;

/// A body that began, and what the store held in that moment.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) run: RunId,
    pub(super) step: StepAddress,
    pub(super) attempt: u32,
    /// Grows with every opening and every fault: within one, an attempt begins once.
    pub(super) epoch: u64,
    /// Whether a fault struck a moment ago, of which the run may not have heard yet.
    pub(super) shaken: bool,
    /// Whether the engine had been fenced out by then, which it cannot know.
    pub(super) fenced: bool,
    /// Whether a result of the step was durable already.
    pub(super) recorded: bool,
    /// Entries of its line, and of those around it, that were not durable.
    pub(super) not_durable: Vec<String>,
}

/// Something an engine acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acknowledged {
    Event(EventId),
    /// A start under a key, with the run it answered.
    Start(EventId, RunId),
    Signal(RunId, u64),
    Cancel(RunId),
    Kill(RunId),
}

/// An answer, and whether what it says was in the store in that moment.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) what: Acknowledged,
    pub(super) stored: bool,
}

/// Polls of workflow code past which a simulation is ended.
const POLLS_MAX: u64 = 200_000;

/// How long a fault may take to be heard of.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Shared by the engine's workflow, the clients and the one who runs the simulation.
pub(super) struct World {
    memory: MemoryStore,
    fate: Arc<Fate>,
    polls: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    epoch: u64,
    /// The opening that may write.
    opening: u64,
    begun: Vec<Begun>,
    answers: Vec<Answer>,
    /// How often each kind of thing happened.
    seen: BTreeMap<&'static str, u64>,
    /// What happened, in words; kept when somebody wants to read it.
    lines: Option<Vec<String>>,
    /// What an engine that was fenced out acknowledged.
    fenced_answers: Vec<String>,
    asked_to_end: BTreeSet<RunId>,
}

impl World {
    pub(super) fn new(memory: MemoryStore, fate: Arc<Fate>, traced: bool) -> Arc<Self> {
        let inner = Inner {
            lines: traced.then(Vec::new),
            ..Inner::default()
        };
        Arc::new(Self {
            memory,
            fate,
            polls: AtomicU64::new(0),
            inner: Mutex::new(inner),
        })
    }

    /// The store as it is durable.
    pub(super) fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    /// A body begins; in a process that is dead it never does.
    pub(super) async fn begins(&self, opening: u64, attempt: &Attempt) {
        if self.fate.is_dead() {
            return pending().await;
        }
        let (run, step) = (attempt.run(), attempt.step().clone());
        let durable = self.memory.journal(run).unwrap();
        let ordered = self.memory.ordered_journal(run);
        let state = fold(run, &durable).ok();
        let known = state.as_ref().and_then(|state| state.steps.get(&step));
        let recorded = known.is_some_and(|known| {
            matches!(
                known.progress,
                StepProgress::Done(StepOutcome::Succeeded(_) | StepOutcome::Failed { .. })
            )
        });
        let later = ordered.iter().skip(durable.len());
        let not_durable = later
            .filter(|entry| is_before(entry, &step))
            .map(|entry| format!("{:?}", entry.body))
            .collect();
        self.saw("body");
        self.say(|| format!("{run} {step} attempt {} begins", attempt.number()));
        let faults = self.fate.struck().len() as u64 + self.fate.failed_reads();
        let mut inner = self.lock();
        let begun = Begun {
            run,
            step,
            attempt: attempt.number(),
            epoch: inner.epoch + faults,
            shaken: self.fate.failed_within(HEARD_WITHIN),
            fenced: opening != inner.opening,
            recorded,
            not_durable,
        };
        inner.begun.push(begun);
    }

    /// `code`, polled no more often than a simulation takes: one that is polled for ever without a
    /// commit is ended here, which nothing else can do.
    pub(super) async fn bounded<F: Future + Unpin>(&self, mut code: F) -> F::Output {
        poll_fn(|cx| {
            if self.polls.fetch_add(1, Ordering::Relaxed) > POLLS_MAX {
                self.fate.exhaust();
                std::panic::resume_unwind(Box::new("code is polled without end"));
            }
            Pin::new(&mut code).poll(cx)
        })
        .await
    }

    /// Another engine opens the store, or opens it again.
    pub(super) fn opens(&self, opening: u64) {
        let mut inner = self.lock();
        inner.opening = opening;
        inner.epoch += 1;
    }

    pub(super) fn answered(&self, what: Acknowledged, stored: bool) {
        self.say(|| format!("acknowledged: {what:?}"));
        self.lock().answers.push(Answer { what, stored });
    }

    pub(super) fn fenced_answered(&self, what: String) {
        self.lock().fenced_answers.push(what);
    }

    /// Somebody asks for a run to be cancelled or killed; it may be heard although nobody answers.
    pub(super) fn asks_to_end(&self, run: RunId) {
        self.lock().asked_to_end.insert(run);
    }

    pub(super) fn asked_to_end(&self) -> BTreeSet<RunId> {
        self.lock().asked_to_end.clone()
    }

    pub(super) fn saw(&self, what: &'static str) {
        *self.lock().seen.entry(what).or_insert(0) += 1;
    }

    pub(super) fn say(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lock().lines {
            lines.push(line());
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lock().lines.clone().unwrap_or_default()
    }

    pub(super) fn begun(&self) -> Vec<Begun> {
        self.lock().begun.clone()
    }

    pub(super) fn answers(&self) -> Vec<Answer> {
        self.lock().answers.clone()
    }

    pub(super) fn fenced_answers(&self) -> Vec<String> {
        self.lock().fenced_answers.clone()
    }

    pub(super) fn seen(&self) -> BTreeMap<&'static str, u64> {
        self.lock().seen.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `entry` is one that `step`'s line stands behind: of its own line, or of one around it.
fn is_before(entry: &Entry, step: &StepAddress) -> bool {
    match step_of(entry) {
        None => entry.seq.0 == 0,
        Some(other) => {
            let (line, around) = (&*step.branch, &*other.branch);
            around.is_empty() || line == around || line.starts_with(&format!("{around}/"))
        }
    }
}

/// The step an entry records something of, where code rests on it.
fn step_of(entry: &Entry) -> Option<&StepAddress> {
    use stepwell_core::EntryBody;
    match &entry.body {
        EntryBody::StepSucceeded(fields) => Some(&fields.step),
        EntryBody::StepFailed(fields) => Some(&fields.step),
        EntryBody::WaitStarted(fields) => Some(&fields.step),
        EntryBody::WaitTimedOut(fields) => Some(&fields.step),
        EntryBody::EventReceived(fields) => Some(&fields.step),
        EntryBody::ChildStarted(fields) => Some(&fields.step),
        EntryBody::ForkStarted(fields) => Some(&fields.step),
        EntryBody::UndoStarted(fields) => Some(&fields.scope),
        _ => None,
    }
}
