//! Intake: events become durable together with the runs they start, in one commit.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rand::RngExt;
use stepwell::{Intake, OutgoingEvent, SendError};
use stepwell_core::entry::RunStarted;
use stepwell_core::limits::{
    EVENT_ID_BYTES, EVENT_NAME_BYTES, EVENTS_PER_REQUEST, RESERVED_EVENT_PREFIX,
};
use stepwell_core::run::{Outcome, begin, fold};
use stepwell_core::{EventId, Payload, RunId, Seq, Timestamp};
use stepwell_store::{
    AgendaChange, Append, Change, Commit, CommitError, EventRow, ReadError, RunHead, Seen,
    agenda_of,
};
use tokio::sync::oneshot;
use ulid::Ulid;

use crate::drive::Fresh;
use crate::operator::blocking;
use crate::shard::Wake;
use crate::shared::Shared;

/// How often a commit is tried anew after another one got in between.
const TRIES: u32 = 16;

/// Largest sum of payloads in one request, in bytes: what fits one commit of the store.
const REQUEST_BYTES_MAX: usize = 6 * 1024 * 1024;

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
struct Prepared {
    commit: Commit,
    accepted: Vec<Accepted>,
    starts: Vec<(RunId, Box<Fresh>)>,
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
        let prepared = prepare(shared, &events, &known, seen);
        if prepared.commit.changes.is_empty() {
            // Every event is stored already, and the looks waited for what they rest on.
            if settled {
                return Ok((prepared.accepted, Vec::new()));
            }
            settled = true;
            continue;
        }
        match land(shared, prepared.commit, prepared.starts, wait).await {
            Ok(waits) => return Ok((prepared.accepted, waits)),
            // Somebody stored one of these events since the look: look again, this time behind
            // everything durable.
            Err(error) if error.retry() => settled = true,
            Err(CommitError::TooLarge { bytes, limit }) => {
                let why = format!("request of {bytes} bytes is over the limit of {limit} bytes");
                return Err(SendError::Refused { index: 0, why });
            }
            Err(error) => {
                // A full log refuses and goes on; a store that stopped ends the engine.
                if error != CommitError::Full || shared.store.failure().is_some() {
                    shared.fail(&error);
                }
                return Err(unavailable(error));
            }
        }
    }
    Err(SendError::Busy {
        what: "concurrent requests for the same event ids",
        retry_after_s: 1,
    })
}

/// Commits, and starts what the commit started. Goes on when the caller goes away: a run that is
/// durable is driven although nobody waits for the answer any more.
async fn land(
    shared: &Arc<Shared>,
    commit: Commit,
    starts: Vec<(RunId, Box<Fresh>)>,
    wait: bool,
) -> Result<Vec<Wait>, CommitError> {
    let shared = Arc::clone(shared);
    let landing = tokio::spawn(async move {
        shared.store.commit(commit).await?;
        let mut waits = Vec::new();
        for (run, fresh) in starts {
            if wait {
                // Registered before the run can end.
                waits.push((run, shared.await_end(run)));
            }
            shared.wake(run, Wake::Start(run, fresh));
        }
        Ok(waits)
    });
    let unknown = |error: tokio::task::JoinError| CommitError::Unknown {
        why: error.to_string(),
    };
    landing.await.map_err(unknown)?
}

fn unavailable(why: impl ToString) -> SendError {
    SendError::Unavailable {
        why: why.to_string(),
    }
}

/// Refuses while accepting would mean holding more than the engine may.
fn room(shared: &Shared) -> Result<(), SendError> {
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

fn check_one(shared: &Shared, event: &NewEvent) -> Result<(), String> {
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

fn prepare(
    shared: &Shared,
    events: &[NewEvent],
    known: &[Option<EventRow>],
    seen: Seen,
) -> Prepared {
    let now = shared.clock.now();
    let mut prepared = Prepared {
        commit: Commit {
            fence: shared.store.fence(),
            seen,
            appends: Vec::new(),
            changes: Vec::new(),
        },
        accepted: Vec::with_capacity(events.len()),
        starts: Vec::new(),
    };
    let mut here: HashMap<EventId, Vec<RunId>> = HashMap::new();
    for (event, known) in events.iter().zip(known) {
        let id = match &event.id {
            Some(id) => EventId::new(id.as_str()),
            None => EventId::new(draw(now).to_string()),
        };
        // Twice in one request is once, like twice in two.
        let first = known
            .as_ref()
            .map(|row| row.runs.clone())
            .or_else(|| here.get(&id).cloned());
        let runs = match first {
            Some(runs) => runs,
            None => prepared.add(shared, event, id.clone(), now),
        };
        if event.id.is_some() {
            here.insert(id.clone(), runs.clone());
        }
        prepared.accepted.push(Accepted { id, runs });
    }
    prepared
}

impl Prepared {
    fn add(
        &mut self,
        shared: &Shared,
        event: &NewEvent,
        id: EventId,
        now: Timestamp,
    ) -> Vec<RunId> {
        let mut runs = Vec::new();
        for (name, workflow) in shared.registry.triggered_by(&event.name) {
            let run = draw(now);
            let started = RunStarted {
                workflow: name.clone(),
                version: workflow.version(),
                event: id.clone(),
                input_bytes: event.data.len() as u64,
            };
            let entries = vec![begin(started, now)];
            let state = match fold(run, &entries) {
                Ok(state) => state,
                Err(illegal) => {
                    // A journal of one start always folds; if it ever did not, starting the run
                    // would only spread the fault.
                    tracing::error!(%run, %illegal, "run cannot be started");
                    continue;
                }
            };
            runs.push(run);
            self.commit.appends.push(Append {
                run,
                expected: Seq::FIRST,
                entries,
                head: Some(RunHead::of(&state)),
                agenda: AgendaChange {
                    was: None,
                    now: agenda_of(&state),
                },
            });
            let fresh = Fresh {
                state,
                input: event.data.clone(),
            };
            self.starts.push((run, Box::new(fresh)));
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
}

/// A ULID of this instant.
fn draw(now: Timestamp) -> RunId {
    let random = rand::rng().random::<u128>();
    RunId::from_ulid(Ulid::from_parts(now.as_ms(), random))
}

/// The engine as product code sees it.
pub(crate) struct ClientIntake(pub(crate) Arc<Shared>);

impl Intake for ClientIntake {
    fn send(&self, events: Vec<OutgoingEvent>) -> BoxFuture<'_, Result<Vec<EventId>, SendError>> {
        Box::pin(async move {
            let events = events
                .into_iter()
                .map(|event| NewEvent {
                    id: event.id,
                    name: event.name,
                    data: Payload::from_json(event.data.to_string()),
                    user: event.user.map(|user| Payload::from_json(user.to_string())),
                    v: None,
                    ts: None,
                })
                .collect();
            let (accepted, _) = publish(&self.0, events, false).await?;
            Ok(accepted.into_iter().map(|event| event.id).collect())
        })
    }
}
