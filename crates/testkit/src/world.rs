//! [`World`]: an engine under test, and what a test does to it and sees of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell::{
    Client, Event, EventId, Registry, RunId, SendError, StartOptions, Timestamp, TypedWorkflow,
};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{Payload, WorkflowName};
use stepwell_engine::{Engine, NewEvent, OperateError, Options, Placement, StartError};
use stepwell_store::{RunFilter, Store};

use crate::fakes::{Call, Seen};
use crate::in_words::{instant, length};
use crate::journal::Journal;
use crate::kit::{Settings, Stage, within};
use crate::memory::MemoryStore;

/// Why something a test asked of its world did not come about.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The engine cannot be opened.
    #[error(transparent)]
    Open(#[from] StartError),
    /// There is no place for the marks of attempts in flight.
    #[error("no temporary folder for marks: {0}")]
    Marks(std::io::Error),
    /// What was sent is refused, or the engine is gone.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A run cannot be looked at or asked.
    #[error(transparent)]
    Operate(#[from] OperateError),
    /// A journal cannot be exported.
    #[error(transparent)]
    Export(#[from] stepwell_engine::NotExported),
    /// An input or event has no JSON.
    #[error("{what} does not serialise: {source}")]
    Encode {
        /// What was to be sent.
        what: &'static str,
        /// What serde says.
        source: serde_json::Error,
    },
    /// A run ended otherwise than with an output.
    #[error("expected run {run} to complete, but {how}\n{journal}")]
    NotCompleted {
        /// The run.
        run: RunId,
        /// How it ended instead.
        how: String,
        /// Its journal.
        journal: Box<Journal>,
    },
    /// The output of a run is not what its workflow returns.
    #[error("output of run {run} cannot be read: {source}")]
    Output {
        /// The run.
        run: RunId,
        /// What serde says.
        source: serde_json::Error,
    },
    /// A run goes on for ever, or waits for what never comes.
    #[error("expected run {run} to end within {}: make happen what it waits for\n{journal}", length(*.patience))]
    NeverEnded {
        /// The run.
        run: RunId,
        /// The virtual time it was given.
        patience: Duration,
        /// Its journal.
        journal: Box<Journal>,
    },
    /// Nothing more happens to a run by itself: it is quarantined or paused.
    #[error(
        "expected run {run} to end, but it is {status}: correct its code, or resume it\n{journal}"
    )]
    Held {
        /// The run.
        run: RunId,
        /// How it stands.
        status: RunStatus,
        /// Its journal.
        journal: Box<Journal>,
    },
    /// An event started another number of runs of a workflow than one.
    #[error("expected event {event} to have started one run of {workflow}, it started {found}")]
    NotOneRun {
        /// The event.
        event: EventId,
        /// The workflow.
        workflow: String,
        /// How many it started.
        found: usize,
    },
}

/// How soon a run that does not end is looked at first.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// A run of a workflow known to the compiler: its output has a type.
pub struct Run<W> {
    id: RunId,
    workflow: PhantomData<fn() -> W>,
}

impl<W> Run<W> {
    /// Its id.
    #[must_use]
    pub fn id(self) -> RunId {
        self.id
    }

    fn of(id: RunId) -> Self {
        let workflow = PhantomData;
        Self { id, workflow }
    }
}

impl<W> Clone for Run<W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Run<W> {}

impl<W> fmt::Debug for Run<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({})", self.id)
    }
}

impl<W> From<Run<W>> for RunId {
    fn from(run: Run<W>) -> Self {
        run.id
    }
}

impl<W> From<Run<W>> for stepwell::RunRef {
    fn from(run: Run<W>) -> Self {
        Self::Id(run.id)
    }
}

/// An engine under test. Its starts and events are numbered: code that does the same again, after a
/// crash, starts no second run and sends no second event.
///
/// Time stands still between two waits; [`World::output`], [`World::outcome`], [`World::advance`]
/// and [`World::until`] let it pass.
pub struct World {
    engine: RefCell<Engine>,
    /// What is durable, whatever stands before it.
    memory: RefCell<MemoryStore>,
    registry: Registry,
    stage: Stage,
    settings: Settings,
    starts: Cell<u32>,
    events: Cell<u32>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World at {}", instant(self.now()))
    }
}

impl World {
    /// Opens an engine over `store`, behind which is `memory`.
    pub(crate) async fn open(
        stage: &Stage,
        settings: &Settings,
        registry: Registry,
        memory: MemoryStore,
        store: Arc<dyn Store>,
    ) -> Result<Self, WorldError> {
        let engine = engine(stage, settings, registry.clone(), store).await?;
        Ok(Self {
            engine: RefCell::new(engine),
            memory: RefCell::new(memory),
            registry,
            stage: stage.clone(),
            settings: settings.clone(),
            starts: Cell::new(0),
            events: Cell::new(0),
        })
    }

    /// Opens another engine on this test's clock, with workflows, a store and numbers of its own: for
    /// systems that talk to each other. Fakes, and the calls they note, are shared. It ends with the
    /// test.
    ///
    /// # Errors
    /// When the engine cannot be opened.
    pub async fn beside(&self, registry: Registry) -> Result<Self, WorldError> {
        let stage = self.stage.beside()?;
        let memory = MemoryStore::new();
        let store = Arc::new(memory.clone());
        Self::open(&stage, &self.settings, registry, memory, store).await
    }

    /// The present instant of this test's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.stage.clock.now()
    }

    /// Starts a run; resolves once it is durable. It is started under a key that is the number of
    /// the start.
    ///
    /// # Errors
    /// When the start is refused, or the engine is gone.
    pub async fn start<W: TypedWorkflow>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<Run<W>, WorldError> {
        self.start_with(workflow, input, StartOptions::default())
            .await
    }

    /// Starts a run on these terms.
    ///
    /// # Errors
    /// When the start is refused, or the engine is gone.
    pub async fn start_with<W: TypedWorkflow>(
        &self,
        workflow: &W,
        input: &W::Input,
        options: StartOptions,
    ) -> Result<Run<W>, WorldError> {
        let input = encoded("input", input)?;
        let run = self.start_named(workflow.name(), input, options).await?;
        Ok(Run::of(run))
    }

    pub(crate) async fn start_named(
        &self,
        workflow: &str,
        input: Payload,
        mut options: StartOptions,
    ) -> Result<RunId, WorldError> {
        let number = next(&self.starts);
        options.key.get_or_insert_with(|| format!("start-{number}"));
        let started = self.engine().start_run(workflow, input, options).await?;
        Ok(started.run)
    }

    /// Sends an event; resolves once it and the runs it starts are durable. Its id is `event-` and
    /// the number of the sending.
    ///
    /// # Errors
    /// When the event is refused, or the engine is gone.
    pub async fn send<E: Event>(&self, event: &E) -> Result<EventId, WorldError> {
        let id = self.next_event_id();
        self.send_as(&id, event).await
    }

    /// How many starts there were since the begin of what is done.
    pub(crate) fn starts(&self) -> u32 {
        self.starts.get()
    }

    pub(crate) fn next_event_id(&self) -> String {
        format!("event-{}", next(&self.events))
    }

    /// Sends an event under an id. The same id again changes nothing.
    ///
    /// # Errors
    /// When the event is refused, or the engine is gone.
    pub async fn send_as<E: Event>(&self, id: &str, event: &E) -> Result<EventId, WorldError> {
        let data = encoded("event", event)?;
        self.send_named(id, E::NAME, data).await
    }

    pub(crate) async fn send_named(
        &self,
        id: &str,
        name: &str,
        data: Payload,
    ) -> Result<EventId, WorldError> {
        let event = NewEvent {
            id: Some(id.to_owned()),
            name: name.to_owned(),
            data,
            user: None,
            v: None,
            ts: None,
        };
        self.engine().publish(vec![event]).await?;
        Ok(EventId::new(id))
    }

    /// The one run of `workflow` that an event started.
    ///
    /// # Errors
    /// When it started none or several, or the store cannot be read.
    pub async fn run_of<W: TypedWorkflow>(
        &self,
        workflow: &W,
        event: &EventId,
    ) -> Result<Run<W>, WorldError> {
        let mut runs = self.runs_of(event).await?;
        runs.retain(|(name, _)| name.as_str() == workflow.name());
        match runs.as_slice() {
            [(_, run)] => Ok(Run::of(*run)),
            several => Err(WorldError::NotOneRun {
                event: event.clone(),
                workflow: workflow.name().to_owned(),
                found: several.len(),
            }),
        }
    }

    /// The runs an event started, with their workflows.
    pub(crate) async fn runs_of(
        &self,
        event: &EventId,
    ) -> Result<Vec<(WorkflowName, RunId)>, WorldError> {
        let runs = self
            .engine()
            .operator()
            .runs_of_event(event.clone())
            .await?;
        let runs = runs.into_iter().flatten();
        Ok(runs.map(|run| (run.head.workflow, run.head.run)).collect())
    }

    /// Signals a run; resolves once the signal is durable. Signals have no ids: the same again is a
    /// second signal.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or the engine is gone.
    pub async fn signal<T: Serialize>(
        &self,
        run: impl Into<RunId>,
        name: &str,
        data: &T,
    ) -> Result<(), WorldError> {
        let data = encoded("data of the signal", data)?;
        let run = stepwell::RunRef::Id(run.into());
        self.engine().signal(run, name.to_owned(), data).await?;
        Ok(())
    }

    /// Asks for a run to be cancelled; resolves once the request is durable.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or the request cannot be stored.
    pub async fn cancel(&self, run: impl Into<RunId>, reason: &str) -> Result<(), WorldError> {
        Ok(self.engine().cancel(run.into(), reason).await?)
    }

    /// Waits for a run to complete, in virtual time; resolves with what its workflow returned.
    ///
    /// # Errors
    /// When it ends otherwise or never, with its journal in words; when the engine is gone.
    pub async fn output<W: TypedWorkflow>(&self, run: Run<W>) -> Result<W::Output, WorldError> {
        let how = match self.outcome(run).await? {
            Outcome::Completed(output) => return decoded(run.id(), &output),
            Outcome::Failed(failure) => format!("it failed: {}", failure.message),
            Outcome::Cancelled => "it was cancelled".to_owned(),
            Outcome::Continued(next) => format!("it goes on as run {next}"),
        };
        let (run, journal) = (run.id(), Box::new(self.journal(run).await?));
        Err(WorldError::NotCompleted { run, how, journal })
    }

    /// Waits for a run to end, in virtual time; resolves with how it did.
    ///
    /// # Errors
    /// When it never ends, with its journal in words; when the engine is gone.
    pub async fn outcome(&self, run: impl Into<RunId>) -> Result<Outcome, WorldError> {
        let run = run.into();
        let engine = self.engine();
        let patience = self.settings.patience;
        let _waiting = self.stage.pace.wait();
        let mut outcome = std::pin::pin!(engine.outcome(run));
        // Looked at now and then: a run that is held never ends, however much time passes.
        let (mut waited, mut wait) = (Duration::ZERO, FIRST_LOOK);
        loop {
            wait = wait.min(patience.saturating_sub(waited));
            if let Some(outcome) = within(wait, outcome.as_mut()).await {
                return Ok(outcome?);
            }
            waited += wait;
            wait *= 2;
            let journal = Box::new(self.journal(run).await?);
            let status = journal.status();
            if matches!(status, RunStatus::Quarantined | RunStatus::Paused) {
                return Err(WorldError::Held {
                    run,
                    status,
                    journal,
                });
            }
            if waited >= patience {
                return Err(WorldError::NeverEnded {
                    run,
                    patience,
                    journal,
                });
            }
        }
    }

    /// Lets so much time pass. What comes due on the way happens, in its order, each at its instant.
    pub async fn advance(&self, time: Duration) {
        let _waiting = self.stage.pace.wait();
        tokio::time::sleep(time).await;
    }

    /// Lets time pass until `instant`, as [`World::advance`] does.
    pub async fn until(&self, instant: Timestamp) {
        self.advance(self.stage.clock.until(instant)).await;
    }

    /// Sets the clock forward by so much at once, also while a body is in flight: its time limit
    /// strikes if it lies on the way.
    pub async fn skip(&self, time: Duration) {
        tokio::time::advance(time).await;
    }

    /// Kills the engine where it stands and opens another over what is durable, as a new start of
    /// the process does.
    ///
    /// # Errors
    /// When the new engine cannot be opened.
    pub async fn crash(&self) -> Result<(), WorldError> {
        self.drop_where_it_stands().await;
        let memory = self.memory.borrow().reopen();
        let store = Arc::new(memory.clone());
        self.memory.replace(memory);
        let registry = self.registry.clone();
        let engine = engine(&self.stage, &self.settings, registry, store).await?;
        self.engine.replace(engine);
        Ok(())
    }

    /// The journal of a run as it stands.
    ///
    /// # Errors
    /// When there is no such run, or its journal cannot be read.
    pub async fn journal(&self, run: impl Into<RunId>) -> Result<Journal, WorldError> {
        let run = run.into();
        let journal = self.engine().operator().journal(run).await?;
        let view = journal.ok_or(OperateError::NoSuchRun(run))?;
        Ok(Journal::new(view))
    }

    /// The journal of a run as `stepwell journal export` writes it, for [`replay`](crate::replay()).
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub async fn export(&self, run: impl Into<RunId>) -> Result<String, WorldError> {
        let exported = self.engine().operator().export(run.into()).await?;
        Ok(exported.to_json()?)
    }

    /// The journals of all runs, oldest first.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn journals(&self) -> Result<Vec<Journal>, WorldError> {
        let operator = self.engine().operator().clone();
        let runs = operator.runs(RunFilter::default(), usize::MAX).await?;
        let mut journals = Vec::with_capacity(runs.len());
        for run in runs.into_iter().rev() {
            journals.push(self.journal(run.head.run).await?);
        }
        Ok(journals)
    }

    /// The calls of bodies of steps of this name or address, oldest first, of fakes and of real ones;
    /// see [`Fakes::calls`](crate::Fakes::calls).
    #[must_use]
    pub fn calls(&self, step: &str) -> Vec<Call> {
        self.settings.fakes.calls(step)
    }

    /// Sends to this engine as code beside it does, such as a product's routes.
    #[must_use]
    pub fn client(&self) -> Client {
        self.engine().client()
    }

    /// The engine itself, for what is not here.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine.borrow().clone()
    }

    /// Ends the engine as a crash does.
    pub(crate) async fn drop_where_it_stands(&self) {
        let _waiting = self.stage.pace.wait();
        self.engine().drain(Duration::ZERO).await;
    }

    /// Shuts the engine down in order.
    pub(crate) async fn close(&self) {
        let _waiting = self.stage.pace.wait();
        self.engine().drain(Duration::from_secs(1)).await;
    }
}

async fn engine(
    stage: &Stage,
    settings: &Settings,
    registry: Registry,
    store: Arc<dyn Store>,
) -> Result<Engine, StartError> {
    let seen = Seen {
        fakes: settings.fakes.clone(),
        pace: Arc::clone(&stage.pace),
    };
    let options = Options {
        placement: Placement::Local(2),
        chance: stage.chance.clone(),
        in_flight: Some(stage.marks.path().join("in-flight")),
        bodies: Some(Arc::new(seen)),
        ..settings.options.clone()
    };
    Engine::start(store, registry, stage.clock, options).await
}

fn next(counter: &Cell<u32>) -> u32 {
    let number = counter.get().saturating_add(1);
    counter.set(number);
    number
}

/// A value as JSON.
pub(crate) fn encoded(what: &'static str, value: &impl Serialize) -> Result<Payload, WorldError> {
    let json = serde_json::to_string(value);
    let json = json.map_err(|source| WorldError::Encode { what, source })?;
    Ok(Payload::from_json(json))
}

fn decoded<T: DeserializeOwned>(run: RunId, output: &Payload) -> Result<T, WorldError> {
    serde_json::from_str(output.as_json()).map_err(|source| WorldError::Output { run, source })
}
