//! The one workflow of a simulation: it does what its program says, and returns what it saw.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use stepwell::{
    Attempt, Error, Event, EventType, ParentClose, Payload, RunRef, Scope, Step, TypedWorkflow,
    Workflow, WorkflowFuture,
};

use super::program::{Body, Call, Op, Programs, SIGNAL, Way, undoable_name};
use super::world::World;

/// The limit of an attempt that is to take longer.
const LIMIT: Duration = Duration::from_secs(2);

/// What runs wait for.
#[derive(Debug, Event, Serialize, Deserialize)]
#[event("sim/fact", key = "key")]
pub(super) struct Fact {
    pub(super) key: String,
    pub(super) amount: u64,
}

/// What starts a run, and what a run is given.
#[derive(Debug, Event, Serialize, Deserialize)]
#[event("sim/go")]
pub(super) struct Go {
    pub(super) program: usize,
}

/// The workflow, as one opening of the store has it.
#[derive(Clone)]
pub(super) struct Interpreter {
    pub(super) world: Arc<World>,
    pub(super) programs: Arc<Programs>,
    pub(super) opening: u64,
}

/// Its name.
pub(super) const NAME: &str = "sim";

impl Workflow for Interpreter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn trigger(&self) -> Option<&'static str> {
        Some(Go::NAME)
    }

    fn waits(&self) -> Vec<EventType> {
        vec![EventType::of::<Fact>()]
    }

    fn run<'a>(&'a self, step: &'a mut Step, input: Payload) -> WorkflowFuture<'a> {
        Box::pin(async move {
            let go: Go = serde_json::from_str(input.as_json()).map_err(Error::terminal)?;
            let ops = &self.programs[go.program].ops;
            let said = self.world.bounded(self.block(step, ops)).await?;
            Ok(Payload::from_json(serde_json::to_string(&said)?))
        })
    }
}

impl TypedWorkflow for Interpreter {
    type Input = Go;
    type Output = String;
}

/// What an event key is called.
pub(super) fn key_name(key: u64) -> String {
    format!("key-{key}")
}

impl Interpreter {
    fn block<'a>(
        &'a self,
        step: &'a mut Step,
        ops: &'a [Op],
    ) -> LocalBoxFuture<'a, Result<String, Error>> {
        Box::pin(async move {
            let mut said = String::new();
            for op in ops {
                let result = self.call(step, &op.call).await;
                add(&mut said, op, result)?;
            }
            Ok(said)
        })
    }

    async fn call(&self, step: &mut Step, call: &Call) -> Result<String, Error> {
        match call {
            Call::Act(body, _) => {
                let act = async |attempt: &Attempt| self.act(body, attempt).await;
                let mut ran = step.run("act", act).retries(body.retries);
                if body.way == Way::HangsFirst {
                    ran = ran.timeout(LIMIT);
                }
                Ok(format!("a{}", ran.await?))
            }
            Call::Now => Ok(format!("n{}", step.now().await.as_ms())),
            Call::Random => Ok(format!("r{}", step.random().await)),
            Call::Nap { ms } => {
                step.sleep("nap", Duration::from_millis(*ms)).await?;
                Ok("z".to_owned())
            }
            Call::Fail => Err(Error::terminal("program says so")),
            Call::Continue { program } => step.continue_as_new(&Go { program: *program }).await,
            Call::Hear {
                key,
                at_least,
                limit_ms,
            } => hear(step, *key, *at_least, *limit_ms).await,
            Call::Signal { limit_ms } => {
                let wait = step.wait_signal::<u64>("signal", SIGNAL);
                let data = match limit_ms {
                    Some(ms) => wait.timeout(Duration::from_millis(*ms)).await?,
                    None => Some(wait.await?),
                };
                Ok(data.map_or("t".to_owned(), |data| format!("s{data}")))
            }
            Call::Invoke { .. } | Call::Start { .. } => self.start(step, call).await,
            Call::Tell { key, amount } => {
                let (key, amount) = (key_name(*key), *amount);
                step.send("tell", &Fact { key, amount }).await?;
                Ok("e".to_owned())
            }
            Call::Go { program } => {
                let program = *program;
                step.send("go", &Go { program }).await?;
                Ok("g".to_owned())
            }
            Call::Poke { key } => {
                let run = RunRef::named(self, key_name(*key));
                step.signal("poke", run, SIGNAL, &1_u64).await?;
                Ok("p".to_owned())
            }
            Call::Join(_) | Call::Map { .. } | Call::Race(_) | Call::Scope { .. } => {
                Box::pin(self.forked(step, call)).await
            }
        }
    }

    async fn start(&self, step: &mut Step, call: &Call) -> Result<String, Error> {
        match call {
            Call::Invoke { program, abandon } => {
                let close = if *abandon {
                    ParentClose::Abandon
                } else {
                    ParentClose::Cancel
                };
                let go = Go { program: *program };
                let invoke = step.invoke("invoke", self.clone(), &go);
                let output = invoke.on_parent_close(close).await?;
                Ok(format!("i[{output}]"))
            }
            Call::Start { program, close } => {
                let go = Go { program: *program };
                let start = step.start("start", self.clone(), &go);
                let close = if *close {
                    ParentClose::Cancel
                } else {
                    ParentClose::Abandon
                };
                start.on_parent_close(close).await?;
                Ok("d".to_owned())
            }
            other => Err(Error::terminal(format_args!("{other:?} starts nothing"))),
        }
    }

    async fn forked(&self, step: &mut Step, call: &Call) -> Result<String, Error> {
        match call {
            Call::Join(branches) => {
                let results = match branches.as_slice() {
                    [a, b] => {
                        let both = (
                            async |line: &mut Step| self.block(line, a).await,
                            async |line: &mut Step| self.block(line, b).await,
                        );
                        let (a, b) = step.join("all", both).await?;
                        vec![a, b]
                    }
                    [a, b, c] => {
                        let three = (
                            async |line: &mut Step| self.block(line, a).await,
                            async |line: &mut Step| self.block(line, b).await,
                            async |line: &mut Step| self.block(line, c).await,
                        );
                        let (a, b, c) = step.join("all", three).await?;
                        vec![a, b, c]
                    }
                    other => return Err(Error::terminal(other.len())),
                };
                together(results)
            }
            Call::Map { items, limit, each } => {
                let body = async |line: &mut Step, _: u64| self.block(line, each).await;
                together(step.map("each", 0..*items, *limit, body).await?)
            }
            Call::Race(branches) => match branches.as_slice() {
                [a, b] => {
                    let both = (
                        async |line: &mut Step| self.block(line, a).await,
                        async |line: &mut Step| self.block(line, b).await,
                    );
                    Ok(step.race("first", both).await?)
                }
                [a, b, c] => {
                    let three = (
                        async |line: &mut Step| self.block(line, a).await,
                        async |line: &mut Step| self.block(line, b).await,
                        async |line: &mut Step| self.block(line, c).await,
                    );
                    Ok(step.race("first", three).await?)
                }
                other => Err(Error::terminal(other.len())),
            },
            Call::Scope { body, fails } => {
                step.scope("trip", async |scope: &mut Scope<'_>| {
                    self.trip(scope, body, *fails).await
                })
                .await
            }
            other => Err(Error::terminal(format_args!("{other:?} forks nothing"))),
        }
    }

    async fn trip(&self, scope: &mut Scope<'_>, body: &[Op], fails: bool) -> Result<String, Error> {
        let mut said = String::new();
        for (at, op) in body.iter().enumerate() {
            let result = match &op.call {
                Call::Act(body, Some(undo)) => self.undoable(scope, at, body, *undo).await,
                call => self.call(scope, call).await,
            };
            add(&mut said, op, result)?;
        }
        if fails {
            return Err(Error::terminal("trip ends here"));
        }
        Ok(said)
    }

    async fn undoable(
        &self,
        scope: &mut Scope<'_>,
        at: usize,
        body: &Body,
        undo: Body,
    ) -> Result<String, Error> {
        let act = async |attempt: &Attempt| self.act(body, attempt).await;
        let mut ran = scope.run(&undoable_name(at), act).retries(undo.retries);
        let again = self.clone();
        ran = ran
            .undo(async move |attempt: &Attempt, _: u64| again.act(&undo, attempt).await.map(drop));
        ran = ran.retries(body.retries);
        if body.way == Way::HangsFirst {
            ran = ran.timeout(LIMIT);
        }
        Ok(format!("a{}", ran.await?))
    }

    async fn act(&self, body: &Body, attempt: &Attempt) -> Result<u64, Error> {
        self.world.begins(self.opening, attempt).await;
        let number = attempt.number();
        if body.way == Way::HangsFirst && number == 1 {
            tokio::time::sleep(LIMIT * 2).await;
        }
        if body.takes_ms > 0 {
            tokio::time::sleep(Duration::from_millis(body.takes_ms)).await;
        }
        match body.way {
            Way::FailsFirst(times) if number <= times => Err(Error::retryable("not yet")),
            // Contained like every panic of a body, and without a word on the terminal.
            Way::PanicsFirst(times) if number <= times => {
                std::panic::resume_unwind(Box::new("body panics"))
            }
            Way::FailsAlways => Err(Error::retryable("never")),
            Way::Terminal => Err(Error::terminal("for good")),
            Way::Succeeds | Way::FailsFirst(_) | Way::PanicsFirst(_) | Way::HangsFirst => {
                Ok(body.value)
            }
        }
    }
}

async fn hear(
    step: &mut Step,
    key: u64,
    at_least: Option<u64>,
    limit_ms: Option<u64>,
) -> Result<String, Error> {
    let mut wait = step.wait_for::<Fact>("hear", key_name(key));
    if let Some(least) = at_least {
        wait = wait.matching(move |fact| fact.amount >= least);
    }
    let fact = match limit_ms {
        Some(ms) => wait.timeout(Duration::from_millis(ms)).await?,
        None => Some(wait.await?),
    };
    Ok(fact.map_or("t".to_owned(), |fact| format!("h{}", fact.amount)))
}

/// What a block says of one op, or the error that ends it.
fn add(said: &mut String, op: &Op, result: Result<String, Error>) -> Result<(), Error> {
    match result {
        Ok(more) => said.push_str(&more),
        Err(_) if op.caught => said.push('!'),
        Err(error) => return Err(error),
    }
    said.push(';');
    Ok(())
}

fn together(results: Vec<Result<String, Error>>) -> Result<String, Error> {
    let said: Result<Vec<String>, Error> = results.into_iter().collect();
    Ok(format!("({})", said?.join("|")))
}
