//! Text in, text out: a small language of commands, and what the state machine makes of each.
//!
//! One command a line. `+5s`, `-2s`, `+10ms` move the clock. Steps are written `name`, `name:2`
//! or `branch/name`, with the kind of call in front unless it is `run`, and `#3` behind them where
//! a particular attempt is meant; otherwise the attempt last handed out is. The script counts the
//! steps that code passed, as code does; `again` begins a replay from the top.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::Expect;

use super::laws;
use crate::entry::{Entry, EntryBody, Failure, FailureClass, QuarantineReason, StepKind};
use crate::ids::{RunId, Seq, StepAddress, WorkflowName};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{Command, Ended, FinishStep, Mark, Refusal, Reply, StartStep};
use crate::run::state::{RunState, StepOutcome};
use crate::run::{Decision, Next, next};
use crate::time::Timestamp;

/// Plays `script` and compares what comes out.
#[track_caller]
pub(super) fn check(script: &str, expected: Expect) {
    expected.assert_eq(&play(script));
}

/// What comes of `script`: each line repeated, with the entries and the answer it was given.
pub(super) fn play(script: &str) -> String {
    let mut play = Play::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        play.line(line);
    }
    play.show_next();
    play.out
}

struct Play {
    journal: Vec<Entry>,
    state: RunState,
    now: Timestamp,
    /// Steps passed in each branch since the last replay began.
    passed: BTreeMap<Arc<str>, usize>,
    /// The attempt last handed out for each step.
    handed: BTreeMap<StepAddress, u32>,
    policy: RetryPolicy,
    out: String,
}

impl Play {
    fn new() -> Self {
        let (journal, state) = laws::begun();
        Self {
            now: state.changed_at,
            journal,
            state,
            passed: BTreeMap::new(),
            handed: BTreeMap::new(),
            policy: laws::policy(3),
            out: String::new(),
        }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.out, "> {line}").unwrap();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        if verb.starts_with(['+', '-']) {
            return self.move_clock(verb);
        }
        match verb {
            "again" => self.passed.clear(),
            "next" => self.show_next(),
            "policy" => self.policy = laws::policy(rest.parse().unwrap()),
            "ask" => self.ask(rest),
            verb => {
                let command = self.command(verb, rest);
                self.send(command);
            }
        }
    }

    fn move_clock(&mut self, by: &str) {
        let (sign, amount) = by.split_at(1);
        let ms = match amount.strip_suffix("ms") {
            Some(ms) => ms.parse().unwrap(),
            None => amount.strip_suffix('s').unwrap().parse::<u64>().unwrap() * 1_000,
        };
        let now = self.now.as_ms();
        self.now = Timestamp::from_ms(if sign == "+" { now + ms } else { now - ms });
    }

    /// Code reaches a step, and goes past it when its result is recorded.
    fn ask(&mut self, step: &str) {
        let (kind, step, _) = parse_step(step);
        let passed = self.passed.get(&step.branch).copied().unwrap_or(0);
        let ask = StartStep {
            step: step.clone(),
            kind,
            position: passed,
        };
        match self.send(Command::StartStep(ask)) {
            Some(Reply::Recorded(_)) => {
                self.passed.insert(step.branch, passed + 1);
            }
            Some(Reply::Execute { attempt }) => {
                self.handed.insert(step, attempt);
            }
            Some(Reply::Park { .. } | Reply::Stop | Reply::Accepted) | None => {}
        }
    }

    fn command(&self, verb: &str, rest: &str) -> Command {
        match verb {
            "ok" => {
                let (step, output) = split_step(rest);
                let output = parse_output(output);
                self.finish(step, Ok(output))
            }
            "fail" => {
                let (step, failure) = split_step(rest);
                self.finish(step, Err(parse_failure(failure)))
            }
            "return" => self.end(Ended::Returned(parse_output(rest))),
            "throw" => self.end(Ended::Failed(parse_failure(rest))),
            "spent" => {
                let (step, message) = split_step(rest);
                let mut failure = Failure::new(FailureClass::Retryable, message);
                failure.step = Some(parse_step(step).1);
                self.end(Ended::Failed(failure))
            }
            "cancel" => Command::RequestCancel {
                reason: rest.to_owned(),
            },
            "conclude" => Command::ConcludeCancel,
            "quarantine" => Command::Quarantine(QuarantineReason::UnknownWorkflow {
                workflow: WorkflowName::new(rest),
            }),
            "resume" => Command::Resume,
            "crash" => Command::Recover(self.mark(rest)),
            other => panic!("no such command: {other}"),
        }
    }

    fn finish(&self, step: &str, result: Result<Payload, Failure>) -> Command {
        let (kind, step, attempt) = parse_step(step);
        let attempt = attempt.or(self.handed.get(&step).copied()).unwrap_or(1);
        let database = (kind == StepKind::Transaction).then(|| "shop".to_owned());
        Command::FinishStep(FinishStep {
            step,
            kind,
            attempt,
            result,
            policy: self.policy,
            database,
        })
    }

    fn end(&self, ended: Ended) -> Command {
        Command::FinishRun {
            ended,
            passed: self.passed.get("").copied().unwrap_or(0),
            policy: self.policy,
        }
    }

    /// `crash STEP alone`, `crash code#2`, `crash STEP at 4` where the mark is not of this moment.
    fn mark(&self, text: &str) -> Mark {
        let (text, seq) = match text.split_once(" at ") {
            Some((text, seq)) => (text, Seq(seq.parse().unwrap())),
            None => (text, self.state.next_seq),
        };
        let (text, alone) = match text.strip_suffix(" alone") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (kind, step, attempt) = parse_step(text);
        let attempt = attempt.or(self.handed.get(&step).copied()).unwrap_or(1);
        Mark {
            step: (&*step.name != "code").then_some((step, kind)),
            attempt,
            seq,
            alone,
        }
    }

    fn send(&mut self, command: Command) -> Option<Reply> {
        let answer = laws::obey(&mut self.journal, &mut self.state, command, self.now);
        match answer {
            Ok(Decision { entries, reply }) => {
                for entry in &entries {
                    writeln!(self.out, "    {}", show_entry(entry)).unwrap();
                }
                writeln!(self.out, "  {}", show_reply(&reply)).unwrap();
                Some(reply)
            }
            Err(refusal) => {
                writeln!(self.out, "  {}", show_refusal(&refusal)).unwrap();
                None
            }
        }
    }

    fn show_next(&mut self) {
        let what = match next(&self.state, self.now) {
            Next::Drive => "drive".to_owned(),
            Next::WakeAt(at) => format!("wake at {at}"),
            Next::Conclude => "conclude the cancellation".to_owned(),
            Next::Held => "held".to_owned(),
            Next::Done => "done".to_owned(),
        };
        let status = self.state.status(self.now);
        writeln!(self.out, "{status} at {}: {what}", self.now).unwrap();
    }
}

/// The step at the front of `text`, its kind included, and what follows it.
fn split_step(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    if parse_kind(first).is_none() {
        return (first, rest);
    }
    let second = rest.find(' ').unwrap_or(rest.len());
    let (step, rest) = text.split_at(first.len() + 1 + second);
    (step, rest.trim_start())
}

fn parse_kind(word: &str) -> Option<StepKind> {
    [
        StepKind::Run,
        StepKind::Transaction,
        StepKind::Now,
        StepKind::Random,
        StepKind::Ulid,
    ]
    .into_iter()
    .find(|kind| kind.word() == word)
}

/// `[KIND] [BRANCH/]NAME[:NTH][#ATTEMPT]`
fn parse_step(text: &str) -> (StepKind, StepAddress, Option<u32>) {
    let (kind, text) = match text.split_once(' ') {
        Some((kind, text)) => (parse_kind(kind).unwrap(), text),
        None => (StepKind::Run, text),
    };
    let (text, attempt) = match text.split_once('#') {
        Some((text, attempt)) => (text, Some(attempt.parse().unwrap())),
        None => (text, None),
    };
    let (branch, text) = text.rsplit_once('/').unwrap_or(("", text));
    let (name, nth) = match text.split_once(':') {
        Some((name, nth)) => (name, nth.parse().unwrap()),
        None => (text, 1),
    };
    let mut step = StepAddress::root(name, nth).unwrap();
    step.branch = Arc::from(branch);
    (kind, step, attempt)
}

/// JSON as it stands, or `N bytes` of it.
fn parse_output(text: &str) -> Payload {
    match text.strip_suffix(" bytes") {
        Some(bytes) => laws::payload_of(bytes.parse().unwrap()),
        None => Payload::from_json(text),
    }
}

/// `[CLASS] MESSAGE`, or `after=MS MESSAGE`; retryable where no class is given.
fn parse_failure(text: &str) -> Failure {
    let (word, message) = text.split_once(' ').unwrap_or((text, ""));
    let class = match word {
        "terminal" => FailureClass::Terminal,
        "timed-out" => FailureClass::TimedOut,
        "panicked" => FailureClass::Panicked,
        word => match word.strip_prefix("after=") {
            Some(ms) => FailureClass::RetryAfter {
                delay_ms: ms.parse().unwrap(),
            },
            None => return Failure::new(FailureClass::Retryable, text),
        },
    };
    Failure::new(class, message)
}

fn show_entry(entry: &Entry) -> String {
    let what = match &entry.body {
        EntryBody::RunStarted(fields) => format!("run started, workflow {}", fields.workflow),
        EntryBody::StepSucceeded(fields) => {
            let database = match &fields.database {
                Some(database) => format!(" in {database}"),
                None => String::new(),
            };
            format!(
                "{} {} attempt {} succeeded{database}: {}",
                fields.kind.word(),
                fields.step,
                fields.attempt,
                show_payload(&fields.output)
            )
        }
        EntryBody::StepFailed(fields) => format!(
            "{} {} attempt {} failed, {}: {}",
            fields.kind.word(),
            fields.step,
            fields.attempt,
            match fields.retry_at {
                Some(at) => format!("again at {at}"),
                None => "for good".to_owned(),
            },
            show_failure(&fields.failure)
        ),
        EntryBody::Recovered(fields) => format!(
            "recovered {} attempt {}{}",
            match &fields.step {
                Some((step, kind)) => format!("{} {step}", kind.word()),
                None => "workflow code".to_owned(),
            },
            fields.attempt,
            if fields.alone { ", alone" } else { "" }
        ),
        EntryBody::AttemptFailed(fields) => format!(
            "failure {} of workflow code, again at {}: {}",
            fields.attempt,
            fields.retry_at,
            show_failure(&fields.failure)
        ),
        EntryBody::CancelRequested(fields) => format!("cancel requested: {}", fields.reason),
        EntryBody::RunCompleted(fields) => {
            format!("run completed: {}", show_payload(&fields.output))
        }
        EntryBody::RunFailed(fields) => format!("run failed: {}", show_failure(&fields.failure)),
        EntryBody::RunCancelled => "run cancelled".to_owned(),
        EntryBody::Quarantined(fields) => format!("quarantined: {}", fields.reason),
        EntryBody::Resumed => "resumed".to_owned(),
    };
    format!("{} @{} {what}", entry.seq, entry.at)
}

fn show_reply(reply: &Reply) -> String {
    match reply {
        Reply::Recorded(StepOutcome::Succeeded(output)) => {
            format!("= recorded {}", show_payload(output))
        }
        Reply::Recorded(StepOutcome::Failed { failure, attempts }) => format!(
            "= recorded failure after {attempts} attempts: {}",
            show_failure(failure)
        ),
        Reply::Execute { attempt } => format!("= execute attempt {attempt}"),
        Reply::Park { until } => format!("= park until {until}"),
        Reply::Stop => "= stop".to_owned(),
        Reply::Accepted => "= accepted".to_owned(),
    }
}

fn show_refusal(refusal: &Refusal) -> String {
    format!("! {refusal}")
}

fn show_failure(failure: &Failure) -> String {
    let step = match &failure.step {
        Some(step) => format!(" of step {step}"),
        None => String::new(),
    };
    format!("{}{step} {}", failure.class.word(), failure.message)
}

fn show_payload(payload: &Payload) -> String {
    if payload.len() > 60 {
        return format!("{} bytes", payload.len());
    }
    payload.as_json().to_owned()
}

/// The run all scripts are about.
pub(super) const fn the_run() -> RunId {
    RunId::from_bytes([7; 16])
}
