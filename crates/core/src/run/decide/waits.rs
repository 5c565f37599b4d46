//! Waits: they begin, meet what they are for, or reach their deadline; the first entry decides.

use std::collections::BTreeSet;

use super::{decided, fits, require_active, unchanged};
use crate::entry::{
    Awaited, ChildStarted, EntryBody, EventOffered, EventReceived, EventRejected, Failure,
    FailureClass, SignalReceived, StepFailed, StepKind, StepSucceeded, WaitOn, WaitStarted,
    WaitTimedOut,
};
use crate::ids::{EventId, RunId, StepAddress};
use crate::limits::STEP_OUTPUT_BYTES;
use crate::payload::Payload;
use crate::run::command::{Arrival, ChildOutcome, Decision, Refusal, Reply, StartWait};
use crate::run::state::{Awaiting, RunState, StepOutcome, StepProgress, Wait};
use crate::time::Timestamp;

/// Code asks again for a wait that is open. Past its instant the wait ends with this decision: an
/// event that was decided on before comes first in the journal, one after it comes too late.
pub(super) fn ask(state: &RunState, step: &StepAddress, wait: &Wait, now: Timestamp) -> Decision {
    if let Some((_, data)) = &wait.offered {
        return unchanged(Reply::Judge { data: data.clone() });
    }
    if wait.look {
        return unchanged(Reply::Execute { attempt: 1 });
    }
    if wait.until.is_none_or(|until| until > now) {
        return unchanged(Reply::Wait { until: wait.until });
    }
    let step = step.clone();
    match &wait.on {
        Awaiting::On(WaitOn::Until) => {
            let outcome = StepOutcome::Succeeded(Payload::null());
            let over = succeeded(step, StepKind::Sleep, Payload::null());
            decided(state, now, [over], Reply::Recorded(outcome))
        }
        Awaiting::On(WaitOn::Event { .. } | WaitOn::Signal { .. }) | Awaiting::Child(_) => {
            let over = timed_out(&step);
            decided(state, now, [over], Reply::Recorded(StepOutcome::TimedOut))
        }
    }
}

/// A wait begins, or looks again. What is there for it already satisfies it in the same decision.
pub(super) fn start_wait(
    state: &RunState,
    ask: StartWait,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    if state.stands_still(&ask.step.branch) {
        return Ok(unchanged(Reply::Hold));
    }
    if let Some(wait) = wait_of(state, &ask.step).filter(|wait| wait.look) {
        return Ok(look(state, wait, ask, now));
    }
    require_next(state, &ask.step)?;
    let StartWait {
        step,
        on,
        until,
        found,
    } = ask;
    let started = EntryBody::WaitStarted(WaitStarted {
        step: step.clone(),
        on: on.clone(),
        until,
    });
    let at_once = match &on {
        WaitOn::Until => None,
        WaitOn::Signal { name } => {
            let oldest = state.signals.get(name).and_then(|queue| queue.front());
            oldest.map(|data| succeeded(step, StepKind::Signal, data.clone()))
        }
        WaitOn::Event { awaited, judged } => {
            let nothing = BTreeSet::new();
            let older = state.waiters.for_event(awaited);
            let fitting = first_fitting(state, found, awaited, &nothing, older);
            fitting.map(|arrival| taken(state, step, *judged, arrival))
        }
    };
    let bodies = [Some(started), at_once].into_iter().flatten();
    Ok(decided(state, now, bodies, Reply::Accepted))
}

/// A wait that is there already looks at what is stored, for what it recorded that it waits for.
fn look(state: &RunState, wait: &Wait, ask: StartWait, now: Timestamp) -> Decision {
    let Awaiting::On(on) = &wait.on else {
        return unchanged(Reply::Accepted);
    };
    let fitting = match on {
        WaitOn::Until | WaitOn::Signal { .. } => None,
        WaitOn::Event { awaited, judged } => {
            let waiters = state.waiters.for_event(awaited);
            let older = waiters.split(|step| *step == ask.step).next();
            let older = older.unwrap_or_default();
            let fitting = first_fitting(state, ask.found, awaited, &wait.rejected, older);
            fitting.map(|arrival| taken(state, ask.step.clone(), *judged, arrival))
        }
    };
    let waits_on = || {
        EntryBody::WaitStarted(WaitStarted {
            step: ask.step,
            on: on.clone(),
            until: wait.until,
        })
    };
    let body = fitting.unwrap_or_else(waits_on);
    decided(state, now, [body], Reply::Accepted)
}

/// The first of the events `found` that a wait for `awaited` may take: not one that an `older`
/// wait for the same is about to be given.
fn first_fitting(
    state: &RunState,
    found: Vec<Arrival>,
    awaited: &Awaited,
    rejected: &BTreeSet<EventId>,
    older: &[StepAddress],
) -> Option<Arrival> {
    // What came before the run is given to nobody, so it is for whoever looks back for it.
    let is_for_older = |arrival: &Arrival| {
        let wants = |step: &StepAddress| {
            let wait = wait_of(state, step);
            let may = wait.is_some_and(|wait| !wait.rejected.contains(&arrival.event));
            may && !state.held(&step.branch)
        };
        arrival.order > state.started.since && older.iter().any(wants)
    };
    found.into_iter().find(|arrival| {
        arrival.awaited == *awaited
            && arrival.event != state.started.event
            && !state.received.contains(&arrival.event)
            && !state.waiters.is_judged(&arrival.event)
            && !rejected.contains(&arrival.event)
            && !is_for_older(arrival)
    })
}

/// Refuses a step that is not the next one of its line.
fn require_next(state: &RunState, step: &StepAddress) -> Result<(), Refusal> {
    if state.steps.contains_key(step) {
        let step = step.clone();
        return Err(Refusal::AlreadyRecorded { step });
    }
    match state.open_step(&step.branch) {
        Some(open) => Err(Refusal::LeftOpen {
            step: step.clone(),
            open: open.clone(),
        }),
        None => Ok(()),
    }
}

fn wait_of<'s>(state: &'s RunState, step: &StepAddress) -> Option<&'s Wait> {
    match &state.steps.get(step)?.progress {
        StepProgress::Waiting(wait) => Some(wait),
        StepProgress::Open { .. } | StepProgress::Forked(_) | StepProgress::Done(_) => None,
    }
}

/// The entry with which a wait takes an event, or is offered it.
fn taken(state: &RunState, step: StepAddress, judged: bool, arrival: Arrival) -> EntryBody {
    let Arrival { event, data, .. } = arrival;
    if !fits(state, data.len()) {
        let message = format!("event {event} would take the run over its limit of bytes");
        return failed(step, StepKind::WaitFor, &message);
    }
    if judged {
        return EntryBody::EventOffered(EventOffered { step, event, data });
    }
    EntryBody::EventReceived(EventReceived {
        step,
        event,
        data: Some(data),
    })
}

/// An event reaches the run: its oldest wait for it takes it, and no other. The event that started
/// the run, and one that satisfied a wait before, satisfy none.
///
/// A quarantined run takes it as well: it comes once, and only the code of the run stands still.
pub(super) fn deliver(state: &RunState, arrival: Arrival, now: Timestamp) -> Decision {
    if state.outcome.is_some() {
        return unchanged(Reply::Accepted);
    }
    let Arrival { event, awaited, .. } = &arrival;
    // Only what came after the run can be meant for it.
    let later = arrival.order > state.started.since;
    if later && state.started.cancel_on.contains(awaited) && state.cancel.is_none() {
        let reason = format!("event {event} ({}) asks for it", awaited.name);
        return super::operate::request_cancel(state, reason, now)
            .unwrap_or_else(|_| unchanged(Reply::Accepted));
    }
    // What came before the run counts only where it looks back, and is found by that look.
    let known = !later
        || *event == state.started.event
        || state.received.contains(event)
        || state.waiters.is_judged(event);
    let waits = state.waiters.for_event(awaited).iter();
    let open = waits.filter(|step| !state.held(&step.branch));
    let open = open.filter_map(|step| Some((step, wait_of(state, step)?)));
    let (over, open): (Vec<_>, Vec<_>) = open.partition(|(_, wait)| is_over(state, wait, now));
    // While one of them judges or is about to look, events keep their order: what comes is put off
    // until none does, if no look finds it first.
    let in_turn = !open
        .iter()
        .any(|(_, wait)| wait.offered.is_some() || wait.look);
    let mut takers = open
        .into_iter()
        .filter(|(_, wait)| !wait.rejected.contains(event));
    let taker = takers.next();
    if taker.is_some() && !in_turn && !known {
        return unchanged(Reply::Hold);
    }
    let taker = taker.map(|(step, wait)| (step.clone(), is_judge(wait)));
    let mut bodies: Vec<_> = over.iter().map(|(step, _)| timed_out(step)).collect();
    if let Some((step, judged)) = taker.filter(|_| !known) {
        bodies.push(taken(state, step, judged, arrival));
    }
    decided(state, now, bodies, Reply::Accepted)
}

/// Whether the deadline of `wait` passed while the run was paused: its code is not there to say
/// so, and what comes after it comes too late.
fn is_over(state: &RunState, wait: &Wait, now: Timestamp) -> bool {
    let undecided = wait.offered.is_some() || wait.look;
    let passed = wait.until.is_some_and(|until| until <= now);
    state.paused.is_some() && passed && !undecided
}

fn timed_out(step: &StepAddress) -> EntryBody {
    EntryBody::WaitTimedOut(WaitTimedOut { step: step.clone() })
}

/// Whether the code of a wait for an event judges each candidate.
fn is_judge(wait: &Wait) -> bool {
    matches!(&wait.on, Awaiting::On(WaitOn::Event { judged: true, .. }))
}

/// Code took the event it was offered, or goes on waiting.
pub(super) fn judge(
    state: &RunState,
    step: StepAddress,
    accepted: bool,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    if state.stands_still(&step.branch) {
        return Ok(unchanged(Reply::Hold));
    }
    let offered = wait_of(state, &step).and_then(|wait| wait.offered.as_ref());
    let Some((event, _)) = offered else {
        return Err(Refusal::StandsElsewhere { step });
    };
    let event = event.clone();
    let entry = if accepted {
        EntryBody::EventReceived(EventReceived {
            step,
            event,
            data: None,
        })
    } else {
        EntryBody::EventRejected(EventRejected { step, event })
    };
    Ok(decided(state, now, [entry], Reply::Accepted))
}

/// A signal is kept in the journal, and taken at once by the oldest wait for its name.
pub(super) fn signal(
    state: &RunState,
    name: String,
    data: Payload,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    if state.outcome.is_some() {
        return Err(Refusal::Ended {
            status: state.status(now),
        });
    }
    if !fits(state, data.len()) {
        return Err(Refusal::Full { name });
    }
    let waiting = state.waiters.for_signal(&name).iter();
    let waiting = waiting.filter(|step| !state.held(&step.branch));
    let lapsed = |step: &&StepAddress| {
        let wait = wait_of(state, step);
        wait.is_some_and(|wait| is_over(state, wait, now))
    };
    let (over, open): (Vec<_>, Vec<_>) = waiting.partition(lapsed);
    let taker = open.first().map(|step| (*step).clone());
    let before = state.signals.get(&name).and_then(|queue| queue.front());
    let oldest = before.unwrap_or(&data).clone();
    let mut bodies: Vec<_> = over.into_iter().map(timed_out).collect();
    bodies.push(EntryBody::SignalReceived(SignalReceived { name, data }));
    bodies.extend(taker.map(|step| succeeded(step, StepKind::Signal, oldest)));
    Ok(decided(state, now, bodies, Reply::Accepted))
}

/// Another run is started, in the commit that carries this decision.
pub(super) fn start_child(
    state: &RunState,
    child: ChildStarted,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    require_active(state, now)?;
    if state.stands_still(&child.step.branch) {
        return Ok(unchanged(Reply::Hold));
    }
    require_next(state, &child.step)?;
    if state.children.contains_key(&child.run) {
        // Two steps cannot wait for the same end, which is told once.
        return Err(Refusal::StandsElsewhere { step: child.step });
    }
    let body = EntryBody::ChildStarted(child);
    Ok(decided(state, now, [body], Reply::Accepted))
}

/// A child ended. When nobody waits for it any more, its outcome is its own affair; a quarantined
/// run is told all the same, because it is told once.
pub(super) fn child_ended(
    state: &RunState,
    run: RunId,
    outcome: ChildOutcome,
    now: Timestamp,
) -> Decision {
    let child = state.children.get(&run).filter(|child| child.awaited);
    let Some(child) = child.filter(|_| state.outcome.is_none()) else {
        return unchanged(Reply::Accepted);
    };
    let (step, kind) = (child.step.clone(), StepKind::Invoke);
    let body = match outcome {
        ChildOutcome::Completed(output) if output.len() > STEP_OUTPUT_BYTES => {
            failed(step, kind, "output of the child run is over the limit")
        }
        ChildOutcome::Completed(output) if !fits(state, output.len()) => {
            let message = "output of the child run would take this run over its limit of bytes";
            failed(step, kind, message)
        }
        ChildOutcome::Completed(output) => succeeded(step, kind, output),
        ChildOutcome::Failed(failure) => {
            let message = format!("child run {run} failed: {}", failure.message);
            failed(step, kind, &message)
        }
        ChildOutcome::Cancelled => {
            let message = format!("child run {run} was cancelled");
            failed(step, kind, &message)
        }
    };
    decided(state, now, [body], Reply::Accepted)
}

fn succeeded(step: StepAddress, kind: StepKind, output: Payload) -> EntryBody {
    EntryBody::StepSucceeded(StepSucceeded {
        step,
        kind,
        attempt: 1,
        output,
        database: None,
    })
}

fn failed(step: StepAddress, kind: StepKind, message: &str) -> EntryBody {
    EntryBody::StepFailed(StepFailed {
        step,
        kind,
        attempt: 1,
        failure: Failure::new(FailureClass::Terminal, message),
        retry_at: None,
    })
}
