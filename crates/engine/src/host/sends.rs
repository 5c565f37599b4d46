//! What a run sends and starts: in the commit that records the step, ordered with it.

use std::rc::Rc;

use stepwell::host::ChildAsk;
use stepwell::{OutgoingEvent, RunRef, StartOptions, StepAddress};
use stepwell_core::entry::ChildStarted;
use stepwell_core::limits::{EVENTS_PER_REQUEST, STEP_OUTPUT_BYTES};
use stepwell_core::run::{Command, FinishStep};
use stepwell_core::{
    EventId, Failure, FailureClass, Parent, Payload, RetryPolicy, StepKind, Timestamp, WorkflowName,
};
use stepwell_store::{Change, InboxRow, Seen};

use super::{After, More, READ_AGAIN_AFTER, RunHost};
use crate::calls::{check_signal, resolve};
use crate::inbox::next_id;
use crate::intake::{NewEvent, Prepared, REQUEST_BYTES_MAX, check_one};
use crate::shard::Wake;
use crate::starting::{STARTED, Start, input_row, put_together};

impl RunHost {
    /// Sends events as the effect of `step`.
    pub(super) fn send(
        self: &Rc<Self>,
        step: StepAddress,
        events: Vec<OutgoingEvent>,
    ) -> Result<(), Failure> {
        if events.len() > EVENTS_PER_REQUEST {
            let count = events.len();
            return Err(impossible(format!(
                "{count} events are over the limit of {EVENTS_PER_REQUEST}"
            )));
        }
        let events: Vec<NewEvent> = events.into_iter().map(NewEvent::from).collect();
        for event in &events {
            let checked = NewEvent {
                // Derived, which no other sender's may be.
                id: None,
                ..event.clone()
            };
            check_one(&self.shared, &checked)
                .map_err(|why| impossible(format!("event {}: {why}", event.name)))?;
        }
        let bytes: usize = events.iter().map(|event| event.data.len()).sum();
        if bytes > REQUEST_BYTES_MAX {
            return Err(impossible(format!(
                "events carry {bytes} bytes of data, over the limit of {REQUEST_BYTES_MAX} a step"
            )));
        }
        let now = self.shared.clock.now();
        let mut places = self.shared.events.lock();
        let mut prepared = Prepared::empty(&self.shared, Seen::OWNER);
        for event in &events {
            let id = EventId::new(event.id.clone().unwrap_or_default());
            prepared.add(&self.shared, &mut places, event, id, now);
        }
        let mut after: Vec<After> = Vec::new();
        for (run, fresh) in prepared.starts {
            after.push(After::Wake(run, Wake::Start(run, fresh)));
        }
        after.push(After::Deliver(prepared.deliveries));
        let more = More {
            appends: prepared.commit.appends,
            changes: prepared.commit.changes,
            after,
            places: Some(places),
        };
        self.ask_with(done(step, StepKind::Send), more);
        Ok(())
    }

    /// Signals another run as the effect of `step`.
    pub(super) async fn signal(
        self: &Rc<Self>,
        step: StepAddress,
        run: RunRef,
        name: String,
        data: Payload,
    ) -> Result<(), Failure> {
        check_signal(&self.shared, &name, &data).map_err(impossible)?;
        let busy = self.busy();
        let run = loop {
            match resolve(&self.shared, run.clone()).await {
                Ok(run) => break run,
                Err(stepwell::SendError::NotFound { why }) => return Err(impossible(why)),
                Err(error) => {
                    // The store says nothing of the run that is meant: it is looked up again.
                    tracing::error!(run = %self.run, %error, "run to be signalled cannot be looked up");
                    tokio::time::sleep(READ_AGAIN_AFTER).await;
                }
            }
        };
        drop(busy);
        if self.stands_still(&step.branch) {
            // Paused, cancelled or lost during the look: then nothing is sent.
            return std::future::pending().await;
        }
        let id = next_id(self.shared.store.fence());
        let row = InboxRow::Signal { name, data };
        let more = More {
            changes: vec![Change::PutInbox(run, id, row)],
            after: vec![After::Wake(run, Wake::Request(run))],
            ..More::default()
        };
        self.ask_with(done(step, StepKind::SendSignal), more);
        Ok(())
    }

    /// Starts another run as the effect of a step.
    pub(super) fn start_child(self: &Rc<Self>, ask: ChildAsk) -> Result<(), Failure> {
        let name = WorkflowName::new(ask.workflow);
        let version = ask.version;
        let Some(workflow) = self.shared.registry.version(&name, version) else {
            return Err(impossible(format!(
                "workflow {name} is not registered with version {version}: add it with \
                 Registry::with"
            )));
        };
        check_input(&ask.input)?;
        let now = self.shared.clock.now();
        let places = self.shared.events.lock();
        let again = self.with_state(|state| state.reopened).unwrap_or(0);
        let event = EventId::derived(&match again {
            0 => format!("{}/{}", self.run, ask.step),
            again => format!("{}/{}/{again}", self.run, ask.step),
        });
        let parent = (!ask.detached).then(|| Parent {
            run: self.run,
            step: ask.step.clone(),
        });
        let start = Start {
            workflow,
            event: event.clone(),
            input: ask.input.clone(),
            since: places.newest(),
            parent,
            options: ask.options,
        };
        let Some(begun) = put_together(&self.shared, start, now) else {
            return Err(impossible(format!("run of {name} cannot be put together")));
        };
        let run = begun.run;
        let command = Command::StartChild(ChildStarted {
            step: ask.step,
            run,
            workflow: name,
            detached: ask.detached,
            close: ask.close,
        });
        let more = More {
            appends: vec![begun.append],
            changes: vec![input_row(event, STARTED, ask.input, vec![run], now)],
            after: vec![After::Wake(run, Wake::Start(run, Box::new(begun.fresh)))],
            places: Some(places),
        };
        self.ask_with(command, more);
        Ok(())
    }

    /// Ends the run and begins the one it goes on as, in one commit.
    pub(super) fn go_on(self: &Rc<Self>, input: Payload, passed: usize) -> Result<(), Failure> {
        check_input(&input)?;
        let read =
            |state: &stepwell_core::run::RunState| (state.started.clone(), state.signals.clone());
        let Some((started, signals)) = self.with_state(read) else {
            return Ok(());
        };
        let Some(workflow) = self.shared.registry.get(&started.workflow) else {
            return Ok(());
        };
        let now = self.shared.clock.now();
        let places = self.shared.events.lock();
        let event = EventId::new(format!("stepwell/continued/{}", self.run));
        let start = Start {
            workflow,
            event: event.clone(),
            input: input.clone(),
            since: places.newest(),
            parent: started.parent,
            options: StartOptions {
                // A deadline is for the whole, however many journals it takes.
                finish_within: started.finish_by.map(|at: Timestamp| at.since(now)),
                ..StartOptions::default()
            },
        };
        let Some(begun) = put_together(&self.shared, start, now) else {
            return Err(impossible("run cannot be put together".to_owned()));
        };
        let next = begun.run;
        let mut changes = vec![input_row(event, STARTED, input, vec![next], now)];
        // Signals nobody asked for yet were meant for the whole, not for this journal.
        for (name, queue) in signals {
            for data in queue {
                let name = name.clone();
                let id = next_id(self.shared.store.fence());
                changes.push(Change::PutInbox(next, id, InboxRow::Signal { name, data }));
            }
        }
        let mut after = vec![After::Wake(next, Wake::Start(next, Box::new(begun.fresh)))];
        if changes.len() > 1 {
            // A fresh run knows of nothing that was left for it.
            after.push(After::Wake(next, Wake::Request(next)));
        }
        let more = More {
            appends: vec![begun.append],
            changes,
            after,
            places: Some(places),
        };
        // A run that is being cancelled goes on as nothing: then nothing is committed.
        self.ask_with(Command::Continue { next, passed }, more);
        Ok(())
    }
}

fn done(step: StepAddress, kind: StepKind) -> Command {
    Command::FinishStep(FinishStep {
        step,
        kind,
        attempt: 1,
        result: Ok(Payload::null()),
        policy: RetryPolicy::default().with_retries(0),
        database: None,
    })
}

/// Refuses what is too large to be the input of a run that code starts.
fn check_input(input: &Payload) -> Result<(), Failure> {
    let bytes = input.len();
    if bytes > STEP_OUTPUT_BYTES {
        return Err(impossible(format!(
            "input of {bytes} bytes is over the limit of {STEP_OUTPUT_BYTES}"
        )));
    }
    Ok(())
}

fn impossible(why: String) -> Failure {
    Failure::new(FailureClass::Terminal, why)
}
