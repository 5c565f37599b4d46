//! A driver in miniature over a small world, which dies wherever it is told to and goes on.
//!
//! It keeps the promises the engine keeps: a body waits until every entry before it is durable,
//! code does not wait, a mark of what is in flight outlives the process, and of what was ordered
//! and is not durable a death keeps any beginning. All else it forgets.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::laws::{begun, obey, policy, step};
use super::script::the_run;
use crate::entry::{Entry, EntryBody, Failure, FailureClass, StepKind};
use crate::ids::StepAddress;
use crate::payload::Payload;
use crate::run::command::{Command, Ended, FinishStep, Mark, Reply, StartStep};
use crate::run::state::{Outcome, RunState, StepOutcome, StepProgress};
use crate::run::{Next, fold, next};
use crate::time::Timestamp;

/// Steps, attempts of a step, attempts of workflow code.
const ATTEMPTS_MAX: u32 = 3;

/// More moments than any run here has: beyond, it goes round in circles.
const MOMENTS_MAX: usize = 2_000;

/// What an author wrote, and how the world treats it.
#[derive(Debug, Clone)]
struct Program {
    steps: Vec<ProgramStep>,
    /// How often code fails after its last step before it returns.
    code_failures: u32,
}

#[derive(Debug, Clone)]
struct ProgramStep {
    name: &'static str,
    kind: StepKind,
    /// How many recorded attempts fail before one succeeds.
    failures: u32,
    class: FailureClass,
    /// Whether the author goes on when the step is spent.
    caught: bool,
}

/// Where a life of the engine ends, and how much of what is not durable survives it.
#[derive(Debug, Clone, Copy)]
struct Death {
    /// Counted over all lives.
    moment: usize,
    kept: usize,
}

/// What outlives the process, and what the test watches.
struct World<'p> {
    program: &'p Program,
    disk: Vec<Entry>,
    durable: usize,
    mark: Option<Mark>,
    now: Timestamp,
    moment: usize,
    deaths: &'p [Death],
    cancel_at: Option<usize>,
    effects: BTreeMap<StepAddress, u32>,
}

/// Control flow that ends a life.
type Life<T = ()> = ControlFlow<usize, T>;

impl<'p> World<'p> {
    fn new(program: &'p Program, deaths: &'p [Death], cancel_at: Option<usize>) -> Self {
        let (disk, _) = begun();
        Self {
            program,
            durable: disk.len(),
            disk,
            mark: None,
            now: Timestamp::ZERO,
            moment: 0,
            deaths,
            cancel_at,
            effects: BTreeMap::new(),
        }
    }

    /// Lives until the run is over; the state it is over in.
    fn run_to_end(mut self) -> Over {
        loop {
            let mut state = fold(the_run(), &self.disk).unwrap();
            match self.live(&mut state) {
                ControlFlow::Continue(()) => {
                    return Over {
                        state,
                        journal: self.disk,
                        effects: self.effects,
                        moments: self.moment,
                    };
                }
                ControlFlow::Break(kept) => {
                    let undurable = self.disk.len() - self.durable;
                    self.disk.truncate(self.durable + kept % (undurable + 1));
                    // Opening makes durable whatever it reads back.
                    self.durable = self.disk.len();
                }
            }
        }
    }

    fn live(&mut self, state: &mut RunState) -> Life {
        if let Some(mark) = self.mark.clone() {
            self.send(state, Command::Recover(mark))?;
        }
        loop {
            match next(state, self.now) {
                Next::Done => return Life::Continue(()),
                Next::Held => panic!("nobody gave a reason to hold {state:?}"),
                Next::Await | Next::Expire => panic!("nothing here waits for the world"),
                Next::WakeAt(at) => self.now = at,
                Next::Conclude => drop(self.send(state, Command::ConcludeCancel)?),
                Next::Drive => self.drive(state)?,
            }
        }
    }

    /// Runs the author's code from the top, until it ends or waits.
    fn drive(&mut self, state: &mut RunState) -> Life {
        let program = self.program;
        for (position, step) in program.steps.iter().enumerate() {
            match self.settle(state, position, step)? {
                None => return Life::Continue(()),
                Some(StepOutcome::Succeeded(_) | StepOutcome::TimedOut) => {}
                Some(StepOutcome::Failed { .. }) if step.caught => {}
                Some(StepOutcome::Failed { mut failure, .. }) => {
                    failure.step = Some(address(step));
                    return self.end(state, Ended::Failed(failure), position + 1);
                }
            }
        }
        let ended = if state.code_failures < program.code_failures {
            let message = format!("failure {} of code", state.code_failures + 1);
            Ended::Failed(Failure::new(FailureClass::Panicked, message))
        } else {
            Ended::Returned(Payload::from_json("\"done\""))
        };
        self.end(state, ended, program.steps.len())
    }

    fn end(&mut self, state: &mut RunState, ended: Ended, passed: usize) -> Life {
        let policy = policy(ATTEMPTS_MAX);
        let command = Command::FinishRun {
            ended,
            passed,
            policy,
        };
        self.send(state, command)?;
        Life::Continue(())
    }

    /// Takes a step to its result; nothing when code cannot go on for now.
    fn settle(
        &mut self,
        state: &mut RunState,
        position: usize,
        step: &ProgramStep,
    ) -> Life<Option<StepOutcome>> {
        loop {
            let ask = StartStep {
                step: address(step),
                kind: step.kind,
                position,
                subject: None,
            };
            match self.send(state, Command::StartStep(ask))? {
                Reply::Recorded(outcome) => return Life::Continue(Some(outcome)),
                Reply::Execute { attempt } => self.execute(state, step, attempt)?,
                Reply::Park { .. } | Reply::Hold | Reply::Stop => return Life::Continue(None),
                Reply::Accepted
                | Reply::Wait { .. }
                | Reply::Judge { .. }
                | Reply::Patched(_)
                | Reply::Fork { .. } => {
                    panic!("no answer to a question for a step with a body")
                }
            }
        }
    }

    fn execute(&mut self, state: &mut RunState, step: &ProgramStep, attempt: u32) -> Life {
        self.durable = self.disk.len();
        assert!(
            state.cancel.is_none(),
            "a body began of a run being cancelled"
        );
        let address = address(step);
        let known = state.steps.get(&address);
        let failures = known.map_or(0, |known| known.failures);
        let done = known.is_some_and(|known| matches!(known.progress, StepProgress::Done(_)));
        assert!(
            !done,
            "the body of {address} began though its result is durable"
        );
        self.mark = Some(Mark {
            step: Some((address.clone(), step.kind)),
            attempt,
            seq: state.next_seq,
            alone: false,
        });
        self.moment()?;
        *self.effects.entry(address.clone()).or_default() += 1;
        self.moment()?;
        let result = if failures < step.failures {
            let message = format!("failure {} of {address}", failures + 1);
            Err(Failure::new(step.class, message))
        } else {
            Ok(Payload::from_json(format!("\"{address}\"")))
        };
        let report = FinishStep {
            step: address,
            kind: step.kind,
            attempt,
            result,
            policy: policy(ATTEMPTS_MAX),
            database: None,
        };
        self.send(state, Command::FinishStep(report))?;
        Life::Continue(())
    }

    /// Decides and orders; whether what was ordered lasts is seen at the next death.
    fn send(&mut self, state: &mut RunState, command: Command) -> Life<Reply> {
        self.moment()?;
        self.ask_for_cancel(state);
        let decision = obey(&mut self.disk, state, command, self.now).unwrap();
        // Where nothing was ordered, dying after is dying before.
        if !decision.entries.is_empty() {
            self.moment()?;
        }
        Life::Continue(decision.reply)
    }

    /// A request waits beside the journal until the entry made of it is durable.
    fn ask_for_cancel(&mut self, state: &mut RunState) {
        let due = self.cancel_at.is_some_and(|at| self.moment >= at);
        if due && state.cancel.is_none() && state.outcome.is_none() {
            let reason = "enough".to_owned();
            let cancel = Command::RequestCancel { reason };
            obey(&mut self.disk, state, cancel, self.now).unwrap();
        }
    }

    fn moment(&mut self) -> Life {
        self.moment += 1;
        assert!(self.moment < MOMENTS_MAX, "the run never ends");
        // Crash here: `kept` of the undurable entries survive, and the mark.
        match self.deaths.iter().find(|death| death.moment == self.moment) {
            Some(death) => Life::Break(death.kept),
            None => Life::Continue(()),
        }
    }
}

fn address(of: &ProgramStep) -> StepAddress {
    step(of.name)
}

/// How a run went.
struct Over {
    state: RunState,
    journal: Vec<Entry>,
    effects: BTreeMap<StepAddress, u32>,
    moments: usize,
}

impl Over {
    /// What must not depend on deaths: the outcome, and each step's result without its attempts.
    fn result(
        &self,
    ) -> (
        Option<Outcome>,
        BTreeMap<StepAddress, Result<Payload, Failure>>,
    ) {
        let steps = self.state.steps.iter().map(|(address, step)| {
            let result = match &step.progress {
                StepProgress::Done(StepOutcome::Succeeded(output)) => Ok(output.clone()),
                StepProgress::Done(StepOutcome::Failed { failure, .. }) => Err(failure.clone()),
                StepProgress::Done(StepOutcome::TimedOut)
                | StepProgress::Open { .. }
                | StepProgress::Waiting(_)
                | StepProgress::Forked(_) => panic!("step {address} has no result"),
            };
            (address.clone(), result)
        });
        (self.state.outcome.clone(), steps.collect())
    }

    /// Each success is recorded once, and each further call of a body is owed to a recorded
    /// failure or to a death.
    fn holds_what_is_promised(&self, deaths: usize) {
        let mut successes = BTreeMap::new();
        for entry in &self.journal {
            if let EntryBody::StepSucceeded(fields) = &entry.body {
                *successes.entry(fields.step.clone()).or_insert(0_u32) += 1;
            }
        }
        assert!(successes.values().all(|count| *count == 1), "{successes:?}");
        for (address, calls) in &self.effects {
            let known = self.state.steps.get(address);
            let failures = known.map_or(0, |known| known.failures);
            let succeeded = u32::from(successes.contains_key(address));
            let most = failures + succeeded + deaths as u32;
            assert!(*calls <= most, "body of {address} was called {calls} times");
        }
    }
}

/// Dies at `deaths` and ends as if it had not.
fn dies_and_ends_alike(program: &Program, calm: &Over, deaths: &[Death]) {
    let over = World::new(program, deaths, None).run_to_end();
    over.holds_what_is_promised(deaths.len());
    assert_eq!(over.result(), calm.result(), "after {deaths:?}");
}

fn program_step(name: &'static str, failures: u32) -> ProgramStep {
    ProgramStep {
        name,
        kind: StepKind::Run,
        failures,
        class: FailureClass::Retryable,
        caught: false,
    }
}

fn order() -> Program {
    Program {
        steps: vec![
            program_step("capture-payment", 1),
            ProgramStep {
                kind: StepKind::Transaction,
                ..program_step("reserve-inventory", 0)
            },
            ProgramStep {
                caught: true,
                ..program_step("send-confirmation", ATTEMPTS_MAX)
            },
        ],
        code_failures: 1,
    }
}

#[test]
fn a_run_ends_alike_whatever_one_or_two_moments_the_engine_dies_at() {
    let program = order();
    let calm = World::new(&program, &[], None).run_to_end();
    calm.holds_what_is_promised(0);
    assert!(matches!(calm.state.outcome, Some(Outcome::Completed(_))));
    // A second life has more moments than the first, so pairs reach beyond the calm ones.
    for first in 1..=calm.moments {
        for second in first + 1..=calm.moments + 6 {
            let kept = (first + second) % 3;
            let deaths = [first, second].map(|moment| Death { moment, kept });
            dies_and_ends_alike(&program, &calm, &deaths);
        }
    }
}

#[test]
fn a_cancellation_asked_for_at_any_moment_ends_the_run_through_any_death() {
    let program = order();
    let calm = World::new(&program, &[], None).run_to_end();
    for asked in 1..=calm.moments {
        for moment in asked.saturating_sub(3).max(1)..=asked + 6 {
            let deaths = [Death { moment, kept: 0 }];
            let over = World::new(&program, &deaths, Some(asked)).run_to_end();
            over.holds_what_is_promised(1);
            let cancelled = over.state.outcome == Some(Outcome::Cancelled);
            let completed = matches!(over.state.outcome, Some(Outcome::Completed(_)));
            assert!(cancelled || completed, "asked at {asked}, died at {moment}");
        }
    }
}

#[test]
fn a_body_that_ran_before_the_death_is_called_again_under_the_next_attempt() {
    let program = Program {
        steps: vec![program_step("pay", 0)],
        code_failures: 0,
    };
    let calm = World::new(&program, &[], None).run_to_end();
    let twice: Vec<u32> = (1..=calm.moments)
        .filter_map(|moment| {
            let deaths = [Death { moment, kept: 0 }];
            let over = World::new(&program, &deaths, None).run_to_end();
            let again = over.effects[&step("pay")] == 2;
            again.then(|| over.state.steps[&step("pay")].next_attempt())
        })
        .collect();
    assert!(!twice.is_empty());
    assert!(twice.iter().all(|attempt| *attempt == 2), "{twice:?}");
}

fn programs() -> impl Strategy<Value = Program> {
    let class = prop_oneof![
        3 => Just(FailureClass::Retryable),
        1 => Just(FailureClass::TimedOut),
        1 => Just(FailureClass::Terminal),
        1 => Just(FailureClass::RetryAfter { delay_ms: 50 }),
    ];
    let kind = prop_oneof![Just(StepKind::Run), Just(StepKind::Transaction)];
    let steps = prop::collection::vec((0..=ATTEMPTS_MAX, class, kind, any::<bool>()), 0..5);
    (steps, 0..=ATTEMPTS_MAX).prop_map(|(steps, code_failures)| Program {
        steps: ["a", "b", "c", "d", "e"]
            .into_iter()
            .zip(steps)
            .map(|(name, (failures, class, kind, caught))| ProgramStep {
                name,
                kind,
                failures,
                class,
                caught,
            })
            .collect(),
        code_failures,
    })
}

fn deaths() -> impl Strategy<Value = Vec<Death>> {
    let death = (1..60_usize, 0..4_usize).prop_map(|(moment, kept)| Death { moment, kept });
    prop::collection::vec(death, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_generated_program_ends_alike_through_every_death(
        program in programs(), deaths in deaths()
    ) {
        let calm = World::new(&program, &[], None).run_to_end();
        calm.holds_what_is_promised(0);
        dies_and_ends_alike(&program, &calm, &deaths);
    }
}
