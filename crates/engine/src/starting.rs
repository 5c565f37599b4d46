//! How a run begins: its first entry, its input, its terms; the same for events, calls, parents,
//! schedules and runs that go on as another.

use std::sync::Arc;

use stepwell::{StartOptions, Workflow};
use stepwell_core::entry::RunStarted;
use stepwell_core::matching::key_text;
use stepwell_core::run::{RunState, begin, due_at, fold};
use stepwell_core::{Awaited, Entry, EventId, EventOrder, Parent, Payload, RunId, Seq, Timestamp};
use stepwell_store::{AgendaChange, Append, Change, EventRow, RunHead, WaitChange};
use ulid::Ulid;

use crate::chance::Chance;
use crate::drive::Fresh;
use crate::shared::Shared;

/// The name of the events that hold the input of runs nobody's event started.
pub(crate) const STARTED: &str = "stepwell/run.started";

/// A run about to begin.
pub(crate) struct Start<'a> {
    /// Its workflow.
    pub(crate) workflow: &'a Arc<dyn Workflow>,
    /// The event whose data is its input.
    pub(crate) event: EventId,
    /// That data.
    pub(crate) input: Payload,
    /// Events behind this place may satisfy its waits.
    pub(crate) since: EventOrder,
    /// Who waits for it.
    pub(crate) parent: Option<Parent>,
    /// Its terms.
    pub(crate) options: StartOptions,
}

/// What beginning it takes: an append for the commit, and what a drive need not read back.
pub(crate) struct Begun {
    pub(crate) run: RunId,
    pub(crate) append: Append,
    pub(crate) fresh: Fresh,
}

/// Puts a run together. The caller commits it with the event that holds its input.
pub(crate) fn put_together(shared: &Shared, start: Start<'_>, now: Timestamp) -> Option<Begun> {
    let Start {
        workflow,
        event,
        input,
        since,
        parent,
        options,
    } = start;
    let run = draw(&shared.options.chance, now);
    let start_at = options.at.or(options.delay.map(|delay| now.after(delay)));
    let start_within = options.start_within.or_else(|| workflow.start_within());
    let finish_within = options.finish_within.or_else(|| workflow.finish_within());
    let from = start_at.unwrap_or(now);
    let started = RunStarted {
        workflow: stepwell_core::WorkflowName::new(workflow.name()),
        version: workflow.version(),
        event,
        input_bytes: input.len() as u64,
        since,
        parent,
        cancel_on: cancelled_by(workflow.as_ref(), &input),
        start_at,
        start_by: start_within.map(|limit| from.after(limit)),
        finish_by: finish_within.map(|limit| from.after(limit)),
        forked: None,
    };
    let entries = vec![begin(started, now)];
    let state = match fold(run, &entries) {
        Ok(state) => state,
        Err(illegal) => {
            // A journal of one start always folds; if it ever did not, starting the run would
            // only spread the fault.
            tracing::error!(%run, %illegal, "run cannot be started");
            return None;
        }
    };
    for key in state.listening.keys() {
        shared.events.watch(*key);
    }
    Some(Begun {
        run,
        append: first_append(entries, &state),
        fresh: Fresh { state, input },
    })
}

/// What begins a run whose first entries come to `state`. What it waits for is counted by whoever
/// commits it beside an engine, before that.
pub(crate) fn first_append(entries: Vec<Entry>, state: &RunState) -> Append {
    Append {
        run: state.run,
        expected: Seq::FIRST,
        entries,
        head: Some(RunHead::of(state)),
        agenda: AgendaChange {
            was: None,
            now: due_at(state),
        },
        waits: WaitChange {
            begun: state.listening.keys().copied().collect(),
            over: Vec::new(),
        },
    }
}

/// The event row that holds the input of a run nobody's event started.
pub(crate) fn input_row(
    event: EventId,
    name: &str,
    input: Payload,
    runs: Vec<RunId>,
    now: Timestamp,
) -> Change {
    Change::NewEvent(EventRow {
        id: event,
        name: name.to_owned(),
        data: input,
        user: None,
        v: None,
        ts: None,
        received_at: now,
        runs,
    })
}

/// The events that cancel a run: those whose key equals the field of that name in its input.
fn cancelled_by(workflow: &dyn Workflow, input: &Payload) -> Vec<Awaited> {
    let events = workflow.cancel_on();
    if events.is_empty() {
        return Vec::new();
    }
    let input: serde_json::Value = serde_json::from_str(input.as_json()).unwrap_or_default();
    let with_key = |event: stepwell::EventType| {
        let key = match event.key {
            Some(field) => key_text(&input, field)?,
            None => String::new(),
        };
        let name = event.name.to_owned();
        Some(Awaited { name, key })
    };
    events.into_iter().filter_map(with_key).collect()
}

/// A ULID of this instant.
pub(crate) fn draw(chance: &Chance, now: Timestamp) -> RunId {
    let random = chance.wide_bits();
    RunId::from_ulid(Ulid::from_parts(now.as_ms(), random))
}
