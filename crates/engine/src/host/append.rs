//! One commit of a run: its entries, and everything of other runs that follows from them.

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Arc;

use stepwell::{FailedRun, StartOptions, StepAddress};
use stepwell_core::run::{Outcome, Outward, RunState, StepProgress, apply, due_at, outward};
use stepwell_core::{Entry, EntryBody, EventId, EventKey, Payload, RunId, WorkflowName};
use stepwell_store::{AgendaChange, Append, Change, Commit, InboxRow, RunHead, Seen, WaitChange};

use super::{After, RunHost, Stop, shown};
use crate::event_table::Places;
use crate::inbox::next_id;
use crate::shard::Wake;
use crate::starting::{Start, input_row, put_together};

/// What goes into the same commit as a run's own entries.
#[derive(Default)]
pub(crate) struct More<'t> {
    /// Runs that begin.
    pub(crate) appends: Vec<Append>,
    /// Other rows.
    pub(crate) changes: Vec<Change>,
    /// What follows once the commit is durable.
    pub(crate) after: Vec<After>,
    /// The lock under which events in it took their places.
    pub(crate) places: Option<Places<'t>>,
}

impl RunHost {
    /// Applies and orders `entries` with `more`; wakes the code they are about.
    pub(super) fn append(&self, entries: Vec<Entry>, more: More<'_>) {
        let Some((before, after)) = self.applied(&entries) else {
            return;
        };
        let More {
            mut appends,
            mut changes,
            after: mut follow,
            places,
        } = more;
        for told in outward(&before.children, &entries, &after) {
            self.tell(told, &mut changes, &mut follow);
        }
        if before.outcome_is_new_failure(&after) {
            self.start_failure_workflow(&after, &mut appends, &mut changes, &mut follow);
        }
        if entries.iter().any(|entry| entry.body == EntryBody::Resumed) {
            self.inner.borrow_mut().resumed = true;
        }
        let waits = self.waits_changed(&before.listening, &after, &mut follow);
        {
            let mut inner = self.inner.borrow_mut();
            let (now_shown, due) = (shown(&after), due_at(&after));
            let head = (now_shown != inner.shown).then(|| RunHead::of(&after));
            let agenda = AgendaChange {
                was: inner.agenda,
                now: due,
            };
            // First, so that what follows of other runs follows in the order of rows, too.
            appends.insert(
                0,
                Append {
                    run: self.run,
                    expected: before.next_seq,
                    entries,
                    head,
                    agenda,
                    waits,
                },
            );
            inner.shown = now_shown;
            inner.agenda = due;
        }
        let commit = Commit {
            fence: self.shared.store.fence(),
            seen: Seen::OWNER,
            appends,
            changes,
        };
        let ticket = self.shared.store.commit(commit);
        let ticket = match places {
            Some(places) => places.ordered(ticket),
            None => futures_util::FutureExt::shared(ticket),
        };
        let mut touched = before.touched;
        if before.passed_on {
            touched.extend(waits_to_go_on(&after));
        }
        self.installed(after, touched, ticket, follow);
    }

    /// Deletes rows that were answered without an entry; once that is durable, `wakes` have work.
    pub(super) fn answer(&self, changes: Vec<Change>, wakes: Vec<RunId>) {
        let commit = Commit {
            fence: self.shared.store.fence(),
            seen: Seen::OWNER,
            appends: Vec::new(),
            changes,
        };
        // Without an entry a commit says nothing of those before it, and the run waits for none:
        // should it be refused, the rows are answered again.
        let ticket = self.shared.store.commit(commit);
        let (shared, run) = (Arc::clone(&self.shared), self.run);
        tokio::task::spawn_local(async move {
            match ticket.await {
                Ok(()) => wakes
                    .into_iter()
                    .for_each(|run| shared.wake(run, Wake::Request(run))),
                Err(error) if error.retry() => shared.wake(run, Wake::Request(run)),
                Err(error) => shared.fail(&error),
            }
        });
    }

    /// The state after `entries`, and what of the state before them is still needed.
    fn applied(&self, entries: &[Entry]) -> Option<(Before, RunState)> {
        let state = self.inner.borrow_mut().state.take()?;
        let before = Before::of(&state, entries);
        match entries.iter().try_fold(state, apply) {
            Ok(state) => Some((before, state)),
            Err(illegal) => {
                // A bug of ours: nothing was committed, so nothing is wrong with what is stored.
                tracing::error!(run = %self.run, %illegal, "entry cannot follow; run is folded again");
                self.stop(Stop::Refold);
                None
            }
        }
    }

    /// The new state is in place: whoever it concerns looks again.
    fn installed(
        &self,
        state: RunState,
        touched: BTreeSet<StepAddress>,
        ticket: crate::event_table::SharedTicket,
        follow: Vec<After>,
    ) {
        let mut inner = self.inner.borrow_mut();
        inner.ordered += 1;
        let number = inner.ordered;
        let follow = follow.into_iter();
        let follow = follow.map(|after| (number, ticket.clone(), after));
        inner.after.extend(follow);
        if state.suspicion.is_none()
            && let Some(alone) = inner.alone.take()
        {
            // Progress: whatever took the engine down, it was not this. The next suspect comes in
            // once that is durable: should it kill the engine before, this run's mark would still
            // say that it was alone.
            let acquitted = (number, ticket.clone(), After::Acquit(alone));
            inner.after.push_back(acquitted);
        }
        inner.newest = Some(ticket);
        inner.changed = true;
        for body in inner
            .bodies
            .iter()
            .filter(|(step, _)| state.held(&step.branch))
        {
            body.1.token.cancel();
        }
        inner.state = Some(state);
        inner.wake_front();
        for step in touched {
            inner.wake(&step);
        }
        drop(inner);
        self.stirred.notify_waiters();
    }

    /// Rows for other runs, and who is woken for them.
    fn tell(&self, told: Outward, changes: &mut Vec<Change>, follow: &mut Vec<After>) {
        let (run, row) = match told {
            Outward::ChildEnded { parent, outcome } => {
                let row = InboxRow::ChildEnded {
                    run: self.run,
                    step: parent.step,
                    outcome,
                };
                (parent.run, row)
            }
            Outward::CancelChild { run, reason, kill } if kill => (run, InboxRow::Kill { reason }),
            Outward::CancelChild { run, reason, .. } => (run, InboxRow::Cancel { reason }),
        };
        let id = next_id(self.shared.store.fence());
        changes.push(Change::PutInbox(run, id, row));
        follow.push(After::Wake(run, Wake::Request(run)));
    }

    /// What the run begins and ceases to wait for. Counted before the commit, and taken back only
    /// once it is durable: a counter too high costs a look, one too low an event.
    fn waits_changed(
        &self,
        before: &BTreeSet<EventKey>,
        after: &RunState,
        follow: &mut Vec<After>,
    ) -> WaitChange {
        let begun: Vec<EventKey> = after
            .listening
            .keys()
            .filter(|key| !before.contains(key))
            .copied()
            .collect();
        let over: Vec<EventKey> = before
            .iter()
            .filter(|key| !after.listening.contains_key(key))
            .copied()
            .collect();
        begun.iter().for_each(|key| self.shared.events.watch(*key));
        follow.extend(over.iter().copied().map(After::Unwatch));
        WaitChange { begun, over }
    }

    /// The workflow for failed runs is started in the commit that ends this one.
    fn start_failure_workflow(
        &self,
        after: &RunState,
        appends: &mut Vec<Append>,
        changes: &mut Vec<Change>,
        follow: &mut Vec<After>,
    ) {
        let registry = &self.shared.registry;
        let failed = crate::drive::code_of(registry, &after.started).ok();
        let follows = failed.and_then(|workflow| workflow.on_failure());
        let follows = follows.and_then(|name| registry.get(&WorkflowName::new(name)));
        let (Some(workflow), Some(Outcome::Failed(failure))) = (follows, &after.outcome) else {
            return;
        };
        let input = self.inner.borrow().input.clone();
        let input = input.map(|input| serde_json::from_str(input.as_json()));
        let told = FailedRun {
            run: self.run.to_string(),
            workflow: after.started.workflow.to_string(),
            error: failure.message.clone(),
            step: failure.step.as_ref().map(ToString::to_string),
            event: after.started.event.to_string(),
            input: input.and_then(Result::ok).unwrap_or_default(),
        };
        let Ok(json) = serde_json::to_string(&told) else {
            return;
        };
        let (event, input) = (
            EventId::new(match after.reopened {
                0 => format!("stepwell/failed/{}", self.run),
                again => format!("stepwell/failed/{}/{again}", self.run),
            }),
            Payload::from_json(json),
        );
        let now = self.shared.clock.now();
        let start = Start {
            workflow,
            event: event.clone(),
            input: input.clone(),
            since: after.started.since,
            parent: None,
            options: StartOptions::default(),
        };
        if let Some(begun) = put_together(&self.shared, start, now) {
            let run = begun.run;
            changes.push(input_row(event, RUN_FAILED, input, vec![run], now));
            appends.push(begun.append);
            follow.push(After::Wake(run, Wake::Start(run, Box::new(begun.fresh))));
        }
    }
}

/// The name of the events that tell of failed runs.
const RUN_FAILED: &str = "stepwell/run.failed";

/// What of the state before a commit its consequences are told from.
struct Before {
    next_seq: stepwell_core::Seq,
    ended: bool,
    children: std::collections::BTreeMap<RunId, stepwell_core::run::Child>,
    listening: BTreeSet<EventKey>,
    touched: BTreeSet<StepAddress>,
    /// Whether a wait may have been told to look for what another did not take.
    passed_on: bool,
}

impl Before {
    fn of(state: &RunState, entries: &[Entry]) -> Self {
        let touched = entries.iter().flat_map(|entry| steps_of(&entry.body));
        let touched = touched.cloned().collect();
        let passed_on = entries.iter().any(|entry| may_pass_on(&entry.body));
        Self {
            next_seq: state.next_seq,
            ended: state.outcome.is_some(),
            children: state.children.clone(),
            listening: state.listening.keys().copied().collect(),
            touched,
            passed_on,
        }
    }

    fn outcome_is_new_failure(&self, after: &RunState) -> bool {
        !self.ended && matches!(after.outcome, Some(Outcome::Failed(_)))
    }
}

/// The waits whose code has something to do: judge what it is offered, or look.
fn waits_to_go_on(state: &RunState) -> impl Iterator<Item = StepAddress> {
    let last = |line: &Arc<str>| state.lines.steps(line).last();
    let waits = |step: &&StepAddress| {
        let known = state.steps.get(step);
        known.is_some_and(|known| matches!(known.progress, StepProgress::Waiting(_)))
    };
    state.lines.ready().filter_map(last).filter(waits).cloned()
}

/// Whether an entry about one wait may be about others for the same events as well.
fn may_pass_on(body: &EntryBody) -> bool {
    matches!(
        body,
        EntryBody::WaitStarted(_)
            | EntryBody::WaitTimedOut(_)
            | EntryBody::EventOffered(_)
            | EntryBody::EventReceived(_)
            | EntryBody::EventRejected(_)
            | EntryBody::BranchEnded(_)
            | EntryBody::UndoStarted(_)
    )
}

/// The steps whose code may have something to hear because of an entry.
fn steps_of(body: &EntryBody) -> &[StepAddress] {
    match body {
        EntryBody::StepSucceeded(fields) => from_ref(&fields.step),
        EntryBody::StepFailed(fields) => from_ref(&fields.step),
        EntryBody::WaitStarted(fields) => from_ref(&fields.step),
        EntryBody::WaitTimedOut(fields) => from_ref(&fields.step),
        EntryBody::EventOffered(fields) => from_ref(&fields.step),
        EntryBody::EventReceived(fields) => from_ref(&fields.step),
        EntryBody::EventRejected(fields) => from_ref(&fields.step),
        EntryBody::ChildStarted(fields) => from_ref(&fields.step),
        EntryBody::Recovered(fields) => {
            fields.step.as_ref().map_or(&[], |(step, _)| from_ref(step))
        }
        EntryBody::Retried(fields) => &fields.steps,
        EntryBody::RunStarted(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::SignalReceived(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::RunContinued(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::RunKilled(_) => &[],
    }
}
