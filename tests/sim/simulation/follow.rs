//! A model of the grammar: what a program comes to, told from the program alone.
//!
//! Where the program decides, the model says what must be recorded. Where time, senders or other
//! runs decide, it takes what is recorded, says whether it could be, and goes on from there.

use std::collections::BTreeMap;

use stepwell_core::run::{Outcome, RunState, StepOutcome, StepProgress};
use stepwell_core::{Entry, EntryBody, Payload, RunId, StepAddress, StepKind};

use super::interpreter::{Fact, Go, key_name};
use super::observation::{Cut, StoredRun, sent_by};
use super::program::{Body, Call, Op, Programs, undoable_name};

/// What a stretch of code comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Met {
    /// It goes through, and says this.
    Said(String),
    /// An error leaves it.
    Failed,
    /// The run goes on as one of this program.
    Continues(usize),
    /// The journal ends in the middle of it.
    Cut,
}

/// What is wrong with what is recorded.
pub(super) type Wrong = String;

/// A step with an undo whose success is recorded, as the scope around it passed them.
pub(super) struct Trip {
    pub(super) scope: StepAddress,
    pub(super) undoable: Vec<StepAddress>,
    /// Whether the code of its body fails.
    pub(super) met: Met,
}

/// Follows one run along its program.
pub(super) struct Follower<'a> {
    cut: &'a Cut,
    run: RunId,
    journal: &'a [Entry],
    state: &'a RunState,
    uses: BTreeMap<(String, String), u32>,
    walked: BTreeMap<String, Vec<StepAddress>>,
    /// The scopes it came to.
    pub(super) trips: Vec<Trip>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        cut: &'a Cut,
        run: RunId,
        stored: &'a StoredRun,
        state: &'a RunState,
    ) -> Self {
        Self {
            cut,
            run,
            journal: &stored.journal,
            state,
            uses: BTreeMap::new(),
            walked: BTreeMap::new(),
            trips: Vec::new(),
        }
    }

    /// Follows the whole run.
    pub(super) fn whole(&mut self, programs: &Programs) -> Result<Met, Wrong> {
        let row = self.cut.events.get(&self.state.started.event);
        let row = row.ok_or("its event is not stored")?;
        let go: Go = serde_json::from_str(row.data.as_json()).map_err(|e| e.to_string())?;
        let program = programs.get(go.program).ok_or("there is no such program")?;
        self.line("", &program.ops)
    }

    /// Follows one line to its end, and compares its steps with those recorded.
    fn line(&mut self, line: &str, ops: &[Op]) -> Result<Met, Wrong> {
        let met = self.block(line, ops, false)?;
        self.compare(line, &met)?;
        Ok(met)
    }

    fn compare(&self, line: &str, met: &Met) -> Result<(), Wrong> {
        let recorded = self.state.lines.steps(line);
        let walked = self.walked.get(line).map_or(&[][..], Vec::as_slice);
        let through = *met == Met::Cut || recorded.len() == walked.len();
        if through && walked.starts_with(recorded) {
            return Ok(());
        }
        Err(format!(
            "line {line:?} holds {recorded:?}, its code takes {walked:?}"
        ))
    }

    fn block(&mut self, line: &str, ops: &[Op], in_trip: bool) -> Result<Met, Wrong> {
        let mut said = String::new();
        for (at, op) in ops.iter().enumerate() {
            let met = match &op.call {
                Call::Act(body, Some(_)) if in_trip => {
                    self.acted(line, &undoable_name(at), body)?
                }
                call => self.call(line, call)?,
            };
            match met {
                Met::Said(more) => said.push_str(&more),
                Met::Failed if op.caught => said.push('!'),
                Met::Failed => return Ok(Met::Failed),
                ends @ (Met::Cut | Met::Continues(_)) => return Ok(ends),
            }
            said.push(';');
        }
        Ok(Met::Said(said))
    }

    fn call(&mut self, line: &str, call: &Call) -> Result<Met, Wrong> {
        match call {
            Call::Fail => Ok(Met::Failed),
            Call::Continue { program } => Ok(Met::Continues(*program)),
            Call::Act(body, _) => self.acted(line, "act", body),
            Call::Now => self.drawn(line, "now", StepKind::Now, 'n'),
            Call::Random => self.drawn(line, "random", StepKind::Random, 'r'),
            Call::Nap { .. } => {
                let step = self.next(line, "nap");
                match self.outcome(&step, StepKind::Sleep)? {
                    None => Ok(Met::Cut),
                    Some(StepOutcome::Succeeded(_)) => Ok(Met::Said("z".to_owned())),
                    Some(other) => Err(format!("{step} slept and came to {other:?}")),
                }
            }
            Call::Hear { .. } | Call::Signal { .. } => self.wait(line, call),
            Call::Invoke { .. } => self.invoked(line),
            Call::Start { .. } => {
                let step = self.next(line, "start");
                match self.outcome(&step, StepKind::Start)? {
                    None => Ok(Met::Cut),
                    Some(StepOutcome::Succeeded(output)) => {
                        let child = self.child_of(&step)?;
                        if output.as_json() != format!("\"{child}\"") {
                            return Err(format!("{step} started {child} and says {output:?}"));
                        }
                        Ok(Met::Said("d".to_owned()))
                    }
                    Some(other) => Err(format!("{step} came to {other:?}")),
                }
            }
            Call::Tell { .. } | Call::Go { .. } | Call::Poke { .. } => self.sent(line, call),
            Call::Join(branches) => {
                let lines: Vec<&[Op]> = branches.iter().map(Vec::as_slice).collect();
                self.together(line, "all", StepKind::Join, &lines)
            }
            Call::Map { items, each, .. } => {
                let lines: Vec<&[Op]> = (0..*items).map(|_| each.as_slice()).collect();
                self.together(line, "each", StepKind::Map, &lines)
            }
            Call::Race(branches) => self.raced(line, branches),
            Call::Scope { body, fails } => self.trip(line, body, *fails),
        }
    }

    fn acted(&mut self, line: &str, name: &str, body: &Body) -> Result<Met, Wrong> {
        let step = self.next(line, name);
        let Some(outcome) = self.outcome(&step, StepKind::Run)? else {
            return Ok(Met::Cut);
        };
        match outcome {
            StepOutcome::Succeeded(output)
                if body.succeeds() && output.as_json() == body.value.to_string() =>
            {
                Ok(Met::Said(format!("a{}", body.value)))
            }
            StepOutcome::Failed { .. } if !body.succeeds() => Ok(Met::Failed),
            other => Err(format!(
                "{step} is recorded as {other:?}, its body is {body:?}"
            )),
        }
    }

    fn drawn(
        &mut self,
        line: &str,
        name: &'static str,
        kind: StepKind,
        sign: char,
    ) -> Result<Met, Wrong> {
        let step = self.next(line, name);
        match self.outcome(&step, kind)? {
            None => Ok(Met::Cut),
            Some(StepOutcome::Succeeded(output)) => {
                let number: u64 = read(&step, output)?;
                Ok(Met::Said(format!("{sign}{number}")))
            }
            Some(other) => Err(format!("{step} was drawn and came to {other:?}")),
        }
    }

    fn wait(&mut self, line: &str, call: &Call) -> Result<Met, Wrong> {
        let (name, kind, limit_ms) = match call {
            Call::Hear { limit_ms, .. } => ("hear", StepKind::WaitFor, limit_ms),
            Call::Signal { limit_ms } => ("signal", StepKind::Signal, limit_ms),
            other => return Err(format!("{other:?} is no wait")),
        };
        let step = self.next(line, name);
        let Some(outcome) = self.outcome(&step, kind)? else {
            return Ok(Met::Cut);
        };
        match (call, outcome) {
            (_, StepOutcome::TimedOut) if limit_ms.is_some() => Ok(Met::Said("t".to_owned())),
            (Call::Hear { key, at_least, .. }, StepOutcome::Succeeded(data)) => {
                let fact: Fact = read(&step, data)?;
                let fits = fact.key == key_name(*key) && Some(fact.amount) >= *at_least;
                let taken = self.journal.iter().find_map(|entry| match &entry.body {
                    EntryBody::EventReceived(fields) if fields.step == step => Some(&fields.event),
                    _ => None,
                });
                let row = taken.and_then(|event| self.cut.events.get(event));
                if !fits || row.is_none_or(|row| row.data != *data) {
                    return Err(format!(
                        "{step} took {data:?}, which is not what it waits for"
                    ));
                }
                Ok(Met::Said(format!("h{}", fact.amount)))
            }
            (Call::Signal { .. }, StepOutcome::Succeeded(data)) => {
                let number: u64 = read(&step, data)?;
                Ok(Met::Said(format!("s{number}")))
            }
            (_, other) => Err(format!("{step} waited and came to {other:?}")),
        }
    }

    fn invoked(&mut self, line: &str) -> Result<Met, Wrong> {
        let step = self.next(line, "invoke");
        let Some(outcome) = self.outcome(&step, StepKind::Invoke)? else {
            return Ok(Met::Cut);
        };
        let child = self.child_of(&step)?;
        let ended = self
            .cut
            .goes_on_as(child)
            .and_then(|state| state.outcome.as_ref());
        match (outcome, ended) {
            (StepOutcome::Succeeded(output), Some(Outcome::Completed(own))) if output == own => {
                let said: String = read(&step, output)?;
                Ok(Met::Said(format!("i[{said}]")))
            }
            (StepOutcome::Failed { .. }, Some(Outcome::Failed(_) | Outcome::Cancelled)) => {
                Ok(Met::Failed)
            }
            (told, own) => Err(format!(
                "{step} was told {told:?}, its child {child} is {own:?}"
            )),
        }
    }

    fn sent(&mut self, line: &str, call: &Call) -> Result<Met, Wrong> {
        let (name, kind, said) = match call {
            Call::Tell { .. } => ("tell", StepKind::Send, "e"),
            Call::Go { .. } => ("go", StepKind::Send, "g"),
            _ => ("poke", StepKind::SendSignal, "p"),
        };
        let step = self.next(line, name);
        match (call, self.outcome(&step, kind)?) {
            (_, None) => return Ok(Met::Cut),
            // There may be no such run, or no more.
            (Call::Poke { .. }, Some(StepOutcome::Failed { .. })) => return Ok(Met::Failed),
            (_, Some(StepOutcome::Succeeded(_))) => {}
            (_, Some(other)) => return Err(format!("{step} came to {other:?}")),
        }
        if kind == StepKind::Send {
            let row = self.cut.events.get(&sent_by(self.run, &step));
            let row = row.ok_or_else(|| format!("{step} sent an event that is not stored"))?;
            let starts = usize::from(matches!(call, Call::Go { .. }));
            if row.runs.len() != starts {
                return Err(format!("{step} started {:?}", row.runs));
            }
        }
        Ok(Met::Said(said.to_owned()))
    }

    fn together(
        &mut self,
        line: &str,
        name: &'static str,
        kind: StepKind,
        branches: &[&[Op]],
    ) -> Result<Met, Wrong> {
        let step = self.next(line, name);
        let done = self.outcome(&step, kind)?.cloned();
        let mut all = Vec::new();
        for (number, ops) in (0..).zip(branches) {
            all.push(self.line(&step.branch_path(number), ops)?);
        }
        if done.is_none() {
            return Ok(Met::Cut);
        }
        if all.contains(&Met::Cut) {
            return Err(format!("{step} is over, and not all its branches are"));
        }
        let said: Option<Vec<String>> = all
            .into_iter()
            .map(|met| match met {
                Met::Said(said) => Some(said),
                Met::Failed | Met::Cut | Met::Continues(_) => None,
            })
            .collect();
        Ok(said.map_or(Met::Failed, |said| {
            Met::Said(format!("({})", said.join("|")))
        }))
    }

    fn raced(&mut self, line: &str, branches: &[Vec<Op>]) -> Result<Met, Wrong> {
        let step = self.next(line, "first");
        let done = self.outcome(&step, StepKind::Race)?.cloned();
        let mut all = Vec::new();
        for (number, ops) in (0..).zip(branches) {
            all.push(self.line(&step.branch_path(number), ops)?);
        }
        let winner = self.journal.iter().find_map(|entry| match &entry.body {
            EntryBody::BranchEnded(fields) if fields.fork == step => Some(fields),
            _ => None,
        });
        let (Some(done), Some(winner)) = (done, winner) else {
            return Ok(Met::Cut);
        };
        let own = usize::try_from(winner.branch)
            .ok()
            .and_then(|at| all.get(at));
        match (own, &winner.value, done) {
            (Some(Met::Said(said)), Some(Ok(value)), StepOutcome::Succeeded(output))
                if *value == output && read::<String>(&step, value)? == *said =>
            {
                Ok(Met::Said(said.clone()))
            }
            (Some(Met::Failed), Some(Err(_)), StepOutcome::Failed { .. }) => Ok(Met::Failed),
            (own, value, done) => Err(format!(
                "{step} was won by {} with {value:?}, which came to {own:?}; recorded {done:?}",
                winner.branch
            )),
        }
    }

    fn trip(&mut self, line: &str, body: &[Op], fails: bool) -> Result<Met, Wrong> {
        let step = self.next(line, "trip");
        let done = self.outcome(&step, StepKind::Scope)?.cloned();
        let within = step.branch_path(0);
        let mut met = self.block(&within, body, true)?;
        self.compare(&within, &met)?;
        if fails && matches!(met, Met::Said(_)) {
            met = Met::Failed;
        }
        let undoable = self.undoable(&within, body);
        let trip = Trip {
            scope: step.clone(),
            undoable,
            met: met.clone(),
        };
        self.trips.push(trip);
        match (done, met) {
            (None, _) => Ok(Met::Cut),
            (Some(StepOutcome::Succeeded(_)), Met::Said(said)) => Ok(Met::Said(said)),
            (Some(StepOutcome::Failed { .. }), Met::Failed) => Ok(Met::Failed),
            // Given up because the run is cancelled, or its branch lost: no code goes on from it.
            (Some(_), Met::Cut) => Ok(Met::Cut),
            (Some(StepOutcome::Succeeded(_)), Met::Failed) if self.is_given_up(&step) => {
                Ok(Met::Cut)
            }
            (Some(done), met) => Err(format!("{step} is recorded as {done:?}, its body {met:?}")),
        }
    }

    /// Whether the scope undoes although its body did not fail.
    fn is_given_up(&self, scope: &StepAddress) -> bool {
        self.journal.iter().any(|entry| match &entry.body {
            EntryBody::UndoStarted(fields) => fields.scope == *scope && fields.failure.is_none(),
            _ => false,
        })
    }

    /// The steps of a scope's own line that can be undone and succeeded, in the order of the code.
    fn undoable(&self, line: &str, body: &[Op]) -> Vec<StepAddress> {
        let places = body.iter().enumerate();
        let with_undo = places.filter(|(_, op)| matches!(op.call, Call::Act(_, Some(_))));
        let steps = with_undo.map(|(at, _)| StepAddress {
            branch: line.into(),
            name: undoable_name(at).into(),
            nth: 1,
        });
        let succeeded = steps.filter(|step| {
            let known = self.state.steps.get(step);
            known.is_some_and(|known| {
                let progress = &known.progress;
                matches!(progress, StepProgress::Done(StepOutcome::Succeeded(_)))
            })
        });
        succeeded.collect()
    }

    fn next(&mut self, line: &str, name: &str) -> StepAddress {
        let uses = (line.to_owned(), name.to_owned());
        let uses = self.uses.entry(uses).or_insert(0);
        *uses += 1;
        let step = StepAddress {
            branch: line.into(),
            name: name.into(),
            nth: *uses,
        };
        let walked = self.walked.entry(line.to_owned()).or_default();
        walked.push(step.clone());
        step
    }

    /// The recorded result of a step, if there is one.
    fn outcome(
        &self,
        step: &StepAddress,
        kind: StepKind,
    ) -> Result<Option<&'a StepOutcome>, Wrong> {
        let Some(known) = self.state.steps.get(step) else {
            return Ok(None);
        };
        if known.kind != kind {
            let (recorded, said) = (known.kind.word(), kind.word());
            return Err(format!(
                "{step} is recorded as {recorded}, its code says {said}"
            ));
        }
        match &known.progress {
            StepProgress::Done(outcome) => Ok(Some(outcome)),
            StepProgress::Open { .. } | StepProgress::Waiting(_) | StepProgress::Forked(_) => {
                Ok(None)
            }
        }
    }

    fn child_of(&self, step: &StepAddress) -> Result<RunId, Wrong> {
        let started = self.journal.iter().find_map(|entry| match &entry.body {
            EntryBody::ChildStarted(fields) if fields.step == *step => Some(fields.run),
            _ => None,
        });
        started.ok_or_else(|| format!("{step} has a result and no child"))
    }
}

fn read<T: serde::de::DeserializeOwned>(step: &StepAddress, data: &Payload) -> Result<T, Wrong> {
    serde_json::from_str(data.as_json()).map_err(|error| format!("{step} holds {data:?}: {error}"))
}
