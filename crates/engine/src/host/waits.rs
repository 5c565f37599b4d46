//! What reaches a run from outside: waits that begin, and requests left for it.

use std::rc::Rc;
use std::sync::Arc;

use stepwell::host::WaitAsk;
use stepwell_core::run::{Arrival, Command, Outcome, Reply, RunState, StartWait, decide};
use stepwell_core::{
    Awaited, EventKey, EventOrder, Failure, FailureClass, RunId, StepAddress, Timestamp, WaitOn,
};
use stepwell_store::{Change, EventKeyRow, EventRow, InboxId, InboxRow, ReadError, Store};

use super::{More, READ_AGAIN_AFTER, RunHost, Stop};
use crate::inbox::next_id;
use crate::intake::awaited;
use crate::operator::blocking;

/// Events looked at at a time.
const PAGE: usize = 64;

/// A request left for a run, with the event it speaks of.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) id: InboxId,
    pub(crate) row: InboxRow,
    /// For [`InboxRow::Event`]: the event, unless it is gone.
    pub(crate) event: Option<EventRow>,
}

impl RunHost {
    /// Answers what was left for the run, as it is stored: what was put off is among it.
    pub(crate) fn take_requests(&self, requests: Vec<Request>) {
        self.inner.borrow_mut().put_off.clear();
        for request in requests {
            self.take_request(request);
        }
    }

    /// Answers a request left for the run. A request the core refuses is over, too: its row goes.
    fn take_request(&self, request: Request) {
        let again = matches!(request.row, InboxRow::Event { .. }).then(|| request.clone());
        let Request { id, row, event } = request;
        let answered = Change::DeleteInbox(self.run, id);
        let went_on = self.with_state(|state| match &state.outcome {
            Some(Outcome::Continued(next)) => Some(*next),
            Some(Outcome::Completed(_) | Outcome::Failed(_) | Outcome::Cancelled) | None => None,
        });
        if let Some(Some(next)) = went_on {
            // What is meant for a run that went on is meant for what it went on as.
            let again = Change::PutInbox(next, next_id(self.shared.store.fence()), row);
            return self.answer(vec![answered, again], vec![next]);
        }
        let command = match row {
            InboxRow::Cancel { reason } => Some(Command::RequestCancel { reason }),
            InboxRow::Resume => Some(Command::Resume),
            InboxRow::Kill { reason } => Some(Command::Kill { reason }),
            InboxRow::Pause { reason } => Some(Command::Pause { reason }),
            InboxRow::Retry { reason } => Some(Command::Retry { reason }),
            InboxRow::Quarantine { reason } => Some(Command::Quarantine(reason)),
            InboxRow::Signal { name, data } => Some(Command::Signal { name, data }),
            InboxRow::ChildEnded { step, outcome, .. } => self
                .awaited_child(&step)
                .map(|run| Command::ChildEnded { run, outcome }),
            InboxRow::Event { order, .. } => event
                .and_then(|row| self.arrival(row, order))
                .map(Command::Deliver),
        };
        let Some(command) = command else {
            return self.answer(vec![answered], Vec::new());
        };
        let now = self.shared.clock.now();
        match self.with_state(|state| decide(state, command, now)) {
            Some(Ok(decision)) if decision.reply == Reply::Hold => {
                // Its row stays until it is taken: a crash puts it to the run again.
                self.inner.borrow_mut().put_off.extend(again);
            }
            Some(Ok(decision)) if decision.entries.is_empty() => {
                self.answer(vec![answered], Vec::new());
            }
            Some(Ok(decision)) => {
                let more = More {
                    changes: vec![answered],
                    ..More::default()
                };
                self.append(decision.entries, more);
                if decision.reply == Reply::Stop {
                    self.stop(Stop::Reconsider);
                }
            }
            Some(Err(refusal)) => {
                tracing::info!(run = %self.run, %refusal, "request came too late");
                self.answer(vec![answered], Vec::new());
            }
            None => {}
        }
    }

    /// Puts to the run again what was put off; what still is not in its turn stays so.
    pub(crate) fn take_put_off(&self) {
        let put_off = std::mem::take(&mut self.inner.borrow_mut().put_off);
        put_off
            .into_iter()
            .for_each(|request| self.take_request(request));
    }

    /// The run that `step` started and waits for: the first of a child that went on as others.
    fn awaited_child(&self, step: &StepAddress) -> Option<RunId> {
        let awaited = |state: &RunState| {
            let mut children = state.children.iter();
            let child = children.find(|(_, child)| child.awaited && child.step == *step);
            child.map(|(run, _)| *run)
        };
        self.with_state(awaited).flatten()
    }

    fn arrival(&self, row: EventRow, order: EventOrder) -> Option<Arrival> {
        let awaited = awaited(&self.shared, &row.name, &row.data);
        if awaited.is_none() {
            let (event, event_name) = (&row.id, &row.name);
            tracing::warn!(%event, event_name, "event is of no type that code waits for any more");
        }
        Some(Arrival {
            event: row.id,
            order,
            awaited: awaited?,
            data: row.data,
        })
    }

    /// Begins a wait so that no event accepted since the run began is missed; see
    /// [`crate::event_table`].
    pub(super) async fn begin_wait(self: &Rc<Self>, ask: WaitAsk) -> Result<(), Failure> {
        let WaitOn::Event { awaited, .. } = &ask.on else {
            self.ask(Command::StartWait(started(ask, None)));
            return Ok(());
        };
        self.waitable(awaited)?;
        let _busy = self.busy();
        let key = awaited.digest();
        let table = &self.shared.events;
        let coming = table.register(key);
        loop {
            let before = coming.events();
            for ticket in coming.under_way() {
                // Lost or durable: either way the look below sees what there is.
                drop(ticket.await);
            }
            // The run's own events are among them only once they are durable.
            if let Err(error) = self.durable().await {
                self.commit_failed(&error);
                return Ok(());
            }
            let found = match self.look(&ask, key).await {
                Ok(found) => found,
                Err(error) => {
                    // Bodies of other branches go on meanwhile, and are recorded.
                    tracing::error!(run = %self.run, %error, "events cannot be read");
                    tokio::time::sleep(READ_AGAIN_AFTER).await;
                    continue;
                }
            };
            let places = table.lock();
            // Meanwhile another wait of the run may have taken what was found: there may be more.
            let still = found.as_ref().is_none_or(|found| self.takes(&ask, found));
            if still && coming.events_under(&places) == before {
                // Crash here: the wait was not there, and the replay looks for itself.
                self.ask(Command::StartWait(started(ask, found)));
                drop(places);
                return Ok(());
            }
        }
    }

    /// Refuses what no event can ever satisfy.
    fn waitable(&self, awaited: &Awaited) -> Result<(), Failure> {
        let refuse = |message: String| Err(Failure::new(FailureClass::Terminal, message));
        let name = &awaited.name;
        let Some(kind) = self.shared.registry.awaited_event(name) else {
            return refuse(format!(
                "event {name} is waited for and not known to the engine: add it with \
                 Registry::event"
            ));
        };
        match kind.key {
            None if !awaited.key.is_empty() => refuse(format!(
                "event {name} declares no key to be waited for by: add key = \"…\" to its type, or \
                 wait with ()"
            )),
            Some(field) if awaited.key.is_empty() => refuse(format!(
                "event {name} is waited for without a value for its key {field}"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The oldest stored event that fits the wait.
    async fn look(&self, ask: &WaitAsk, key: EventKey) -> Result<Option<Arrival>, ReadError> {
        let WaitOn::Event {
            awaited: wanted, ..
        } = &ask.on
        else {
            return Ok(None);
        };
        let reach = |state: &RunState| (reach(state, ask), state.started.since);
        let Some(((since, from), began)) = self.with_state(reach) else {
            return Ok(None);
        };
        let mut after = since;
        loop {
            let store = Arc::clone(&self.shared.store);
            let page = blocking(move || store.events_by_key(key, after, PAGE)).await?;
            let full = page.len() == PAGE;
            let Some((last, _)) = page.last() else {
                return Ok(None);
            };
            after = *last;
            for (order, row) in page {
                // What came since the run began counts however far the look goes back.
                let too_old = row.received_at < from && order <= began;
                if too_old || !self.may_take(ask, order, &row) {
                    continue;
                }
                let store = Arc::clone(&self.shared.store);
                let id = row.event.clone();
                let event = blocking(move || store.event(&id)).await?;
                let arrival = event.and_then(|row| self.arrival(row, order));
                if let Some(arrival) = arrival.filter(|arrival| arrival.awaited == *wanted) {
                    return Ok(Some(arrival));
                }
            }
            if !full {
                return Ok(None);
            }
        }
    }

    /// Whether the core could give this event to the wait: the rule is its own, this saves reads.
    fn may_take(&self, ask: &WaitAsk, order: EventOrder, row: &EventKeyRow) -> bool {
        let (Some(awaited), data) = (awaited_of(ask), stepwell::Payload::null()) else {
            return false;
        };
        let candidate = Arrival {
            event: row.event.clone(),
            order,
            awaited,
            data,
        };
        self.takes(ask, &candidate)
    }

    /// Whether the core gives `candidate` to the wait that begins.
    fn takes(&self, ask: &WaitAsk, candidate: &Arrival) -> bool {
        let now = self.shared.clock.now();
        let found = Some(candidate.clone());
        let command = Command::StartWait(started(ask.clone(), found));
        let decided = self.with_state(|state| decide(state, command, now));
        let Some(Ok(decision)) = decided else {
            return false;
        };
        decision.entries.iter().any(|entry| {
            matches!(
                entry.body,
                stepwell_core::EntryBody::EventOffered(_)
                    | stepwell_core::EntryBody::EventReceived(_)
            )
        })
    }
}

fn awaited_of(ask: &WaitAsk) -> Option<Awaited> {
    match &ask.on {
        WaitOn::Event { awaited, .. } => Some(awaited.clone()),
        WaitOn::Until | WaitOn::Signal { .. } => None,
    }
}

fn started(ask: WaitAsk, found: Option<Arrival>) -> StartWait {
    StartWait {
        step: ask.step,
        on: ask.on,
        until: ask.until,
        found: found.into_iter().collect(),
    }
}

/// From where on events count: their place, and the instant they were accepted at.
fn reach(state: &RunState, ask: &WaitAsk) -> (EventOrder, Timestamp) {
    if ask.look_back.is_zero() {
        return (state.started.since, Timestamp::ZERO);
    }
    let reach = u64::try_from(ask.look_back.as_millis()).unwrap_or(u64::MAX);
    let from = state.started_at.as_ms().saturating_sub(reach);
    (EventOrder::BEGINNING, Timestamp::from_ms(from))
}

/// Reads the requests left for a run, with the events they speak of.
pub(crate) fn read_requests(
    store: &dyn Store,
    run: stepwell_core::RunId,
) -> Result<Vec<Request>, ReadError> {
    let mut requests = Vec::new();
    for (id, row) in store.inbox(run)? {
        let event = match &row {
            InboxRow::Event { event, .. } => store.event(event)?,
            InboxRow::Cancel { .. }
            | InboxRow::Resume
            | InboxRow::Kill { .. }
            | InboxRow::Signal { .. }
            | InboxRow::Pause { .. }
            | InboxRow::Retry { .. }
            | InboxRow::Quarantine { .. }
            | InboxRow::ChildEnded { .. } => None,
        };
        requests.push(Request { id, row, event });
    }
    Ok(requests)
}
