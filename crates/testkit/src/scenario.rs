//! [`Scenario`]: what happens to workflows and the world outside, so that it can be made to happen
//! again with a crash somewhere, or in another order.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepwell::{Error, Event, Payload, Registry, RunId, StartOptions, Timestamp, TypedWorkflow};
use stepwell_core::run::Outcome;
use stepwell_engine::Options;

use crate::fakes::Fakes;
use crate::journal::Journal;
use crate::kit::Settings;
use crate::world::{World, WorldError, encoded};

type Made<O> = LocalBoxFuture<'static, Result<O, Error>>;
type Checked<'a> = LocalBoxFuture<'a, Result<(), Error>>;
type Script<O> = dyn for<'a> Fn(&'a World, &'a O) -> Checked<'a>;
type Invariant<O> = dyn for<'a> Fn(&'a O, &'a End) -> Checked<'a>;
type Forget = dyn Fn(&mut Value);

/// A world outside, the workflows that act on it, and what happens.
///
/// `O` is what lies outside of the engine: databases and services, fake or real. Every pass over the
/// scenario makes it anew, and it outlives every crash of the pass.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use stepwell::{Attempt, Error, Registry, Step, workflow};
/// use stepwell_testkit::{Scenario, crash_everywhere, ensure};
///
/// #[derive(Clone, Default)]
/// struct Outbox(Arc<Mutex<std::collections::BTreeMap<String, String>>>);
///
/// #[workflow]
/// async fn greet(step: &mut Step, name: String) -> Result<(), Error> {
///     let outbox = step.get::<Outbox>();
///     step.run("send", async |attempt: &Attempt| {
///         // The same key again is the same letter.
///         let key = attempt.idempotency_key().to_owned();
///         outbox.0.lock().unwrap().insert(key, format!("hello {name}"));
///         Ok(())
///     })
///     .await?;
///     Ok(())
/// }
///
/// let scenario = Scenario::new(
///     async || Ok(Outbox::default()),
///     |outbox| Registry::new().with(greet).provide(outbox.clone()),
/// )
/// .start(&greet, &"Ada".to_owned())
/// .invariant("one letter", async |outbox, _end| {
///     let letters = outbox.0.lock().unwrap().len();
///     ensure(letters == 1, format_args!("{letters} letters"))
/// });
/// let survived = crash_everywhere(&scenario)?;
/// assert_eq!(survived.writes, 3);
/// # Ok::<(), stepwell_testkit::Broken>(())
/// ```
pub struct Scenario<O> {
    pub(crate) outside: Box<dyn Fn() -> Made<O>>,
    pub(crate) registry: Box<dyn Fn(&O) -> Registry>,
    pub(crate) fakes: Box<dyn Fn(&O) -> Fakes>,
    pub(crate) acts: Vec<Act<O>>,
    /// What `shuffle` delivers in any order, and everybody else in this one, after the acts.
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) invariants: Vec<(String, Box<Invariant<O>>)>,
    pub(crate) forgotten: Vec<Box<Forget>>,
    pub(crate) settings: Settings,
    /// What cannot be sent at all.
    pub(crate) wrong: Option<WorldError>,
}

/// One thing that happens, in its place.
pub(crate) enum Act<O> {
    Start { workflow: String, input: Payload },
    Send { name: &'static str, data: Payload },
    Script(Box<Script<O>>),
}

/// An event whose place among others is not fixed.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) data: Payload,
}

/// How a pass over a scenario ended.
#[derive(Debug, Clone)]
pub struct End {
    pub(crate) ended: Vec<Ended>,
    pub(crate) journals: Vec<Journal>,
}

/// A run that the scenario started itself, and how it ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What it is called in every pass: how it was started, and its workflow.
    pub name: String,
    /// The run; another in every pass.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
}

impl End {
    /// The runs that the scenario started itself, in the order it did.
    #[must_use]
    pub fn runs(&self) -> &[Ended] {
        &self.ended
    }

    /// The journals of all runs, oldest first, those started by others included.
    #[must_use]
    pub fn journals(&self) -> &[Journal] {
        &self.journals
    }

    /// What the first run returned; `None` when it did not complete, or returned something else.
    #[must_use]
    pub fn output<T: DeserializeOwned>(&self) -> Option<T> {
        self.outputs().into_iter().next().flatten()
    }

    /// What each run returned, in the order of [`End::runs`].
    #[must_use]
    pub fn outputs<T: DeserializeOwned>(&self) -> Vec<Option<T>> {
        let outputs = self.ended.iter().map(|ended| match &ended.outcome {
            Outcome::Completed(output) => serde_json::from_str(output.as_json()).ok(),
            Outcome::Failed(_) | Outcome::Cancelled | Outcome::Continued(_) => None,
        });
        outputs.collect()
    }
}

impl<O> fmt::Debug for Scenario<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("acts", &self.acts.len())
            .field("arrivals", &self.arrivals)
            .finish_non_exhaustive()
    }
}

impl<O: 'static> Scenario<O> {
    /// A scenario in which nothing happens yet, over what `outside` makes and the workflows that
    /// `registry` registers for it.
    pub fn new(
        outside: impl AsyncFn() -> Result<O, Error> + 'static,
        registry: impl Fn(&O) -> Registry + 'static,
    ) -> Self {
        let outside = Rc::new(outside);
        Self {
            outside: Box::new(move || {
                let outside = Rc::clone(&outside);
                Box::pin(async move { outside().await })
            }),
            registry: Box::new(registry),
            fakes: Box::new(|_| Fakes::new()),
            acts: Vec::new(),
            arrivals: Vec::new(),
            invariants: Vec::new(),
            forgotten: Vec::new(),
            settings: Settings::default(),
            wrong: None,
        }
    }

    /// Then a run is started.
    #[must_use]
    pub fn start<W: TypedWorkflow>(mut self, workflow: &W, input: &W::Input) -> Self {
        let workflow = workflow.name().to_owned();
        match encoded("input", input) {
            Ok(input) => self.acts.push(Act::Start { workflow, input }),
            Err(wrong) => self.wrong = Some(wrong),
        }
        self
    }

    /// Then an event is sent.
    #[must_use]
    pub fn send<E: Event>(mut self, event: &E) -> Self {
        match encoded("event", event) {
            Ok(data) => self.acts.push(Act::Send {
                name: E::NAME,
                data,
            }),
            Err(wrong) => self.wrong = Some(wrong),
        }
        self
    }

    /// Then `script` acts. After a crash it is run again from its beginning: starts and events are
    /// numbered and change nothing the second time, what it does itself must bear repeating.
    #[must_use]
    pub fn act(mut self, script: impl AsyncFn(&World, &O) -> Result<(), Error> + 'static) -> Self {
        let script = Rc::new(script);
        let script: Box<Script<O>> = Box::new(move |world, outside| {
            let script = Rc::clone(&script);
            Box::pin(async move { script(world, outside).await })
        });
        self.acts.push(Act::Script(script));
        self
    }

    /// After all of that an event arrives, and its place among the others that arrive so is nobody's
    /// to choose: [`shuffle`](crate::shuffle) delivers them in other orders, and more than once.
    #[must_use]
    pub fn arrives<E: Event>(self, event: &E) -> Self {
        let id = format!("arrival-{}", self.arrivals.len() + 1);
        self.arrives_as(&id, event)
    }

    /// The same under an id of the sender's.
    #[must_use]
    pub fn arrives_as<E: Event>(mut self, id: &str, event: &E) -> Self {
        match encoded("event", event) {
            Ok(data) => self.arrivals.push(Arrival {
                id: id.to_owned(),
                name: E::NAME,
                data,
            }),
            Err(wrong) => self.wrong = Some(wrong),
        }
        self
    }

    /// What must hold once everything has ended, in the world outside and of what came out.
    #[must_use]
    pub fn invariant(
        mut self,
        name: &str,
        holds: impl AsyncFn(&O, &End) -> Result<(), Error> + 'static,
    ) -> Self {
        let holds = Rc::new(holds);
        let holds: Box<Invariant<O>> = Box::new(move |outside, end| {
            let holds = Rc::clone(&holds);
            Box::pin(async move { holds(outside, end).await })
        });
        self.invariants.push((name.to_owned(), holds));
        self
    }

    /// Takes out of every output what differs from pass to pass by its nature, such as an instant of
    /// the wall clock, before outputs are compared. Ids of the scenario's own runs need not be.
    #[must_use]
    pub fn forget(mut self, forget: impl Fn(&mut Value) + 'static) -> Self {
        self.forgotten.push(Box::new(forget));
        self
    }

    /// Fakes in the place of step bodies, made anew for each pass.
    #[must_use]
    pub fn fakes(mut self, fakes: impl Fn(&O) -> Fakes + 'static) -> Self {
        self.fakes = Box::new(fakes);
        self
    }

    /// See [`Kit::begin_at`](crate::Kit::begin_at).
    #[must_use]
    pub fn begin_at(mut self, begin: Timestamp) -> Self {
        self.settings.begin = begin;
        self
    }

    /// See [`Kit::seed`](crate::Kit::seed).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// See [`Kit::patience`](crate::Kit::patience).
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// See [`Kit::self_contained`](crate::Kit::self_contained).
    #[must_use]
    pub fn self_contained(mut self) -> Self {
        self.settings.self_contained = true;
        self
    }

    /// See [`Kit::engine_options`](crate::Kit::engine_options).
    #[must_use]
    pub fn engine_options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.settings.options);
        self
    }
}

impl<O> Act<O> {
    /// Does it; which runs it started, with what they are called in every pass.
    pub(crate) async fn happen(
        &self,
        world: &World,
        outside: &O,
    ) -> Result<Vec<(String, RunId)>, Error> {
        match self {
            Self::Start { workflow, input } => {
                let (input, options) = (input.clone(), StartOptions::default());
                let run = world.start_named(workflow, input, options).await?;
                let name = format!("the run of {workflow} by start-{}", world.starts());
                Ok(vec![(name, run)])
            }
            Self::Send { name, data } => {
                let id = world.next_event_id();
                let event = world.send_named(&id, name, data.clone()).await?;
                named_runs(world, &event).await
            }
            Self::Script(script) => {
                script(world, outside).await?;
                Ok(Vec::new())
            }
        }
    }
}

/// The runs an event started, called by event and workflow.
pub(crate) async fn named_runs(
    world: &World,
    event: &stepwell::EventId,
) -> Result<Vec<(String, RunId)>, Error> {
    let runs = world.runs_of(event).await?;
    let named = runs
        .into_iter()
        .map(|(workflow, run)| (format!("the run of {workflow} by {event}"), run));
    Ok(named.collect())
}
