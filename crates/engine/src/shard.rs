//! A shard: the one place that drives its runs, told what to do by one closed enum of wake-ups.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stepwell_core::{RunId, Timestamp};
use tokio::sync::mpsc;

use crate::drive::{Fresh, Left, Requests, drive};
use crate::shared::{Phase, Shared};

/// Everything that can wake a shard.
pub(crate) enum Wake {
    /// A run was created just now.
    Start(RunId, Box<Fresh>),
    /// A run is due at this instant, or at once.
    At(Timestamp, RunId),
    /// A request was left for a run.
    Request(RunId),
}

/// The runs of one shard.
struct Shard {
    shared: Arc<Shared>,
    /// Runs whose drive is under way.
    driving: HashMap<RunId, Rc<Requests>>,
    /// Runs waiting for a place, in order, each once.
    backlog: VecDeque<(RunId, Option<Fresh>)>,
    /// Which those are, and whether a request was left for them meanwhile.
    queued: HashMap<RunId, bool>,
    /// Instants within the horizon.
    timers: BTreeSet<(Timestamp, RunId)>,
    ended: mpsc::UnboundedSender<(RunId, Left)>,
}

/// Drives the runs that `wakes` names until the engine drains; must be polled on a `LocalSet`.
pub(crate) async fn shard(shared: Arc<Shared>, mut wakes: mpsc::UnboundedReceiver<Wake>) {
    let (ended, mut endings) = mpsc::unbounded_channel();
    let mut phase = shared.phase.subscribe();
    let mut shard = Shard {
        shared,
        driving: HashMap::new(),
        backlog: VecDeque::new(),
        queued: HashMap::new(),
        timers: BTreeSet::new(),
        ended,
    };
    loop {
        let draining = *phase.borrow_and_update() != Phase::Open;
        if draining && shard.driving.is_empty() {
            return;
        }
        if !draining {
            shard.fill();
        }
        let next_timer = shard.timers.first().map(|(at, _)| *at);
        tokio::select! {
            biased;
            Some((run, left)) = endings.recv() => shard.left(run, left),
            wake = wakes.recv() => match wake {
                Some(wake) => shard.wake(wake),
                None => return,
            },
            () = due(&shard.shared, next_timer) => shard.fire(),
            changed = phase.changed() => if changed.is_err() { return },
        }
    }
}

/// Resolves when `at` is here. Long waits are cut up, so that a clock set forward is noticed.
async fn due(shared: &Shared, at: Option<Timestamp>) {
    let Some(at) = at else { return pending().await };
    let wait = shared.clock.until(at);
    let wait = shared.clock.at_most(wait, Duration::from_secs(10));
    tokio::time::sleep(wait).await;
}

impl Shard {
    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Start(run, fresh) => self.queue(run, Some(*fresh)),
            Wake::At(at, run) if at > self.shared.clock.now() => {
                if !self.driving.contains_key(&run) {
                    self.timers.insert((at, run));
                }
            }
            Wake::At(_, run) => self.queue(run, None),
            Wake::Request(run) => match self.driving.get(&run) {
                Some(requests) => {
                    requests.waiting.set(true);
                    requests.stirred.notify_one();
                }
                None => {
                    self.queue(run, None);
                    self.queued.insert(run, true);
                }
            },
        }
    }

    /// A run that is driven or queued already needs no second place: its drive asks the state
    /// what is next, and the state holds whatever woke it.
    fn queue(&mut self, run: RunId, fresh: Option<Fresh>) {
        if self.driving.contains_key(&run) || self.queued.contains_key(&run) {
            return;
        }
        self.queued.insert(run, false);
        let fresh = fresh.filter(|fresh| {
            let held = self.shared.backlog_bytes.load(Ordering::Relaxed);
            let keep =
                held.saturating_add(fresh.input.len()) <= self.shared.options.backlog_bytes_max;
            if keep {
                self.shared
                    .backlog_bytes
                    .fetch_add(fresh.input.len(), Ordering::Relaxed);
            }
            keep
        });
        self.shared.ready.fetch_add(1, Ordering::Relaxed);
        self.backlog.push_back((run, fresh));
    }

    /// Begins to drive queued runs while there is room.
    fn fill(&mut self) {
        while self.driving.len() < self.shared.options.driven_per_shard {
            let Some((run, fresh)) = self.backlog.pop_front() else {
                return;
            };
            let requested = self.queued.remove(&run).unwrap_or_default();
            if let Some(fresh) = &fresh {
                self.shared
                    .backlog_bytes
                    .fetch_sub(fresh.input.len(), Ordering::Relaxed);
            }
            let requests = Rc::new(Requests::default());
            requests.waiting.set(requested);
            self.driving.insert(run, Rc::clone(&requests));
            self.shared.driven.fetch_add(1, Ordering::Relaxed);
            let (shared, ended) = (Arc::clone(&self.shared), self.ended.clone());
            tokio::task::spawn_local(async move {
                let left = drive(shared, run, fresh, requests).await;
                if ended.send((run, left)).is_err() {
                    tracing::debug!(%run, "shard ended before this drive did");
                }
            });
        }
    }

    fn left(&mut self, run: RunId, left: Left) {
        self.shared.ready.fetch_sub(1, Ordering::Relaxed);
        self.shared.driven.fetch_sub(1, Ordering::Relaxed);
        let requests = self.driving.remove(&run);
        match left {
            Left::Parked(Some(at)) => {
                let horizon = self
                    .shared
                    .clock
                    .now()
                    .after(self.shared.options.timer_horizon);
                if at <= horizon {
                    self.timers.insert((at, run));
                }
                // Beyond the horizon the store's agenda remembers it.
                if at > horizon {
                    self.shared.far.notify_one();
                }
            }
            Left::Parked(None) | Left::Ended | Left::LetGo => {}
        }
        if left != Left::LetGo && requests.is_some_and(|requests| requests.waiting.get()) {
            self.queue(run, None);
        }
    }

    fn fire(&mut self) {
        let now = self.shared.clock.now();
        while let Some((at, run)) = self.timers.first().copied() {
            if at > now {
                return;
            }
            self.timers.pop_first();
            self.queue(run, None);
        }
    }
}
