//! Commits as an engine would make them, in a line each: runs that start, take steps and end.

use std::collections::BTreeSet;

use stepwell_core::entry::{
    EventReceived, RunCompleted, RunKilled, RunStarted, StepSucceeded, WaitStarted,
};
use stepwell_core::run::{RunState, due_at, fold};
use stepwell_core::{
    Awaited, Entry, EntryBody, EventId, EventKey, EventOrder, Fence, Payload, RunId, Seq,
    StepAddress, StepKind, Timestamp, WaitOn, WorkflowName,
};
use stepwell_store::{AgendaChange, Append, Change, Commit, EventRow, RunHead, Seen, WaitChange};

/// The name of every scripted workflow.
pub const WORKFLOW: &str = "scripted";

/// The id of the `nth` scripted run; ids sort by `nth`.
#[must_use]
pub fn run_id(nth: u64) -> RunId {
    // No run has the id of zeros, which stands for no run.
    RunId::from_bytes((1 << 120 | u128::from(nth)).to_be_bytes())
}

/// The id of the event that starts the `nth` scripted run.
#[must_use]
pub fn event_id(nth: u64) -> EventId {
    EventId::new(format!("event-{nth}"))
}

/// One run under a script: it knows where the run stands, as an engine's driver does.
#[derive(Debug, Clone)]
pub struct Script {
    nth: u64,
    entries: Vec<Entry>,
}

impl Script {
    /// The `nth` run, not started yet.
    #[must_use]
    pub fn new(nth: u64) -> Self {
        Self {
            nth,
            entries: Vec::new(),
        }
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> RunId {
        run_id(self.nth)
    }

    /// The id of its event.
    #[must_use]
    pub fn event(&self) -> EventId {
        event_id(self.nth)
    }

    /// The entries scripted so far.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The commit that stores the event and starts the run, as intake makes it.
    pub fn start(&mut self, fence: Fence, seen: Seen) -> Commit {
        let (append, event) = self.start_parts();
        Commit {
            fence,
            seen,
            appends: vec![append],
            changes: vec![Change::NewEvent(event)],
        }
    }

    /// The parts of [`Script::start`], for commits that start several runs.
    pub fn start_parts(&mut self) -> (Append, EventRow) {
        let event = EventRow {
            id: self.event(),
            name: "script/started".to_owned(),
            data: Payload::from_json(format!("{{\"nth\":{}}}", self.nth)),
            user: None,
            v: None,
            ts: None,
            received_at: Timestamp::from_ms(1),
            runs: vec![self.run()],
        };
        let append = self.append(EntryBody::RunStarted(RunStarted {
            workflow: WorkflowName::new(WORKFLOW),
            version: 1,
            event: self.event(),
            input_bytes: event.data.len() as u64,
            since: EventOrder::BEGINNING,
            parent: None,
            cancel_on: Vec::new(),
            start_at: None,
            start_by: None,
            finish_by: None,
            forked: None,
        }));
        (append, event)
    }

    /// The commit that records the next step with an output of `bytes` bytes.
    pub fn step(&mut self, fence: Fence, bytes: usize) -> Commit {
        let nth = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let text = "s".repeat(bytes.saturating_sub(2));
        let append = self.append(EntryBody::StepSucceeded(StepSucceeded {
            step: address("step", nth),
            kind: StepKind::Run,
            attempt: 1,
            output: Payload::from_json(format!("\"{text}\"")),
            database: None,
        }));
        commit(fence, append)
    }

    /// The commit by which the run begins to wait for `awaited`.
    pub fn wait_for(&mut self, fence: Fence, awaited: &Awaited) -> Commit {
        let nth = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let append = self.append(EntryBody::WaitStarted(WaitStarted {
            step: address("wait", nth),
            on: WaitOn::Event {
                awaited: awaited.clone(),
                judged: false,
            },
            until: None,
        }));
        commit(fence, append)
    }

    /// The commit by which the wait of the run, which must be open, has `event`.
    pub fn receive(&mut self, fence: Fence, event: &EventId) -> Commit {
        let open = self.state().and_then(|state| state.waiting.last().cloned());
        let append = self.append(EntryBody::EventReceived(EventReceived {
            step: open.unwrap_or_else(|| address("wait", 1)),
            event: event.clone(),
            data: Some(Payload::null()),
        }));
        commit(fence, append)
    }

    /// The commit that ends the run.
    pub fn complete(&mut self, fence: Fence) -> Commit {
        let append = self.append(EntryBody::RunCompleted(RunCompleted {
            output: Payload::null(),
        }));
        commit(fence, append)
    }

    /// The commit that ends the run where it stands, its waits with it.
    pub fn kill(&mut self, fence: Fence) -> Commit {
        let append = self.append(EntryBody::RunKilled(RunKilled {
            reason: "by script".to_owned(),
        }));
        commit(fence, append)
    }

    /// Takes back the last scripted commit, which was refused.
    pub fn forget_last(&mut self) {
        self.entries.pop();
    }

    /// The state after the entries scripted so far; `None` before the start.
    #[must_use]
    pub fn state(&self) -> Option<RunState> {
        fold(self.run(), &self.entries).ok()
    }

    fn append(&mut self, body: EntryBody) -> Append {
        let expected = Seq(self.entries.len() as u64);
        let was = self.state();
        let entry = Entry {
            seq: expected,
            at: Timestamp::from_ms(10 + expected.0),
            body,
        };
        self.entries.push(entry.clone());
        let now = self.state();
        let heads = (was.as_ref().map(RunHead::of), now.as_ref().map(RunHead::of));
        let changed =
            heads.0.as_ref().map(|head| head.status) != heads.1.as_ref().map(|h| h.status);
        Append {
            run: self.run(),
            expected,
            entries: vec![entry],
            head: heads.1.filter(|_| changed),
            agenda: AgendaChange {
                was: was.as_ref().and_then(due_at),
                now: now.as_ref().and_then(due_at),
            },
            waits: wait_change(was.as_ref(), now.as_ref()),
        }
    }
}

/// What a run that went from `was` to `now` begins and ceases to wait for.
fn wait_change(was: Option<&RunState>, now: Option<&RunState>) -> WaitChange {
    let keys = |state: Option<&RunState>| -> BTreeSet<EventKey> {
        let listening = state.map(|state| state.listening.keys().copied());
        listening.into_iter().flatten().collect()
    };
    let (was, now) = (keys(was), keys(now));
    WaitChange {
        begun: now.difference(&was).copied().collect(),
        over: was.difference(&now).copied().collect(),
    }
}

fn address(name: &str, nth: u32) -> StepAddress {
    StepAddress {
        branch: "".into(),
        name: name.into(),
        nth,
    }
}

fn commit(fence: Fence, append: Append) -> Commit {
    Commit {
        fence,
        seen: Seen::default(),
        appends: vec![append],
        changes: Vec::new(),
    }
}
