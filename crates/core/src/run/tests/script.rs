//! Text in, text out: a small language of commands, and what the state machine makes of each.
//!
//! One command a line. `+5s`, `-2s`, `+10ms` move the clock. Steps are written `name`, `name:2`
//! or `branch/name`, with the kind of call in front unless it is `run`, and `#3` behind them where
//! a particular attempt is meant; otherwise the attempt last handed out is. The script counts the
//! steps that code passed, as code does; `again` begins a replay from the top. A first line
//! `begin` sets the terms the run starts on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::Expect;

use super::laws;
use super::parse::{
    parse_address, parse_arrival, parse_awaited, parse_child_outcome, parse_failure, parse_kind,
    parse_ms, parse_output, parse_result, parse_run, parse_step, parse_wait, split_step, word,
};
use super::show::{show_entry, show_outward, show_reply, show_standing};
use crate::entry::{
    ChildStarted, Entry, Failure, FailureClass, Parent, ParentClose, QuarantineReason, StepKind,
};
use crate::ids::{RunId, Seq, StepAddress, WorkflowName};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::run::command::{
    Command, EndBranch, Ended, FinishStep, Mark, Reply, StartFork, StartStep, StartWait,
};
use crate::run::state::RunState;
use crate::run::{next, outward};
use crate::time::Timestamp;

/// Plays `script` and compares what comes out.
#[track_caller]
pub(super) fn check(script: &str, expected: Expect) {
    expected.assert_eq(&play(script));
}

/// What comes of `script`: each line repeated, with the entries and the answer it was given.
fn play(script: &str) -> String {
    let mut play = Play::of(script);
    play.show_next();
    play.out
}

/// The state `script` leaves a run in.
pub(super) fn played(script: &str) -> RunState {
    Play::of(script).state
}

/// The journal `script` leaves behind.
pub(super) fn written(script: &str) -> Vec<Entry> {
    Play::of(script).journal
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

    fn of(script: &str) -> Self {
        let mut play = Self::new();
        let lines = script.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty()) {
            play.line(line);
        }
        play
    }

    fn line(&mut self, line: &str) {
        writeln!(self.out, "> {line}").unwrap();
        let (verb, rest) = word(line);
        if verb.starts_with(['+', '-']) {
            return self.move_clock(verb);
        }
        match verb {
            "begin" => self.begin(rest),
            "again" => self.passed.clear(),
            "next" => self.show_next(),
            "policy" => self.policy = laws::policy(rest.parse().unwrap()),
            "ask" => self.ask(rest),
            "past" => self.pass(&parse_address(rest).branch),
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

    /// `start-at=MS start-by=MS finish-by=MS cancel-on=NAME[=KEY] parent=RUN/STEP`
    fn begin(&mut self, terms: &str) {
        let mut started = laws::started();
        for term in terms.split(' ') {
            let (name, value) = term.split_once('=').unwrap();
            match name {
                "start-at" => started.start_at = Some(parse_ms(value)),
                "start-by" => started.start_by = Some(parse_ms(value)),
                "finish-by" => started.finish_by = Some(parse_ms(value)),
                "cancel-on" => started.cancel_on.push(parse_awaited(value)),
                "parent" => {
                    let (run, step) = value.split_once('/').unwrap();
                    started.parent = Some(Parent {
                        run: parse_run(run),
                        step: parse_address(step),
                    });
                }
                other => panic!("no such term: {other}"),
            }
        }
        (self.journal, self.state) = laws::begun_as(started);
    }

    /// Code reaches a step, and goes past it when its result is recorded.
    fn ask(&mut self, step: &str) {
        let (kind, step, _) = parse_step(step);
        let ask = StartStep {
            step: step.clone(),
            kind,
            position: self.passed_on(&step.branch),
            subject: None,
        };
        match self.send(Command::StartStep(ask)) {
            Some(Reply::Recorded(_)) => self.pass(&step.branch),
            Some(Reply::Execute { attempt }) => {
                self.handed.insert(step, attempt);
            }
            Some(
                Reply::Park { .. }
                | Reply::Wait { .. }
                | Reply::Judge { .. }
                | Reply::Fork { .. }
                | Reply::Patched(_)
                | Reply::Hold
                | Reply::Stop
                | Reply::Accepted,
            )
            | None => {}
        }
    }

    fn passed_on(&self, branch: &str) -> usize {
        self.passed.get(branch).copied().unwrap_or(0)
    }

    fn pass(&mut self, branch: &Arc<str>) {
        *self.passed.entry(branch.clone()).or_insert(0) += 1;
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
            "kill" => Command::Kill {
                reason: rest.to_owned(),
            },
            "conclude" => Command::ConcludeCancel,
            "expire" => Command::Expire,
            "quarantine" => Command::Quarantine(QuarantineReason::UnknownWorkflow {
                workflow: WorkflowName::new(rest),
            }),
            "resume" => Command::Resume,
            "pause" => Command::Pause {
                reason: rest.to_owned(),
            },
            "retry" => Command::Retry {
                reason: rest.to_owned(),
            },
            "patch" => self.asks_for_change(rest),
            "crash" => Command::Recover(self.mark(rest)),
            "continue" => Command::Continue {
                next: parse_run(rest),
                passed: self.passed_on(""),
            },
            "wait" | "sleep" | "event" | "accept" | "reject" | "signal" => waiting(verb, rest),
            "invoke" | "start" | "child" => with_child(verb, rest),
            "fork" | "end" | "undo" => self.forking(verb, rest),
            other => panic!("no such command: {other}"),
        }
    }

    /// `patch NAME [BRANCH]`
    fn asks_for_change(&self, rest: &str) -> Command {
        let (patch, branch) = word(rest);
        Command::Patch {
            branch: Arc::from(branch),
            patch: patch.to_owned(),
            position: self.passed_on(branch),
        }
    }

    /// `fork KIND STEP BRANCHES [LIMIT]`, `end FORK BRANCH [ok OUTPUT|fail FAILURE]`,
    /// `undo SCOPE [FAILURE]`
    fn forking(&self, verb: &str, rest: &str) -> Command {
        if verb == "fork" {
            let (kind, rest) = word(rest);
            let (step, rest) = word(rest);
            let (branches, limit) = word(rest);
            let step = parse_address(step);
            let branches = branches.parse().unwrap();
            return Command::StartFork(StartFork {
                position: self.passed_on(&step.branch),
                step,
                kind: parse_kind(kind).unwrap(),
                branches,
                limit: limit.parse().unwrap_or(branches),
            });
        }
        let (fork, rest) = word(rest);
        let fork = parse_address(fork);
        if verb == "undo" {
            let passed = self.passed_on(&fork.branch_path(0));
            let failed = (!rest.is_empty()).then(|| (parse_failure(rest), passed));
            return Command::StartUndo {
                scope: fork,
                failed,
            };
        }
        let (branch, value) = word(rest);
        let line = match branch {
            "undo" => fork.undo_path(),
            number => fork.branch_path(number.parse().unwrap()),
        };
        Command::EndBranch(EndBranch {
            passed: self.passed_on(&line),
            fork,
            branch: branch.parse().unwrap_or(0),
            value: parse_result(value),
        })
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
            passed: self.passed_on(""),
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
        let children = self.state.children.clone();
        let answer = laws::obey(&mut self.journal, &mut self.state, command, self.now);
        match answer {
            Ok(decision) => {
                for entry in &decision.entries {
                    writeln!(self.out, "    {}", show_entry(entry)).unwrap();
                }
                for told in outward(&children, &decision.entries, &self.state) {
                    writeln!(self.out, "    -> {}", show_outward(&told)).unwrap();
                }
                writeln!(self.out, "  {}", show_reply(&decision.reply)).unwrap();
                Some(decision.reply)
            }
            Err(refusal) => {
                writeln!(self.out, "  ! {refusal}").unwrap();
                None
            }
        }
    }

    fn show_next(&mut self) {
        let what = next(&self.state, self.now);
        let standing = show_standing(self.state.status(self.now), self.now, what);
        writeln!(self.out, "{standing}").unwrap();
    }
}

/// `sleep STEP MS`, `wait STEP event|judged|signal NAME [until MS] [found EVENT; EVENT]`,
/// `event ID NAME[=KEY] DATA`, `accept STEP`, `reject STEP`, `signal NAME DATA`
fn waiting(verb: &str, rest: &str) -> Command {
    let (first, rest) = word(rest);
    match verb {
        "sleep" => Command::StartWait(StartWait {
            step: parse_address(first),
            on: crate::entry::WaitOn::Until,
            until: Some(parse_ms(rest)),
            found: Vec::new(),
        }),
        "wait" => {
            let (on, rest) = parse_wait(rest);
            let (until, found) = rest.split_once("found ").unwrap_or((rest, ""));
            let until = until.trim().strip_prefix("until ").map(parse_ms);
            let found = found.split("; ").filter(|text| !text.is_empty());
            Command::StartWait(StartWait {
                step: parse_address(first),
                on,
                until,
                found: found.map(parse_arrival).collect(),
            })
        }
        "event" => Command::Deliver(parse_arrival(&format!("{first} {rest}"))),
        "accept" | "reject" => Command::Judge {
            step: parse_address(first),
            accepted: verb == "accept",
        },
        "signal" => Command::Signal {
            name: first.to_owned(),
            data: parse_output(rest),
        },
        other => panic!("no such command: {other}"),
    }
}

/// `invoke STEP RUN [abandon]`, `start STEP RUN [cancel]`, `child RUN OUTCOME`
fn with_child(verb: &str, rest: &str) -> Command {
    let (first, rest) = word(rest);
    if verb == "child" {
        return Command::ChildEnded {
            run: parse_run(first),
            outcome: parse_child_outcome(rest),
        };
    }
    let (run, close) = word(rest);
    let detached = verb == "start";
    Command::StartChild(ChildStarted {
        step: parse_address(first),
        run: parse_run(run),
        workflow: WorkflowName::new("pack"),
        detached,
        close: match close {
            "cancel" => ParentClose::Cancel,
            "abandon" => ParentClose::Abandon,
            _ if detached => ParentClose::Abandon,
            _ => ParentClose::Cancel,
        },
    })
}

/// The run all scripts are about.
pub(super) const fn the_run() -> RunId {
    RunId::from_bytes([7; 16])
}
