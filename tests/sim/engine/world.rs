//! One engine on a paused clock, and a shop whose bodies count how often they were called.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepwell::{Attempt, Error, Payload, Registry, Step, Workflow, WorkflowFuture};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{Entry, EntryBody, RunId, Timestamp};
use stepwell_engine::{Clock, Engine, NewEvent, Options, Placement, RunView};
use stepwell_store::Store;

/// The instant at which every test begins: 2026-01-01T00:00:00Z.
pub(crate) const BEGIN: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// Runs `test` on a paused runtime with a `LocalSet`, where waiting takes no time.
pub(crate) fn paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        CLOCK.set(Some(Clock::virtual_from(BEGIN)));
        test.await;
    }));
}

thread_local! {
    /// The clock of the test on this thread: engines opened one after another share it.
    static CLOCK: std::cell::Cell<Option<Clock>> = const { std::cell::Cell::new(None) };
}

/// The clock of the test on this thread.
pub(crate) fn clock() -> Clock {
    CLOCK.get().expect("the test runs inside `paused`")
}

/// How often each body was called, by step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<BTreeMap<String, u32>>>);

impl Calls {
    /// Notes a call and says which it is, from 1.
    pub(crate) fn note(&self, step: &str) -> u32 {
        let mut calls = self.0.lock().unwrap();
        let count = calls.entry(step.to_owned()).or_insert(0);
        *count += 1;
        *count
    }

    pub(crate) fn of(&self, step: &str) -> u32 {
        self.0.lock().unwrap().get(step).copied().unwrap_or(0)
    }
}

/// A workflow named `shop`, started by `shop/asked`, made of a closure.
pub(crate) struct Shop<F>(pub(crate) F);

impl<F> Workflow for Shop<F>
where
    F: AsyncFn(&mut Step) -> Result<u32, Error> + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "shop"
    }

    fn trigger(&self) -> Option<&'static str> {
        Some("shop/asked")
    }

    fn run<'a>(&'a self, step: &'a mut Step, _input: Payload) -> WorkflowFuture<'a> {
        Box::pin(async move {
            let output = (self.0)(step).await?;
            Ok(Payload::from_json(output.to_string()))
        })
    }
}

/// A registry with `code` as its one workflow.
pub(crate) fn shop<F>(code: F) -> Registry
where
    F: AsyncFn(&mut Step) -> Result<u32, Error> + Send + Sync + 'static,
{
    Registry::new().with(Shop(code))
}

/// Three steps that count their calls.
pub(crate) fn three_steps(calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        let mut sum = 0;
        for name in ["one", "two", "three"] {
            let calls = &calls;
            let body = async |_: &Attempt| {
                calls.note(name);
                Ok(1_u32)
            };
            sum += step.run(name, body).await?;
        }
        Ok(sum)
    })
}

pub(crate) fn options() -> Options {
    Options {
        placement: Placement::Local(2),
        ..Options::default()
    }
}

pub(crate) async fn engine_with(store: impl Store, registry: Registry, options: Options) -> Engine {
    engine_over(Arc::new(store), registry, options).await
}

/// An engine over a store that the test keeps a hand on.
pub(crate) async fn engine_over(
    store: Arc<dyn Store>,
    registry: Registry,
    options: Options,
) -> Engine {
    Engine::start(store, registry, clock(), options)
        .await
        .unwrap()
}

pub(crate) async fn engine(store: impl Store, registry: Registry) -> Engine {
    engine_with(store, registry, options()).await
}

pub(crate) fn asked(id: Option<&str>) -> NewEvent {
    NewEvent {
        id: id.map(str::to_owned),
        name: "shop/asked".to_owned(),
        data: Payload::from_json("{}"),
        user: None,
        v: None,
        ts: None,
    }
}

/// The one run of an event that was accepted under `id`.
pub(crate) async fn run_of(engine: &Engine, id: &str) -> RunId {
    let event = stepwell::EventId::new(id);
    let runs = engine
        .operator()
        .runs_of_event(event)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(runs.len(), 1, "event {id} has {} runs", runs.len());
    runs[0].head.run
}

/// Sends `shop/asked` under the id `ask` and waits for its run's end.
pub(crate) async fn finish(engine: &Engine) -> (RunId, Outcome) {
    let mut ended = engine.execute(asked(Some("ask"))).await.unwrap();
    assert_eq!(ended.len(), 1);
    ended.remove(0)
}

/// Sends `shop/asked` under the id `ask` and does not wait.
pub(crate) async fn begin(engine: &Engine) -> RunId {
    engine.publish(vec![asked(Some("ask"))]).await.unwrap();
    run_of(engine, "ask").await
}

/// Looks every virtual second until the run is as `wanted`; fails after a virtual day.
pub(crate) async fn until(
    engine: &Engine,
    run: RunId,
    wanted: impl Fn(&RunView) -> bool,
) -> RunView {
    let watch = async {
        loop {
            let view = engine.operator().run(run).await.unwrap().unwrap();
            if wanted(&view) {
                return view;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(86_400), watch)
        .await
        .expect("run never got there")
}

pub(crate) async fn until_status(engine: &Engine, run: RunId, status: RunStatus) -> RunView {
    until(engine, run, |view| view.head.status == status).await
}

pub(crate) async fn journal(engine: &Engine, run: RunId) -> Vec<Entry> {
    engine
        .operator()
        .journal(run)
        .await
        .unwrap()
        .unwrap()
        .entries
}

/// A journal in words: one per entry, with step and attempt where it has them.
pub(crate) async fn told(engine: &Engine, run: RunId) -> Vec<String> {
    in_words(&journal(engine, run).await)
}

pub(crate) fn in_words(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| word(&entry.body)).collect()
}

fn word(body: &EntryBody) -> String {
    match body {
        EntryBody::RunStarted(_) => "started".to_owned(),
        EntryBody::StepSucceeded(fields) => format!("{} ok {}", fields.step, fields.attempt),
        EntryBody::StepFailed(fields) => {
            let last = if fields.retry_at.is_none() {
                " for good"
            } else {
                ""
            };
            format!("{} failed {}{last}", fields.step, fields.attempt)
        }
        EntryBody::Recovered(fields) => {
            let alone = if fields.alone { " alone" } else { "" };
            match &fields.step {
                Some((step, _)) => format!("{step} recovered {}{alone}", fields.attempt),
                None => format!("code recovered{alone}"),
            }
        }
        EntryBody::AttemptFailed(fields) => format!("code failed {}", fields.attempt),
        EntryBody::CancelRequested(_) => "cancel requested".to_owned(),
        EntryBody::RunCompleted(_) => "completed".to_owned(),
        EntryBody::RunFailed(_) => "failed".to_owned(),
        EntryBody::RunCancelled => "cancelled".to_owned(),
        EntryBody::Quarantined(_) => "quarantined".to_owned(),
        EntryBody::Resumed => "resumed".to_owned(),
        EntryBody::WaitStarted(fields) => format!("{} waits", fields.step),
        EntryBody::WaitTimedOut(fields) => format!("{} timed out", fields.step),
        EntryBody::EventOffered(fields) => format!("{} offered {}", fields.step, fields.event),
        EntryBody::EventReceived(fields) => format!("{} received {}", fields.step, fields.event),
        EntryBody::EventRejected(fields) => format!("{} rejected {}", fields.step, fields.event),
        EntryBody::SignalReceived(fields) => format!("signal {}", fields.name),
        EntryBody::ChildStarted(fields) => format!("{} starts a run", fields.step),
        EntryBody::ForkStarted(fields) => format!("{} forks {}", fields.step, fields.branches),
        EntryBody::BranchEnded(fields) => format!("{}/{} ended", fields.fork, fields.branch),
        EntryBody::UndoStarted(fields) => format!("{} undoes", fields.scope),
        EntryBody::RunContinued(_) => "continued".to_owned(),
        EntryBody::RunKilled(_) => "killed".to_owned(),
        EntryBody::Patched(fields) => format!("patched {}", fields.patch),
        EntryBody::Paused(_) => "paused".to_owned(),
        EntryBody::Retried(fields) => {
            let steps = fields.steps.iter().map(|step| format!(" {step}"));
            format!("retried{}", steps.collect::<String>())
        }
    }
}
