//! Starts and signals by call: from code beside the engine, and from people.

use std::sync::Arc;
use std::time::Duration;

use stepwell::{RunRef, SendError, StartOptions};
use stepwell_core::limits::{EVENT_ID_BYTES, STEP_NAME_BYTES};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_core::{EventId, Payload, RunId, WorkflowName};
use stepwell_store::{Change, Commit, EventRow, InboxRow, ReadError, Seen, Store};

use crate::inbox::next_id;
use crate::intake::{Prepared, land, order, refused, room, unavailable};
use crate::operator::{blocking, folded};
use crate::shard::Wake;
use crate::shared::Shared;
use crate::starting::{STARTED, Start, draw, input_row, put_together};

/// How often a start is tried anew after another one under its key got in between.
const TRIES: u32 = 16;

/// Most runs one key has had in turn, each after the key of the one before was free again.
const TURNS_MAX: u32 = 1_000_000;

/// A run that was started, or was there under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// Whether this call started it.
    pub new: bool,
}

/// Starts a run of `workflow`; resolves once it is durable. A key that is taken answers the run it
/// was taken by.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    workflow: &str,
    input: Payload,
    options: StartOptions,
) -> Result<Started, SendError> {
    check(shared, workflow, &input, &options)?;
    room(shared)?;
    for _ in 0..TRIES {
        let (event, seen) = match &options.key {
            None => (None, Seen::OWNER),
            Some(key) => match place_of(shared, workflow, key).await.map_err(unavailable)? {
                Taken::By(run) => return Ok(Started { run, new: false }),
                Taken::Free(event, seen) => (Some(event), seen),
            },
        };
        let landing = {
            let now = shared.clock.now();
            let places = shared.events.lock();
            let name = WorkflowName::new(workflow);
            let Some(workflow) = shared.registry.get(&name) else {
                return Err(unknown_workflow(shared, workflow));
            };
            let event = event.unwrap_or_else(|| {
                EventId::new(format!(
                    "stepwell/start/{}",
                    draw(&shared.options.chance, now)
                ))
            });
            let begun = put_together(
                shared,
                Start {
                    workflow,
                    event: event.clone(),
                    input: input.clone(),
                    since: places.newest(),
                    parent: None,
                    options: options.clone(),
                },
                now,
            );
            let Some(begun) = begun else {
                return Err(unavailable("run cannot be put together"));
            };
            let run = begun.run;
            let mut prepared = Prepared::empty(shared, seen);
            let row = input_row(event, STARTED, input.clone(), vec![run], now);
            prepared.commit.changes.push(keeping(row, &options));
            prepared.begin(begun);
            (run, order(shared, places, prepared))
        };
        let (run, landing) = landing;
        match land(shared, landing, false).await {
            Ok(_) => return Ok(Started { run, new: true }),
            // Somebody else took the key since the look.
            Err(error) if error.retry() => {}
            Err(error) => return Err(refused(shared, error)),
        }
    }
    Err(SendError::Busy {
        what: "concurrent starts under the same key",
        retry_after_s: 1,
    })
}

fn check(
    shared: &Shared,
    workflow: &str,
    input: &Payload,
    options: &StartOptions,
) -> Result<(), SendError> {
    let refuse = |why: String| Err(SendError::Refused { index: 0, why });
    if shared.registry.get(&WorkflowName::new(workflow)).is_none() {
        return Err(unknown_workflow(shared, workflow));
    }
    let limit = shared.options.event_bytes_max;
    if input.len() > limit {
        return refuse(format!("input is over the limit of {limit} bytes"));
    }
    let Some(key) = &options.key else {
        return Ok(());
    };
    if key.is_empty() || key.len() > EVENT_ID_BYTES || key.chars().any(char::is_control) {
        return refuse(format!(
            "key must have 1 to {EVENT_ID_BYTES} bytes and no control characters"
        ));
    }
    Ok(())
}

fn unknown_workflow(shared: &Shared, workflow: &str) -> SendError {
    let names: Vec<_> = shared.registry.names().collect();
    SendError::NotFound {
        why: format!(
            "there is no workflow {workflow:?}; there are: {}",
            names.join(", ")
        ),
    }
}

/// The name of the field in which a start keeps how long its key stays taken.
const KEEP_KEY_MS: &str = "keepKeyMs";

/// Keeps with the row how long its key stays taken, where a start says so itself.
fn keeping(row: Change, options: &StartOptions) -> Change {
    match (row, options.keep_key) {
        (Change::NewEvent(mut row), Some(keep)) => {
            let ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
            let kept = serde_json::json!({ KEEP_KEY_MS: ms });
            row.user = Some(Payload::from_json(kept.to_string()));
            Change::NewEvent(row)
        }
        (row, _) => row,
    }
}

fn kept_for(row: &EventRow, otherwise: Duration) -> Duration {
    let user = row.user.as_ref().map(Payload::as_json);
    let user = user.and_then(|user| serde_json::from_str::<serde_json::Value>(user).ok());
    let ms = user.and_then(|user| user.get(KEEP_KEY_MS)?.as_u64());
    ms.map_or(otherwise, Duration::from_millis)
}

/// Whether a key is taken.
enum Taken {
    By(RunId),
    /// The next start under it is to be stored as this event.
    Free(EventId, Seen),
}

/// The event of the `turn`th run under a key.
fn turn_of(workflow: &str, key: &str, turn: u32) -> EventId {
    EventId::derived(&format!("stepwell/start/{workflow}/{turn}/{key}"))
}

/// Looks a key up: it is taken while its run goes on, and for a while after.
async fn place_of(shared: &Arc<Shared>, workflow: &str, key: &str) -> Result<Taken, ReadError> {
    let (store, now) = (Arc::clone(&shared.store), shared.clock.now());
    let keep = shared.options.keep_start_keys;
    let (workflow, key) = (workflow.to_owned(), key.to_owned());
    blocking(move || {
        for turn in 0..TURNS_MAX {
            let event = turn_of(&workflow, &key, turn);
            let (row, seen) = store.look_event(&event)?;
            // Behind everything durable as well, so that a conflict is not met again and again.
            let row = row.map_or_else(|| store.event(&event), |row| Ok(Some(row)))?;
            let Some(row) = row else {
                return Ok(Taken::Free(event, seen));
            };
            let Some(first) = row.runs.first().copied() else {
                continue;
            };
            let run = newest(store.as_ref(), first)?;
            let ended = store.head(run)?.and_then(|head| head.ended_at);
            let free = ended.is_some_and(|at| now >= at.after(kept_for(&row, keep)));
            if !free {
                return Ok(Taken::By(first));
            }
        }
        Err(ReadError::Failed {
            why: format!("key {key:?} of workflow {workflow} had {TURNS_MAX} runs: use another"),
        })
    })
    .await
}

/// The run that `run` goes on as, or itself.
pub(crate) fn newest(store: &dyn Store, mut run: RunId) -> Result<RunId, ReadError> {
    loop {
        // A run that goes on as another is shown as completed; no other need be read.
        match store.head(run)? {
            Some(head) if head.status == RunStatus::Completed => {}
            Some(_) | None => return Ok(run),
        }
        let journal = store.journal(run)?;
        if journal.is_empty() {
            return Ok(run);
        }
        match folded(run, &journal)?.outcome {
            Some(Outcome::Continued(next)) => run = next,
            Some(Outcome::Completed(_) | Outcome::Failed(_) | Outcome::Cancelled) | None => {
                return Ok(run);
            }
        }
    }
}

/// The run somebody means, as long as it can take anything.
pub(crate) async fn resolve(shared: &Arc<Shared>, run: RunRef) -> Result<RunId, SendError> {
    let store = Arc::clone(&shared.store);
    let named = run.to_string();
    let found = blocking(move || {
        let first = match run {
            RunRef::Id(run) => Some(run),
            RunRef::Key { workflow, key } => {
                let mut last = None;
                for turn in 0..TURNS_MAX {
                    let Some(row) = store.event(&turn_of(&workflow, &key, turn))? else {
                        break;
                    };
                    last = row.runs.first().copied();
                }
                last
            }
        };
        let Some(first) = first else { return Ok(None) };
        let run = newest(store.as_ref(), first)?;
        Ok(store.head(run)?.map(|head| (run, head.status)))
    });
    match found.await.map_err(unavailable)? {
        None => Err(SendError::NotFound {
            why: format!("there is no {named}"),
        }),
        Some((_, status)) if status.ended() => Err(SendError::NotFound {
            why: format!("{named} is {status}: it takes nothing any more"),
        }),
        Some((run, _)) => Ok(run),
    }
}

/// Refuses a signal no run can take.
pub(crate) fn check_signal(shared: &Shared, name: &str, data: &Payload) -> Result<(), String> {
    if name.is_empty() || name.len() > STEP_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(format!(
            "name of a signal has 1 to {STEP_NAME_BYTES} bytes and no control characters"
        ));
    }
    let limit = shared.options.event_bytes_max;
    if data.len() > limit {
        return Err(format!("signal {name} is over the limit of {limit} bytes"));
    }
    Ok(())
}

/// Signals a run; resolves with the run once the signal is durable.
pub(crate) async fn signal(
    shared: &Arc<Shared>,
    run: RunRef,
    name: String,
    data: Payload,
) -> Result<RunId, SendError> {
    check_signal(shared, &name, &data).map_err(|why| SendError::Refused { index: 0, why })?;
    room(shared)?;
    let run = resolve(shared, run).await?;
    let row = InboxRow::Signal { name, data };
    let commit = Commit {
        fence: shared.store.fence(),
        seen: Seen::OWNER,
        appends: Vec::new(),
        changes: vec![Change::PutInbox(run, next_id(shared.store.fence()), row)],
    };
    let shared = Arc::clone(shared);
    // Goes on when the caller goes away: a signal that is durable is also heard.
    let leaving = tokio::spawn(async move {
        let left = shared.store.commit(commit).await;
        left.map_err(|error| refused(&shared, error))?;
        shared.wake(run, Wake::Request(run));
        Ok(run)
    });
    leaving
        .await
        .unwrap_or_else(|error| Err(unavailable(error)))
}
