//! [`Engine`]: opening, the doors from outside, and shutting down.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use stepwell::{Client, Registry, RegistryError, RunRef, SendError, StartOptions};
use stepwell_core::run::Outcome;
use stepwell_core::{EventId, EventOrder, Payload, RunId, Timestamp};
use stepwell_store::{Commit, CommitError, DeliveryRow, Pressure, ReadError, Seen, Store};
use tokio::sync::{mpsc, watch};

use crate::calls::{self, Started};
use crate::check::{CheckedRun, OpenRuns};
use crate::clock::Clock;
use crate::delivering::{self, Trouble, deliver_events};
use crate::event_table::EventTable;
use crate::forking::{self, ForkAsk, Forked};
use crate::gate::Gate;
use crate::in_flight::Marks;
use crate::intake::{ClientIntake, NewEvent, publish};
use crate::operator::{LiveRuns, OperateError, Operator};
use crate::options::{Options, Placement};
use crate::recovery;
use crate::shard::{Wake, shard};
use crate::shared::{Phase, Shared};
use crate::ticking;

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The registry is not usable.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The in-flight file cannot be opened or cleared.
    #[error("in-flight file {path} cannot be used: {source}")]
    InFlight {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be written.
    #[error("attempts that were in flight cannot be recorded: {0}")]
    Commit(#[from] CommitError),
    /// What is due cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A shard's thread cannot be started.
    #[error("shard cannot be started: {0}")]
    Shard(io::Error),
}

/// How an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it takes events and drives runs.
    pub ready: bool,
    /// Whether it is shutting down.
    pub draining: bool,
    /// What stopped its store, if anything did.
    pub failure: Option<String>,
    /// Runs queued or driven.
    pub ready_runs: usize,
    /// Runs driven.
    pub driven_runs: usize,
    /// What its store holds back.
    pub pressure: Pressure,
}

/// How shutting down went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Runs whose body was still in flight at the limit; they go on at the next start.
    pub parked: usize,
}

/// A running engine. Clones share it; it ends with [`Engine::drain`].
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    operator: Operator,
    /// Closed when every shard has ended.
    shards_gone: watch::Receiver<()>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("health", &self.health())
            .finish()
    }
}

impl Engine {
    /// Opens an engine over `store`: records what was in flight, then drives what is due.
    ///
    /// Must be called inside a tokio runtime, and on a `LocalSet` for [`Placement::Local`].
    ///
    /// # Errors
    /// See [`StartError`]; nothing was driven then.
    pub async fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        clock: Clock,
        options: Options,
    ) -> Result<Self, StartError> {
        registry.check()?;
        let (marks, found) = match &options.in_flight {
            None => (None, Vec::new()),
            Some(path) => {
                let opened = Marks::open(path);
                let in_flight = |source| StartError::InFlight {
                    path: path.clone(),
                    source,
                };
                let (marks, found) = opened.map_err(in_flight)?;
                (Some(marks), found)
            }
        };
        let live = LiveRuns::default();
        let operator = Operator::beside(Arc::clone(&store), Arc::clone(&live));
        let (deliveries, coming) = mpsc::unbounded_channel();
        let events = EventTable::new(store.fence());
        let shared = Arc::new(Shared {
            events,
            far: tokio::sync::Notify::new(),
            deliveries,
            store,
            registry,
            clock,
            options,
            gate: Gate::default(),
            marks,
            live,
            ready: AtomicUsize::new(0),
            driven: AtomicUsize::new(0),
            backlog_bytes: AtomicUsize::new(0),
            waiters: Mutex::default(),
            phase: watch::Sender::new(Phase::Open),
            failure: watch::Sender::new(None),
            shards: OnceLock::new(),
        });
        recovery::count_waits(&shared).await?;
        recovery::record_marks(&shared, found).await?;
        let shards_gone = start_shards(&shared).map_err(StartError::Shard)?;
        delivering::resume(&shared)
            .await
            .map_err(|trouble| match trouble {
                Trouble::Read(error) => StartError::from(error),
                Trouble::Commit(error) => StartError::from(error),
            })?;
        let horizon = shared.clock.now().after(shared.options.timer_horizon);
        let woken = recovery::wake_due(&shared, None, horizon).await?;
        recovery::wake_requested(&shared).await?;
        tracing::info!(woken, "engine is open");
        tokio::spawn(deliver_until_drained(Arc::clone(&shared), coming));
        ticking::start(&shared);
        tokio::spawn(watch_until_drained(Arc::clone(&shared), horizon));
        Ok(Self {
            shared,
            operator,
            shards_gone,
        })
    }

    /// Sends events from code that runs beside the engine.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(Arc::new(ClientIntake(Arc::clone(&self.shared))))
    }

    /// Looks at runs, journals and events.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The workflows and what they depend on.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// Accepts all of `events` or none; resolves with their ids once they and the runs they start
    /// are durable. An event whose id is stored already changes nothing and answers that id.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn publish(&self, events: Vec<NewEvent>) -> Result<Vec<EventId>, SendError> {
        let (accepted, _) = publish(&self.shared, events, false).await?;
        Ok(accepted.into_iter().map(|event| event.id).collect())
    }

    /// Accepts one event and waits for the runs it starts; resolves with each run's outcome once
    /// its end is durable. For an event whose id is stored already these are the first runs.
    ///
    /// # Errors
    /// See [`SendError`]; [`SendError::Unavailable`] as well when the engine ends before a run does.
    pub async fn execute(&self, event: NewEvent) -> Result<Vec<(RunId, Outcome)>, SendError> {
        let (accepted, waits) = publish(&self.shared, vec![event], true).await?;
        let mut waits: HashMap<_, _> = waits.into_iter().collect();
        let mut ended = Vec::new();
        for run in accepted.into_iter().flat_map(|event| event.runs) {
            let outcome = match waits.remove(&run) {
                Some(wait) => match wait.await.map_err(|_| gone())? {
                    Outcome::Continued(next) => self.outcome(next).await?,
                    outcome => outcome,
                },
                None => self.outcome(run).await?,
            };
            ended.push((run, outcome));
        }
        Ok(ended)
    }

    /// Resolves with the outcome of a run once its end is durable; that of a run which goes on as
    /// another is that of the last.
    ///
    /// # Errors
    /// [`SendError::Unavailable`] when the run cannot be read or the engine ends first.
    pub async fn outcome(&self, mut run: RunId) -> Result<Outcome, SendError> {
        loop {
            match self.own_outcome(run).await? {
                Outcome::Continued(next) => run = next,
                outcome => return Ok(outcome),
            }
        }
    }

    async fn own_outcome(&self, run: RunId) -> Result<Outcome, SendError> {
        // Registered before the look: an end between the two is told.
        let wait = self.shared.await_end(run);
        let look = self.operator.outcome(run).await;
        if let Ok(None) = look {
            // Whoever would tell may have gone before this began to wait.
            let failed = self.shared.failure.borrow().is_some();
            if failed || *self.shared.phase.borrow() == Phase::Letting {
                return Err(gone());
            }
            return wait.await.map_err(|_| gone());
        }
        drop(wait);
        self.shared.forget_gone(run);
        match look {
            Ok(outcome) => outcome.ok_or_else(gone),
            Err(error) => Err(SendError::Unavailable {
                why: error.to_string(),
            }),
        }
    }

    /// Starts a run of the workflow of this name; resolves once it is durable. Under a key that is
    /// taken the answer is the run that took it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn start_run(
        &self,
        workflow: &str,
        input: Payload,
        options: StartOptions,
    ) -> Result<Started, SendError> {
        calls::start(&self.shared, workflow, input, options).await
    }

    /// Signals a run; resolves once the signal is durable, with the run it went to: the one that
    /// has the key, or that the run named goes on as.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn signal(
        &self,
        run: RunRef,
        name: String,
        data: Payload,
    ) -> Result<RunId, SendError> {
        calls::signal(&self.shared, run, name, data).await
    }

    /// Asks for a run to be ended where it stands; resolves once the request is durable.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn kill(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.operator.goes_on_as(run).await?;
        let (operator, reason) = (self.operator.clone(), reason.to_owned());
        self.ask(run, async move { operator.kill(run, &reason).await })
            .await
    }

    /// Asks for a run to be cancelled; resolves once the request is durable.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.operator.goes_on_as(run).await?;
        let (operator, reason) = (self.operator.clone(), reason.to_owned());
        self.ask(run, async move { operator.cancel(run, &reason).await })
            .await
    }

    /// Asks for a run to be paused; resolves once the request is durable.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn pause(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.operator.goes_on_as(run).await?;
        let (operator, reason) = (self.operator.clone(), reason.to_owned());
        self.ask(run, async move { operator.pause(run, &reason).await })
            .await
    }

    /// Asks for what failed of a run to be tried again; resolves once the request is durable.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn retry(&self, run: RunId, reason: &str) -> Result<(), OperateError> {
        let run = self.operator.goes_on_as(run).await?;
        let (operator, reason) = (self.operator.clone(), reason.to_owned());
        self.ask(run, async move { operator.retry(run, &reason).await })
            .await
    }

    /// Holds every open run against the code of this engine, page by page, and has those that
    /// break quarantined before they go on; `each` is told of every run. Runs go on meanwhile.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn check_open_runs(
        &self,
        mut each: impl FnMut(&CheckedRun),
    ) -> Result<(), OperateError> {
        let registry = self.shared.registry.clone();
        let mut open = OpenRuns::new(self.operator.clone(), registry);
        while let Some(page) = open.next_page().await? {
            for run in open.set_aside(&page).await? {
                self.shared.wake(run, Wake::Request(run));
            }
            page.iter().for_each(&mut each);
        }
        Ok(())
    }

    /// What forking a run would come to.
    ///
    /// # Errors
    /// See [`OperateError`]; code of this engine that would not go on from there is one of them.
    pub async fn preview_fork(&self, ask: &ForkAsk) -> Result<Forked, OperateError> {
        forking::preview(&self.shared, &self.operator, ask).await
    }

    /// Begins a new run with the results of another before a step; resolves once it is durable.
    ///
    /// # Errors
    /// As [`Engine::preview_fork`], and the store cannot be written.
    pub async fn fork(&self, ask: &ForkAsk) -> Result<Forked, OperateError> {
        forking::fork(&self.shared, &self.operator, ask).await
    }

    /// Asks for a run to be released from quarantine or from a pause; resolves once the request is
    /// durable.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn resume(&self, run: RunId) -> Result<(), OperateError> {
        let operator = self.operator.clone();
        self.ask(run, async move { operator.resume(run).await })
            .await
    }

    /// Leaves a request and wakes the run; goes on when the caller goes away, so that a request
    /// that is durable is also heard.
    async fn ask(
        &self,
        run: RunId,
        leave: impl Future<Output = Result<(), OperateError>> + Send + 'static,
    ) -> Result<(), OperateError> {
        let shared = Arc::clone(&self.shared);
        let asking = tokio::spawn(async move {
            let left = leave.await;
            if let (Err(_), Some(why)) = (&left, shared.store.failure()) {
                // Nobody else may be writing who would hear of it.
                shared.fail(&CommitError::Failed { why });
            }
            left?;
            shared.wake(run, Wake::Request(run));
            Ok(())
        });
        asking.await.unwrap_or_else(|error| {
            Err(OperateError::NotStored {
                run,
                why: error.to_string(),
            })
        })
    }

    /// How the engine is.
    #[must_use]
    pub fn health(&self) -> Health {
        let failure = self
            .shared
            .failure
            .borrow()
            .as_ref()
            .map(ToString::to_string);
        let draining = *self.shared.phase.borrow() != Phase::Open;
        Health {
            ready: failure.is_none() && !draining,
            draining,
            failure,
            ready_runs: self.shared.ready(),
            driven_runs: self.shared.driven.load(Ordering::Relaxed),
            pressure: self.shared.store.pressure(),
        }
    }

    /// Resolves with the reason when the store has stopped writing. The process should then exit
    /// and be started again: only a fresh opening may say what became durable.
    pub async fn failed(&self) -> CommitError {
        let mut failure = self.shared.failure.subscribe();
        let found = failure.wait_for(Option::is_some).await;
        match found.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops intake and new bodies, lets bodies in flight end for up to `limit`, then drops what
    /// is left: those runs go on at the next start. The store is the caller's to close.
    pub async fn drain(&self, limit: Duration) -> Drained {
        self.advance(Phase::Draining);
        let mut gone = self.shards_gone.clone();
        let all_gone = async { while gone.changed().await.is_ok() {} };
        if tokio::time::timeout(limit, all_gone).await.is_ok() {
            self.shared.end_waits();
            return Drained { parked: 0 };
        }
        let parked = self.shared.driven.load(Ordering::Relaxed);
        self.advance(Phase::Letting);
        let mut gone = self.shards_gone.clone();
        let all_gone = async { while gone.changed().await.is_ok() {} };
        // Code that blocks its thread cannot be dropped; the process ends without it.
        if tokio::time::timeout(Duration::from_secs(5), all_gone)
            .await
            .is_err()
        {
            tracing::warn!("a shard is blocked and is left behind");
        }
        self.shared.end_waits();
        Drained { parked }
    }

    fn advance(&self, to: Phase) {
        self.shared.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            *phase = to.max(*phase);
            forward
        });
    }
}

fn gone() -> SendError {
    SendError::Unavailable {
        why: "engine ended before the run did".to_owned(),
    }
}

fn start_shards(shared: &Arc<Shared>) -> io::Result<watch::Receiver<()>> {
    let (alive, gone) = watch::channel(());
    let alive = Arc::new(alive);
    let count = match shared.options.placement {
        Placement::Threads(count) | Placement::Local(count) => count.max(1),
    };
    let mut senders = Vec::with_capacity(count);
    for number in 0..count {
        let (sender, wakes) = mpsc::unbounded_channel();
        senders.push(sender);
        let (shared, alive) = (Arc::clone(shared), Arc::clone(&alive));
        match shared.options.placement {
            Placement::Local(_) => {
                tokio::task::spawn_local(async move {
                    shard(shared, wakes).await;
                    drop(alive);
                });
            }
            Placement::Threads(_) => {
                let runtime = tokio::runtime::Handle::current();
                let name = format!("shard-{number}");
                std::thread::Builder::new().name(name).spawn(move || {
                    let local = tokio::task::LocalSet::new();
                    runtime.block_on(local.run_until(shard(shared, wakes)));
                    // Futures still in flight are dropped here, with the runtime at hand.
                    let _inside = runtime.enter();
                    drop(local);
                    drop(alive);
                })?;
            }
        }
    }
    // Set once, here; a second set cannot happen and would change nothing.
    drop(shared.shards.set(senders));
    Ok(gone)
}

/// Hands out events for as long as the engine is open.
async fn deliver_until_drained(
    shared: Arc<Shared>,
    coming: mpsc::UnboundedReceiver<(EventOrder, DeliveryRow)>,
) {
    let mut phase = shared.phase.subscribe();
    tokio::select! {
        biased;
        () = deliver_events(Arc::clone(&shared), coming) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

/// Watches the agenda for as long as the engine is open.
async fn watch_until_drained(shared: Arc<Shared>, woken: Timestamp) {
    let mut phase = shared.phase.subscribe();
    tokio::select! {
        biased;
        () = recovery::watch_agenda(Arc::clone(&shared), woken) => {}
        () = watch_store(&shared) => {}
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
    }
}

/// How often a store nobody writes to is asked whether it still can be written.
const LOOK_AT_STORE_EVERY: Duration = Duration::from_secs(1);

/// Ends when the store has stopped writing behind everybody's back: settling may fail while no
/// commit is under way to hear of it.
async fn watch_store(shared: &Shared) {
    if !shared.clock.is_wall() {
        // A store on a virtual clock settles nothing behind anybody's back.
        return std::future::pending().await;
    }
    while shared.store.failure().is_none() {
        tokio::time::sleep(LOOK_AT_STORE_EVERY).await;
    }
    // The store says itself what it would tell a commit.
    let nothing = Commit {
        fence: shared.store.fence(),
        seen: Seen::OWNER,
        appends: Vec::new(),
        changes: Vec::new(),
    };
    if let Err(error) = shared.store.commit(nothing).await {
        shared.fail(&error);
    }
}
