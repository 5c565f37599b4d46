//! Intake: events become durable together with the runs they start, in one commit.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use stepwell::{Intake, OutgoingEvent, RunRef, SendError, StartOptions};
use stepwell_core::limits::{
    EVENT_ID_BYTES, EVENT_NAME_BYTES, EVENTS_PER_REQUEST, RESERVED_EVENT_PREFIX,
};
use stepwell_core::matching::key_text;
use stepwell_core::run::Outcome;
use stepwell_core::{Awaited, EventId, EventOrder, Payload, RunId, Timestamp};
use stepwell_store::{
    Change, Commit, CommitError, DeliveryRow, EventKeyRow, EventRow, ReadError, Seen,
};
use tokio::sync::oneshot;

use crate::calls;
use crate::drive::Fresh;
use crate::event_table::{Places, SharedTicket};
use crate::operator::blocking;
use crate::shard::Wake;
use crate::shared::Shared;
use crate::starting::{Begun, Start, draw, put_together};

/// How often a commit is tried anew after another one got in between.
const TRIES: u32 = 16;

/// Largest sum of payloads in one request, in bytes: what fits one commit of the store.
pub(crate) const REQUEST_BYTES_MAX: usize = 6 * 1024 * 1024;

/// An event on its way in.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Dedupes: the same id starts its runs once. Drawn when absent.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Payload,
    /// What the sender says of the user.
    pub user: Option<Payload>,
    /// The sender's version of the event's shape.
    pub v: Option<String>,
    /// The sender's own instant; kept, never used for order.
    pub ts: Option<Timestamp>,
}

/// An event that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id: the sender's, or the one drawn.
    pub id: EventId,
    /// The runs it started, now or when its id was first accepted.
    pub runs: Vec<RunId>,
}

/// What a commit of events is made of.
pub(crate) struct Prepared {
    pub(crate) commit: Commit,
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) starts: Vec<(RunId, Box<Fresh>)>,
    /// Events that somebody may wait for.
    pub(crate) deliveries: Vec<(EventOrder, DeliveryRow)>,
}

/// Where the outcome of a run that was just started will be told.
pub(crate) type Wait = (RunId, oneshot::Receiver<Outcome>);

/// Accepts all of `events` or none; resolves once they are durable. With `wait`, the outcomes of
/// the runs started here can be waited for.
pub(crate) async fn publish(
    shared: &Arc<Shared>,
    events: Vec<NewEvent>,
    wait: bool,
) -> Result<(Vec<Accepted>, Vec<Wait>), SendError> {
    check(shared, &events)?;
    room(shared)?;
    let events = Arc::new(events);
    let mut settled = false;
    for _ in 0..TRIES {
        let (known, seen) = look(shared, &events, settled).await.map_err(unavailable)?;
        let (landing, accepted) = {
            let mut places = shared.events.lock();
            let mut prepared = Prepared::empty(shared, seen);
            prepared.add_all(shared, &mut places, &events, &known);
            if prepared.commit.changes.is_empty() {
                (None, prepared.accepted)
            } else {
                let accepted = std::mem::take(&mut prepared.accepted);
                (Some(order(shared, places, prepared)), accepted)
            }
        };
        let Some(landing) = landing else {
            // Every event is stored already, and the looks waited for what they rest on.
            if settled {
                return Ok((accepted, Vec::new()));
            }
            settled = true;
            continue;
        };
        match land(shared, landing, wait).await {
            Ok(waits) => return Ok((accepted, waits)),
            // Somebody stored one of these events since the look: look again, this time behind
            // everything durable.
            Err(error) if error.retry() => settled = true,
            Err(error) => return Err(refused(shared, error)),
        }
    }
    Err(SendError::Busy {
        what: "concurrent requests for the same event ids",
        retry_after_s: 1,
    })
}

/// What a commit that failed for good means for whoever asked for it, and for the engine.
pub(crate) fn refused(shared: &Shared, error: CommitError) -> SendError {
    if let CommitError::TooLarge { bytes, limit } = error {
        let why = format!("request of {bytes} bytes is over the limit of {limit} bytes");
        return SendError::Refused { index: 0, why };
    }
    // A full log refuses and goes on; a store that stopped ends the engine.
    if error != CommitError::Full || shared.store.failure().is_some() {
        shared.fail(&error);
    }
    unavailable(error)
}

/// A commit that has its place in the log, and what follows once it is durable.
pub(crate) struct Landing {
    ticket: SharedTicket,
    starts: Vec<(RunId, Box<Fresh>)>,
    deliveries: Vec<(EventOrder, DeliveryRow)>,
}

/// Gives a prepared commit its place, while no other event can take one.
pub(crate) fn order(shared: &Shared, places: Places<'_>, prepared: Prepared) -> Landing {
    let ticket = shared.store.commit(prepared.commit);
    Landing {
        ticket: places.ordered(ticket),
        starts: prepared.starts,
        deliveries: prepared.deliveries,
    }
}

/// Waits for the disk, and starts what the commit started. Goes on when the caller goes away: a
/// run that is durable is driven although nobody waits for the answer any more.
pub(crate) async fn land(
    shared: &Arc<Shared>,
    landing: Landing,
    wait: bool,
) -> Result<Vec<Wait>, CommitError> {
    let shared = Arc::clone(shared);
    let landing = tokio::spawn(async move {
        landing.ticket.await?;
        let mut waits = Vec::new();
        for (run, fresh) in landing.starts {
            if wait {
                // Registered before the run can end.
                waits.push((run, shared.await_end(run)));
            }
            shared.wake(run, Wake::Start(run, fresh));
        }
        shared.deliver(landing.deliveries);
        Ok(waits)
    });
    let unknown = |error: tokio::task::JoinError| CommitError::Unknown {
        why: error.to_string(),
    };
    landing.await.map_err(unknown)?
}

pub(crate) fn unavailable(why: impl ToString) -> SendError {
    SendError::Unavailable {
        why: why.to_string(),
    }
}

/// Refuses while accepting would mean holding more than the engine may.
pub(crate) fn room(shared: &Shared) -> Result<(), SendError> {
    if let Some(error) = shared.failure.borrow().as_ref() {
        return Err(unavailable(error));
    }
    if !shared.open() {
        return Err(SendError::ShuttingDown);
    }
    if shared.ready() >= shared.options.ready_max {
        return Err(SendError::Busy {
            what: "runs ready to go",
            retry_after_s: 1,
        });
    }
    if shared.strained() {
        return Err(SendError::Busy {
            what: "bytes waiting for the disk",
            retry_after_s: 1,
        });
    }
    Ok(())
}

fn check(shared: &Shared, events: &[NewEvent]) -> Result<(), SendError> {
    let refuse = |index: usize, why: String| Err(SendError::Refused { index, why });
    if events.len() > EVENTS_PER_REQUEST {
        let why = format!(
            "{} events are over the limit of {EVENTS_PER_REQUEST}",
            events.len()
        );
        return refuse(EVENTS_PER_REQUEST, why);
    }
    let mut sum = 0_usize;
    for (index, event) in events.iter().enumerate() {
        if let Err(why) = check_one(shared, event) {
            return refuse(index, why);
        }
        sum = sum.saturating_add(event.data.len());
        if sum > REQUEST_BYTES_MAX {
            let why = format!("request carries more than {REQUEST_BYTES_MAX} bytes of data");
            return refuse(index, why);
        }
    }
    Ok(())
}

pub(crate) fn check_one(shared: &Shared, event: &NewEvent) -> Result<(), String> {
    let name = &event.name;
    if name.is_empty() {
        return Err("name is empty".to_owned());
    }
    if name.len() > EVENT_NAME_BYTES {
        return Err(format!(
            "name is over the limit of {EVENT_NAME_BYTES} bytes"
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("name holds a control character".to_owned());
    }
    if name.starts_with(RESERVED_EVENT_PREFIX) {
        return Err(format!(
            "names that begin with {RESERVED_EVENT_PREFIX} are the engine's own"
        ));
    }
    let limit = shared.options.event_bytes_max;
    let user = event.user.as_ref().map_or(0, Payload::len);
    if event.data.len().saturating_add(user) > limit {
        return Err(format!("data is over the limit of {limit} bytes"));
    }
    let Some(id) = &event.id else { return Ok(()) };
    if EventId::is_derived(id) {
        return Err(format!(
            "id {id:?} is of those the engine derives from runs: give one of your own"
        ));
    }
    if id.is_empty() || id.len() > EVENT_ID_BYTES || id.chars().any(char::is_control) {
        return Err(format!(
            "id must have 1 to {EVENT_ID_BYTES} bytes and no control characters; leave it out to \
             have one drawn"
        ));
    }
    Ok(())
}

/// What is stored already of the events, by their place in the request.
///
/// A look behind everything durable (`settled`) is slower and needed only after a conflict.
async fn look(
    shared: &Arc<Shared>,
    events: &Arc<Vec<NewEvent>>,
    settled: bool,
) -> Result<(Vec<Option<EventRow>>, Seen), ReadError> {
    if events.iter().all(|event| event.id.is_none()) {
        return Ok((vec![None; events.len()], Seen::OWNER));
    }
    let (store, events) = (Arc::clone(&shared.store), Arc::clone(events));
    blocking(move || {
        let mut known = vec![None; events.len()];
        let mut oldest = Seen::OWNER;
        for (event, known) in events.iter().zip(&mut known) {
            let Some(id) = &event.id else { continue };
            let id = EventId::new(id.as_str());
            if settled {
                // Waits until everything durable can be seen, so that the look below sees it too.
                store.event(&id)?;
            }
            let (row, seen) = store.look_event(&id)?;
            *known = row;
            oldest = oldest.min(seen);
        }
        Ok((known, oldest))
    })
    .await
}

impl Prepared {
    /// A commit that changes nothing yet and rests on a look of this age.
    pub(crate) fn empty(shared: &Shared, seen: Seen) -> Self {
        Self {
            commit: Commit {
                fence: shared.store.fence(),
                seen,
                appends: Vec::new(),
                changes: Vec::new(),
            },
            accepted: Vec::new(),
            starts: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    fn add_all(
        &mut self,
        shared: &Shared,
        places: &mut Places<'_>,
        events: &[NewEvent],
        known: &[Option<EventRow>],
    ) {
        let now = shared.clock.now();
        let mut here: HashMap<EventId, Vec<RunId>> = HashMap::new();
        for (event, known) in events.iter().zip(known) {
            let id = match &event.id {
                Some(id) => EventId::new(id.as_str()),
                None => EventId::new(draw(&shared.options.chance, now).to_string()),
            };
            // Twice in one request is once, like twice in two.
            let first = known
                .as_ref()
                .map(|row| row.runs.clone())
                .or_else(|| here.get(&id).cloned());
            let runs = match first {
                Some(runs) => runs,
                None => self.add(shared, places, event, id.clone(), now),
            };
            if event.id.is_some() {
                here.insert(id.clone(), runs.clone());
            }
            self.accepted.push(Accepted { id, runs });
        }
    }

    /// An event with the runs it starts, found by those that wait for it.
    pub(crate) fn add(
        &mut self,
        shared: &Shared,
        places: &mut Places<'_>,
        event: &NewEvent,
        id: EventId,
        now: Timestamp,
    ) -> Vec<RunId> {
        let since = self.index(shared, places, event, &id, now);
        let mut runs = Vec::new();
        for (_, workflow) in shared.registry.triggered_by(&event.name) {
            let start = Start {
                workflow,
                event: id.clone(),
                input: event.data.clone(),
                since,
                parent: None,
                options: StartOptions::default(),
            };
            if let Some(begun) = put_together(shared, start, now) {
                runs.push(begun.run);
                self.begin(begun);
            }
        }
        self.commit.changes.push(Change::NewEvent(EventRow {
            id,
            name: event.name.clone(),
            data: event.data.clone(),
            user: event.user.clone(),
            v: event.v.clone(),
            ts: event.ts,
            received_at: now,
            runs: runs.clone(),
        }));
        runs
    }

    /// A run begins with this commit.
    pub(crate) fn begin(&mut self, begun: Begun) {
        self.commit.appends.push(begun.append);
        self.starts.push((begun.run, Box::new(begun.fresh)));
    }

    /// Makes the event findable by name and key, if code waits for its type, and puts it on its
    /// way if somebody may be waiting. Its place among events.
    fn index(
        &mut self,
        shared: &Shared,
        places: &mut Places<'_>,
        event: &NewEvent,
        id: &EventId,
        now: Timestamp,
    ) -> EventOrder {
        let Some(awaited) = awaited(shared, &event.name, &event.data) else {
            return places.newest();
        };
        let key = awaited.digest();
        let (order, watched) = places.place(key);
        let row = EventKeyRow {
            event: id.clone(),
            received_at: now,
        };
        self.commit
            .changes
            .push(Change::IndexEvent(key, order, row));
        if watched {
            let row = DeliveryRow {
                event: id.clone(),
                key,
                after: None,
            };
            self.deliveries.push((order, row.clone()));
            self.commit.changes.push(Change::PutDelivery(order, row));
        }
        order
    }
}

/// What an event is matched by, when code waits for its type and it carries a key.
pub(crate) fn awaited(shared: &Shared, name: &str, data: &Payload) -> Option<Awaited> {
    let kind = shared.registry.awaited_event(name)?;
    let key = match kind.key {
        None => String::new(),
        Some(field) => {
            let data: serde_json::Value = serde_json::from_str(data.as_json()).ok()?;
            key_text(&data, field)?
        }
    };
    Some(Awaited {
        name: name.to_owned(),
        key,
    })
}

/// The engine as product code sees it.
pub(crate) struct ClientIntake(pub(crate) Arc<Shared>);

impl Intake for ClientIntake {
    fn send(&self, events: Vec<OutgoingEvent>) -> BoxFuture<'_, Result<Vec<EventId>, SendError>> {
        Box::pin(async move {
            let events = events.into_iter().map(NewEvent::from).collect();
            let (accepted, _) = publish(&self.0, events, false).await?;
            Ok(accepted.into_iter().map(|event| event.id).collect())
        })
    }

    fn start(
        &self,
        workflow: String,
        input: Payload,
        options: StartOptions,
    ) -> BoxFuture<'_, Result<RunId, SendError>> {
        Box::pin(async move {
            let started = calls::start(&self.0, &workflow, input, options).await?;
            Ok(started.run)
        })
    }

    fn signal(
        &self,
        run: RunRef,
        name: String,
        data: Payload,
    ) -> BoxFuture<'_, Result<(), SendError>> {
        Box::pin(async move { calls::signal(&self.0, run, name, data).await.map(drop) })
    }
}

impl From<OutgoingEvent> for NewEvent {
    fn from(event: OutgoingEvent) -> Self {
        Self {
            id: event.id,
            name: event.name,
            data: Payload::from_json(event.data.to_string()),
            user: event.user.map(|user| Payload::from_json(user.to_string())),
            v: None,
            ts: None,
        }
    }
}
