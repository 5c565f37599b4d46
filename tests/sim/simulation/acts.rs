//! Clients of the engine: what they ask, and what they write down of the answers.

use std::time::Duration;

use stepwell::{Event as _, RunRef, StartOptions};
use stepwell_core::{EntryBody, EventId, Payload, RunId};
use stepwell_engine::{Engine, NewEvent};
use stepwell_store::{InboxRow, Store as _};

use super::interpreter::{Fact, Go, NAME, key_name};
use super::plan::{Act, Whom};
use super::program::SIGNAL;
use super::world::{Acknowledged, World};

/// An event under an id of its own.
pub(super) fn event(id: &str, name: &str, data: &impl serde::Serialize) -> NewEvent {
    NewEvent {
        id: Some(id.to_owned()),
        name: name.to_owned(),
        data: Payload::from_json(serde_json::to_string(data).unwrap()),
        user: None,
        v: None,
        ts: None,
    }
}

/// The event of the first start under a key.
pub(super) fn start_event(key: u64) -> EventId {
    EventId::derived(&format!("stepwell/start/{NAME}/0/{}", key_name(key)))
}

impl Act {
    /// The ids of the events it sends.
    pub(super) fn events(&self) -> Vec<EventId> {
        match self {
            Self::Go(starts) => {
                let ids = starts.iter().map(|(id, _)| format!("go-{id}"));
                ids.map(EventId::new).collect()
            }
            Self::Tell { id, .. } => vec![EventId::new(format!("tell-{id}"))],
            Self::Start { key, .. } => vec![start_event(*key)],
            Self::Signal { .. } | Self::Cancel(_) | Self::Kill(_) => Vec::new(),
        }
    }

    /// Whether doing it again changes nothing once it was done.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::Go(_) | Self::Tell { .. } | Self::Start { .. } => true,
            Self::Signal { .. } | Self::Cancel(_) | Self::Kill(_) => false,
        }
    }
}

impl Whom {
    fn event(self) -> EventId {
        match self {
            Self::Event(id) => EventId::new(format!("go-{id}")),
            Self::Key(key) => start_event(key),
        }
    }

    /// The run, once it is durable.
    pub(super) fn run(self, world: &World) -> Option<RunId> {
        let row = world.memory().event(&self.event()).unwrap()?;
        row.runs.first().copied()
    }
}

/// Does `act` and writes down what was acknowledged. Whether there was an answer that settles it.
pub(super) async fn perform(engine: &Engine, world: &World, act: &Act) -> bool {
    world.say(|| format!("client: {act:?}"));
    let settled = ask(engine, world, act).await;
    if let Err(why) = &settled {
        world.say(|| format!("no answer to {act:?}: {why}"));
    }
    settled.is_ok()
}

async fn ask(engine: &Engine, world: &World, act: &Act) -> Result<(), String> {
    let memory = world.memory();
    match act {
        Act::Go(starts) => {
            let events = starts.iter().map(|(id, program)| {
                let go = Go { program: *program };
                event(&format!("go-{id}"), Go::NAME, &go)
            });
            publish(engine, world, events.collect()).await
        }
        Act::Tell { id, key, amount } => {
            let (key, amount) = (key_name(*key), *amount);
            let fact = event(&format!("tell-{id}"), Fact::NAME, &Fact { key, amount });
            publish(engine, world, vec![fact]).await
        }
        Act::Start {
            key,
            program,
            terms,
        } => {
            let go = serde_json::to_string(&Go { program: *program }).unwrap();
            let options = StartOptions {
                key: Some(key_name(*key)),
                delay: terms.delay.map(Duration::from_millis),
                start_within: terms.start_within.map(Duration::from_millis),
                finish_within: terms.finish_within.map(Duration::from_millis),
                ..StartOptions::default()
            };
            let started = engine
                .start_run(NAME, Payload::from_json(go), options)
                .await;
            let run = started.map_err(|error| error.to_string())?.run;
            let stored = !memory.journal(run).unwrap().is_empty();
            world.answered(Acknowledged::Start(start_event(*key), run), stored);
            Ok(())
        }
        Act::Signal { to, number } => {
            let Some(run) = to.run(world) else {
                return Ok(());
            };
            signal(engine, world, run, *number).await
        }
        Act::Cancel(to) => {
            let Some(run) = to.run(world) else {
                return Ok(());
            };
            world.asks_to_end(run);
            let cancelled = engine.cancel(run, "by a client").await;
            cancelled.map_err(|error| error.to_string())?;
            let stored = is_asked_to_end(world, run);
            world.answered(Acknowledged::Cancel(run), stored);
            Ok(())
        }
        Act::Kill(to) => {
            let Some(run) = to.run(world) else {
                return Ok(());
            };
            world.asks_to_end(run);
            let killed = engine.kill(run, "by a client").await;
            killed.map_err(|error| error.to_string())?;
            let stored = is_asked_to_end(world, run);
            world.answered(Acknowledged::Kill(run), stored);
            Ok(())
        }
    }
}

/// Publishes `events`, and writes down that they were acknowledged.
pub(super) async fn publish(
    engine: &Engine,
    world: &World,
    events: Vec<NewEvent>,
) -> Result<(), String> {
    let ids = engine
        .publish(events)
        .await
        .map_err(|error| error.to_string())?;
    for id in ids {
        let stored = world.memory().event(&id).unwrap().is_some();
        world.answered(Acknowledged::Event(id), stored);
    }
    Ok(())
}

/// Signals a run, and writes down that it was acknowledged.
pub(super) async fn signal(
    engine: &Engine,
    world: &World,
    run: RunId,
    number: u64,
) -> Result<(), String> {
    let data = Payload::from_json(number.to_string());
    let sent = engine.signal(RunRef::Id(run), SIGNAL.to_owned(), data.clone());
    let run = sent.await.map_err(|error| error.to_string())?;
    let memory = world.memory();
    let waits = memory
        .inbox(run)
        .unwrap()
        .into_iter()
        .any(|(_, row)| match row {
            InboxRow::Signal { data: left, .. } => left == data,
            _ => false,
        });
    let taken = memory
        .journal(run)
        .unwrap()
        .iter()
        .any(|entry| match &entry.body {
            EntryBody::SignalReceived(fields) => fields.data == data,
            _ => false,
        });
    let ended = memory
        .head(run)
        .unwrap()
        .is_some_and(|head| head.ended_at.is_some());
    world.answered(Acknowledged::Signal(run, number), waits || taken || ended);
    Ok(())
}

/// Whether the run has ended, or what is stored says that it is to.
fn is_asked_to_end(world: &World, run: RunId) -> bool {
    let memory = world.memory();
    let inbox = memory.inbox(run).unwrap();
    let left = inbox
        .iter()
        .any(|(_, row)| matches!(row, InboxRow::Cancel { .. } | InboxRow::Kill { .. }));
    let journal = memory.journal(run).unwrap();
    let taken = journal.iter().any(|entry| {
        matches!(
            entry.body,
            EntryBody::CancelRequested(_) | EntryBody::RunKilled(_)
        )
    });
    let head = memory.head(run).unwrap();
    left || taken || head.is_some_and(|head| head.ended_at.is_some())
}
