//! What becomes of a wait: an instant, an event, a signal, the end of a child.

use std::collections::BTreeSet;

use super::steps::{conclude, due};
use super::{Illegal, count, progressed};
use crate::entry::{
    Awaited, ChildStarted, Entry, EventOffered, EventReceived, EventRejected, ParentClose,
    SignalReceived, StepKind, WaitOn, WaitStarted, WaitTimedOut,
};
use crate::ids::{EventId, EventKey, Seq, StepAddress};
use crate::payload::Payload;
use crate::run::command::Subject;
use crate::run::state::{Awaiting, Child, RunState, StepOutcome, StepProgress, Wait};

/// One more wait of the run is indexed under `key`.
pub(super) fn listen(state: &mut RunState, key: EventKey) {
    let count = state.listening.entry(key).or_insert(0);
    *count = count.saturating_add(1);
}

fn unlisten(state: &mut RunState, key: EventKey) {
    if let Some(count) = state.listening.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.listening.remove(&key);
        }
    }
}

pub(super) fn started(state: &mut RunState, seq: Seq, fields: &WaitStarted) -> Result<(), Illegal> {
    if looked_again(state, seq, fields)? {
        return Ok(());
    }
    let wait = Wait {
        on: Awaiting::On(fields.on.clone()),
        until: fields.until,
        offered: None,
        rejected: BTreeSet::new(),
        look: false,
    };
    open(state, seq, &fields.step, fields.on.kind(), wait)?;
    about(state, &fields.step, Subject::of(&fields.on));
    if let WaitOn::Event { awaited, .. } = &fields.on {
        listen(state, awaited.digest());
    }
    Ok(())
}

fn about(state: &mut RunState, step: &StepAddress, subject: Option<Subject>) {
    if let Some(known) = state.steps.get_mut(step) {
        known.subject = subject;
    }
}

/// A wait that looked at what is stored once more, found nothing for it, and waits on.
fn looked_again(state: &mut RunState, seq: Seq, fields: &WaitStarted) -> Result<bool, Illegal> {
    let known = state.steps.get_mut(&fields.step);
    let Some(StepProgress::Waiting(wait)) = known.map(|known| &mut known.progress) else {
        return Ok(false);
    };
    let same = wait.on == Awaiting::On(fields.on.clone()) && wait.until == fields.until;
    if !wait.look || !same {
        return Ok(false);
    }
    wait.look = false;
    not_held(state, seq, &fields.step)?;
    state.refresh(&fields.step.branch);
    progressed(state);
    Ok(true)
}

fn open(
    state: &mut RunState,
    seq: Seq,
    address: &StepAddress,
    kind: StepKind,
    wait: Wait,
) -> Result<(), Illegal> {
    not_held(state, seq, address)?;
    let step = due(state, seq, address, kind)?;
    if let StepProgress::Waiting(_) = step.progress {
        let step = address.clone();
        return Err(Illegal::RecordedTwice { seq, step });
    }
    if wait.on != Awaiting::On(WaitOn::Until) {
        state.waiting.push(address.clone());
    }
    if let Awaiting::On(on) = &wait.on {
        state.waiters.began(on, address);
    }
    if let Some(step) = state.steps.get_mut(address) {
        step.progress = StepProgress::Waiting(Box::new(wait));
    }
    state.refresh(&address.branch);
    progressed(state);
    Ok(())
}

/// Refuses what only begins, or is handed out, on a line that is not held.
pub(super) fn not_held(state: &RunState, seq: Seq, step: &StepAddress) -> Result<(), Illegal> {
    if state.held(&step.branch) {
        let step = step.clone();
        return Err(Illegal::NotUnderWay { seq, step });
    }
    Ok(())
}

/// Whether something from outside ends the wait of `step`.
pub(super) fn ends_by_arrival(state: &RunState, step: &StepAddress) -> bool {
    let Some(known) = state.steps.get(step) else {
        return false;
    };
    let StepProgress::Waiting(wait) = &known.progress else {
        return false;
    };
    match &wait.on {
        Awaiting::On(WaitOn::Until) => false,
        Awaiting::On(WaitOn::Event { .. } | WaitOn::Signal { .. }) => !state.held(&step.branch),
        Awaiting::Child(run) => state.children.contains_key(run),
    }
}

/// `step` waits no more, if it did.
pub(super) fn closed(state: &mut RunState, step: &StepAddress) {
    let Some(StepProgress::Waiting(wait)) = state.steps.get(step).map(|known| &known.progress)
    else {
        return;
    };
    let kept = wait.offered.as_ref().map(|(event, _)| event.clone());
    let (passes, on) = (wait.look || kept.is_some(), wait.on.clone());
    if let Some(event) = &kept {
        state.waiters.settled(event);
    }
    match on {
        Awaiting::On(WaitOn::Until) => return,
        Awaiting::On(on) => {
            state.waiters.closed(&on, step);
            if let WaitOn::Event { awaited, .. } = &on {
                unlisten(state, awaited.digest());
                if passes {
                    pass_on(state, awaited, kept.as_ref());
                }
            }
        }
        Awaiting::Child(run) => drop(state.children.remove(&run)),
    }
    if let Some(at) = state.waiting.iter().position(|waiting| waiting == step) {
        state.waiting.remove(at);
    }
}

fn wait_of<'s>(
    state: &'s mut RunState,
    seq: Seq,
    step: &StepAddress,
) -> Result<&'s mut Wait, Illegal> {
    match state.steps.get_mut(step).map(|known| &mut known.progress) {
        Some(StepProgress::Waiting(wait)) => Ok(wait),
        Some(StepProgress::Open { .. } | StepProgress::Forked(_) | StepProgress::Done(_))
        | None => Err(Illegal::StandsElsewhere {
            seq,
            step: step.clone(),
        }),
    }
}

/// A wait for an instant is over, at the instant and not before.
pub(super) fn slept(
    state: &mut RunState,
    entry: &Entry,
    step: &StepAddress,
) -> Result<(), Illegal> {
    let over = |wait: &Wait| wait.on == Awaiting::On(WaitOn::Until);
    reached(state, entry, step, over)
}

pub(super) fn timed_out(
    state: &mut RunState,
    entry: &Entry,
    fields: &WaitTimedOut,
) -> Result<(), Illegal> {
    let over = |wait: &Wait| {
        let undecided = wait.offered.is_some() || wait.look;
        wait.on != Awaiting::On(WaitOn::Until) && !undecided
    };
    reached(state, entry, &fields.step, over)?;
    closed(state, &fields.step);
    state.results.push(fields.step.clone());
    conclude(state, &fields.step, StepOutcome::TimedOut);
    progressed(state);
    Ok(())
}

fn reached(
    state: &mut RunState,
    entry: &Entry,
    step: &StepAddress,
    over: impl FnOnce(&Wait) -> bool,
) -> Result<(), Illegal> {
    let seq = entry.seq;
    not_held(state, seq, step)?;
    let wait = wait_of(state, seq, step)?;
    if over(wait) && wait.until.is_some_and(|until| until <= entry.at) {
        return Ok(());
    }
    let step = step.clone();
    Err(Illegal::StandsElsewhere { seq, step })
}

/// The wait of `step`, to which `event` may be given as it comes, or is offered to be `judged`.
fn taking<'s>(
    state: &'s mut RunState,
    seq: Seq,
    step: &StepAddress,
    event: &EventId,
    offer: bool,
) -> Result<&'s mut Wait, Illegal> {
    not_held(state, seq, step)?;
    let given = state.received.contains(event) || state.waiters.is_judged(event);
    if given || *event == state.started.event {
        let event = event.clone();
        return Err(Illegal::EventTwice { seq, event });
    }
    let wait = wait_of(state, seq, step)?;
    let fits = matches!(
        &wait.on,
        Awaiting::On(WaitOn::Event { judged, .. }) if *judged == offer
    );
    if !fits || wait.offered.is_some() || wait.rejected.contains(event) {
        let step = step.clone();
        return Err(Illegal::StandsElsewhere { seq, step });
    }
    Ok(wait)
}

pub(super) fn offered(
    state: &mut RunState,
    seq: Seq,
    fields: &EventOffered,
) -> Result<(), Illegal> {
    let wait = taking(state, seq, &fields.step, &fields.event, true)?;
    wait.offered = Some((fields.event.clone(), fields.data.clone()));
    wait.look = false;
    state.waiters.offered(&fields.event);
    count(state, fields.data.len());
    state.refresh(&fields.step.branch);
    Ok(())
}

pub(super) fn received(
    state: &mut RunState,
    seq: Seq,
    fields: &EventReceived,
) -> Result<(), Illegal> {
    let data: Payload = match &fields.data {
        Some(data) => {
            taking(state, seq, &fields.step, &fields.event, false)?;
            count(state, data.len());
            data.clone()
        }
        None => {
            let data = judged(state, seq, &fields.step, &fields.event)?;
            progressed(state);
            data
        }
    };
    state.received.insert(fields.event.clone());
    closed(state, &fields.step);
    state.results.push(fields.step.clone());
    conclude(state, &fields.step, StepOutcome::Succeeded(data));
    Ok(())
}

pub(super) fn rejected(
    state: &mut RunState,
    seq: Seq,
    fields: &EventRejected,
) -> Result<(), Illegal> {
    judged(state, seq, &fields.step, &fields.event)?;
    let wait = wait_of(state, seq, &fields.step)?;
    wait.rejected.insert(fields.event.clone());
    if let Awaiting::On(WaitOn::Event { awaited, .. }) = wait.on.clone() {
        pass_on(state, &awaited, Some(&fields.event));
    }
    state.refresh(&fields.step.branch);
    progressed(state);
    Ok(())
}

/// The next free wait for `awaited` looks at what is stored: it may hold the event `kept` from it
/// by a wait that has turned it down or is over, or others that came while that wait was judging.
///
/// One at a time: each takes something, or passes on what it turns down, or finds nothing, and
/// then the others would not either.
fn pass_on(state: &mut RunState, awaited: &Awaited, kept: Option<&EventId>) {
    let free = |step: &&StepAddress| {
        let known = state.steps.get(*step).map(|known| &known.progress);
        let Some(StepProgress::Waiting(wait)) = known else {
            return false;
        };
        let turned_down = kept.is_some_and(|event| wait.rejected.contains(event));
        wait.offered.is_none() && !turned_down && !state.held(&step.branch)
    };
    let next = state.waiters.for_event(awaited).iter().find(free).cloned();
    let Some(step) = next else { return };
    let known = state.steps.get_mut(&step).map(|known| &mut known.progress);
    if let Some(StepProgress::Waiting(wait)) = known {
        wait.look = true;
    }
    state.refresh(&step.branch);
}

/// Code judged the `event` that `step` was offered; its data. Others may have come meanwhile.
fn judged(
    state: &mut RunState,
    seq: Seq,
    step: &StepAddress,
    event: &EventId,
) -> Result<Payload, Illegal> {
    not_held(state, seq, step)?;
    let wait = wait_of(state, seq, step)?;
    wait.look = true;
    match wait.offered.take() {
        Some((offered, data)) if offered == *event => {
            state.waiters.settled(event);
            Ok(data)
        }
        Some(_) | None => {
            let step = step.clone();
            Err(Illegal::StandsElsewhere { seq, step })
        }
    }
}

pub(super) fn signalled(state: &mut RunState, fields: &SignalReceived) {
    count(state, fields.data.len());
    let waiting = state.signals.entry(fields.name.clone()).or_default();
    waiting.push_back(fields.data.clone());
}

/// The oldest signal of the name `step` waits for is its result.
pub(super) fn signal_taken(
    state: &mut RunState,
    seq: Seq,
    step: &StepAddress,
    output: &Payload,
) -> Result<(), Illegal> {
    let elsewhere = || Illegal::StandsElsewhere {
        seq,
        step: step.clone(),
    };
    not_held(state, seq, step)?;
    let on = wait_of(state, seq, step)?.on.clone();
    let Awaiting::On(WaitOn::Signal { name }) = on else {
        return Err(elsewhere());
    };
    let queue = state.signals.get_mut(&name).ok_or_else(elsewhere)?;
    if queue.pop_front().as_ref() != Some(output) {
        return Err(elsewhere());
    }
    if queue.is_empty() {
        state.signals.remove(&name);
    }
    Ok(())
}

pub(super) fn child_started(
    state: &mut RunState,
    seq: Seq,
    fields: &ChildStarted,
) -> Result<(), Illegal> {
    let address = &fields.step;
    if state.children.contains_key(&fields.run) {
        let step = address.clone();
        return Err(Illegal::StandsElsewhere { seq, step });
    }
    let child = Child {
        step: address.clone(),
        awaited: !fields.detached,
        close: fields.close,
    };
    if fields.detached {
        not_held(state, seq, address)?;
        due(state, seq, address, StepKind::Start)?;
        state.results.push(address.clone());
        let run = Payload::from_json(format!("\"{}\"", fields.run));
        count(state, run.len());
        progressed(state);
        conclude(state, address, StepOutcome::Succeeded(run));
    } else {
        let wait = Wait {
            on: Awaiting::Child(fields.run),
            until: None,
            offered: None,
            rejected: BTreeSet::new(),
            look: false,
        };
        open(state, seq, address, StepKind::Invoke, wait)?;
    }
    let workflow = Subject::Workflow(fields.workflow.clone());
    about(state, address, Some(workflow));
    if child.awaited || child.close == ParentClose::Cancel {
        state.children.insert(fields.run, child);
    }
    Ok(())
}
