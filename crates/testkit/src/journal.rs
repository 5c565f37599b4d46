//! The journal of a run as a test asks it: steps, results, attempts, waits, with failures in words.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell::{Payload, RunId, Timestamp};
use stepwell_core::run::RunStatus;
use stepwell_core::{Entry, EntryBody, Failure, StepAddress};
use stepwell_engine::{JournalView, OpenWait};

use crate::ensure::broken;
use crate::in_words::{entry_in_words, instant, length, shown};

/// The journal of one run, as it stood when it was asked for. Displayed, it is the journal in words.
///
/// Steps are named as journals name them: `charge`, `charge:2` for the second use of a name,
/// `first/0/charge` on a branch.
#[derive(Debug, Clone)]
pub struct Journal {
    view: JournalView,
}

impl Journal {
    pub(crate) fn new(view: JournalView) -> Self {
        Self { view }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.view.run.head.run
    }

    /// How the run stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.view.run.head.status
    }

    /// Its entries in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.view.entries
    }

    /// The steps whose end is recorded, in the order of the journal: with a result, a last error, an
    /// event, or because their time was over.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let ended = self.entries().iter().filter_map(|entry| ended(&entry.body));
        ended.map(ToString::to_string).collect()
    }

    /// What a step recorded as its result; `None` while it has none, or it does not read as `T`.
    #[must_use]
    pub fn result<T: DeserializeOwned>(&self, step: &str) -> Option<T> {
        let output = self.output(step)?;
        serde_json::from_str(output.as_json()).ok()
    }

    /// How many attempts at a step are recorded, those cut short by a crash counted.
    #[must_use]
    pub fn attempts(&self, step: &str) -> u32 {
        let attempts = self.entries().iter().filter_map(|entry| match &entry.body {
            EntryBody::StepSucceeded(fields) => Some((&fields.step, fields.attempt)),
            EntryBody::StepFailed(fields) => Some((&fields.step, fields.attempt)),
            EntryBody::Recovered(fields) => {
                let step = fields.step.as_ref();
                step.map(|(step, _)| (step, fields.attempt))
            }
            _ => None,
        });
        let of_step = attempts.filter(|(address, _)| address.to_string() == step);
        of_step.map(|(_, attempt)| attempt).max().unwrap_or(0)
    }

    /// What the attempts at a step failed with, oldest first.
    #[must_use]
    pub fn failures(&self, step: &str) -> Vec<&Failure> {
        let failed = self.entries().iter().filter_map(|entry| match &entry.body {
            EntryBody::StepFailed(fields) if fields.step.to_string() == step => {
                Some(&fields.failure)
            }
            _ => None,
        });
        failed.collect()
    }

    /// What the run waits for.
    #[must_use]
    pub fn waits(&self) -> &[OpenWait] {
        let standing = self.view.run.standing.as_ref();
        standing.map_or(&[], |standing| &standing.waits)
    }

    /// Fails the test unless [`Journal::steps`] are these.
    #[track_caller]
    pub fn assert_steps(&self, expected: &[&str]) {
        let found = self.steps();
        self.assert(found == expected, || {
            format!(
                "expected the steps {}, found {}",
                list(expected),
                list(&found)
            )
        });
    }

    /// Fails the test unless the step recorded this as its result.
    #[track_caller]
    pub fn assert_result(&self, step: &str, expected: &impl Serialize) {
        let expected = serde_json::to_value(expected).unwrap_or_default();
        let found: Option<serde_json::Value> = self.result(step);
        self.assert(found.as_ref() == Some(&expected), || {
            let found = self.output(step);
            let found = found.map_or_else(|| "none".to_owned(), shown);
            format!("expected the result {expected} of step {step}, found {found}")
        });
    }

    /// Fails the test unless so many attempts at the step are recorded.
    #[track_caller]
    pub fn assert_attempts(&self, step: &str, expected: u32) {
        let found = self.attempts(step);
        self.assert(found == expected, || {
            format!("expected {expected} attempt(s) at step {step}, found {found}")
        });
    }

    /// Fails the test unless the run stands so.
    #[track_caller]
    pub fn assert_status(&self, expected: RunStatus) {
        let found = self.status();
        self.assert(found == expected, || {
            format!("expected the run to be {expected}, it is {found}")
        });
    }

    /// Fails the test unless the run waits in this step.
    #[track_caller]
    pub fn assert_waits_in(&self, step: &str) {
        let waits = self.waits().iter().filter_map(|wait| wait.step.as_ref());
        let waits: Vec<_> = waits.map(ToString::to_string).collect();
        self.assert(waits.iter().any(|wait| wait == step), || {
            format!(
                "expected a wait in step {step}, the run waits in {}",
                list(&waits)
            )
        });
    }

    #[track_caller]
    fn assert(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            broken(format_args!("{}\n{self}", otherwise()));
        }
    }

    fn output(&self, step: &str) -> Option<&Payload> {
        self.entries().iter().find_map(|entry| match &entry.body {
            EntryBody::StepSucceeded(fields) if fields.step.to_string() == step => {
                Some(&fields.output)
            }
            _ => None,
        })
    }
}

/// The step whose end an entry records.
fn ended(body: &EntryBody) -> Option<&StepAddress> {
    match body {
        EntryBody::StepSucceeded(fields) => Some(&fields.step),
        EntryBody::StepFailed(fields) if fields.retry_at.is_none() => Some(&fields.step),
        EntryBody::WaitTimedOut(fields) => Some(&fields.step),
        EntryBody::EventReceived(fields) => Some(&fields.step),
        _ => None,
    }
}

fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", items.join(", "))
}

impl Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.view.run.head;
        let begin = instant(head.started_at);
        writeln!(
            f,
            "run {} of {} is {}; it began at {begin}:",
            head.run, head.workflow, head.status
        )?;
        for entry in self.entries() {
            let after = length(entry.at.since(head.started_at));
            writeln!(
                f,
                "  {:>3}  +{after:<12} {}",
                entry.seq,
                entry_in_words(entry)
            )?;
        }
        for wait in self.waits() {
            writeln!(f, "       now          {}", waited_for(wait))?;
        }
        Ok(())
    }
}

fn waited_for(wait: &OpenWait) -> String {
    use stepwell_core::WaitOn;
    use stepwell_engine::WaitedFor;

    let within = wait.step.as_ref();
    let within = within.map_or_else(|| "it".to_owned(), |step| format!("step {step}"));
    let on = match &wait.on {
        WaitedFor::Start => "its begin".to_owned(),
        WaitedFor::Retry => "its next attempt".to_owned(),
        WaitedFor::On(WaitOn::Until) => "an instant".to_owned(),
        WaitedFor::On(WaitOn::Event { awaited, .. }) => {
            format!("event {} with key {:?}", awaited.name, awaited.key)
        }
        WaitedFor::On(WaitOn::Signal { name }) => format!("signal {name}"),
        WaitedFor::Child(run) => format!("the end of run {run}"),
    };
    let until = wait.until.map_or_else(String::new, |at: Timestamp| {
        format!(", until {}", instant(at))
    });
    format!("{within} waits for {on}{until}")
}
