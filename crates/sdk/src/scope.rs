//! Scopes that undo: compensation in reverse order, durable, crash or no crash.

use std::cell::RefCell;
use std::future::{IntoFuture, pending};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, select};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::ids::StepNameError;
use stepwell_core::run::{Command, Reply};
use stepwell_core::{Failure, FailureClass, Payload, RetryPolicy, StepAddress, StepKind};

use crate::attempt::Attempt;
use crate::error::{Error, StepError};
use crate::step::{Options, Ran, Step, usable};

/// One attempt at a compensation, given the recorded result of what it undoes.
type Act<'u> = Rc<dyn Fn(Attempt, Payload) -> LocalBoxFuture<'u, Result<Ran, Failure>> + 'u>;

/// A compensation that was named.
#[derive(Clone)]
struct Undo<'u> {
    name: Arc<str>,
    /// The step it undoes; without one it is undone because it was named.
    of: Option<StepAddress>,
    options: Options,
    act: Act<'u>,
}

/// The line inside a scope: a [`Step`] whose steps can be given compensations.
pub struct Scope<'u> {
    line: Step,
    undos: Rc<RefCell<Vec<Undo<'u>>>>,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scope over {:?}", self.line)
    }
}

impl Deref for Scope<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        &self.line
    }
}

impl DerefMut for Scope<'_> {
    fn deref_mut(&mut self) -> &mut Step {
        &mut self.line
    }
}

impl Step {
    /// A scope: when `body` returns an error, or the run is cancelled in it, what its steps did is
    /// undone in reverse order, each compensation a durable step with retries of its own.
    ///
    /// A crash while undoing goes on where it was. A step counts as done, and is undone, once its
    /// result is recorded; one whose body was cut short by a crash and never recorded is not.
    /// Compensations run although the run is being cancelled; killing a run runs none.
    ///
    /// # Errors
    /// The body's error once everything is undone; it is recorded, so no replay can turn it into
    /// success. Compensations that spent their attempts are named behind it.
    pub async fn scope<'u, T, F>(&mut self, name: &str, body: F) -> Result<T, Error>
    where
        F: AsyncFnOnce(&mut Scope<'u>) -> Result<T, Error>,
    {
        let address = usable(self.claim(name))?;
        let (_, failed_before) = self.come_to_fork(&address, StepKind::Scope, 1, 1).await;
        let undos = Rc::new(RefCell::new(Vec::new()));
        let mut scope = Scope {
            line: self.branched(address.branch_path(0)),
            undos: Rc::clone(&undos),
        };
        let ended = {
            let code = std::pin::pin!(body(&mut scope));
            let cancelled = self.host().cancelled(&address);
            match select(code, cancelled).await {
                Either::Left((returned, _)) => Some(returned),
                Either::Right(((), _)) => None,
            }
        };
        let passed = scope.line.passed();
        let undos = undos.take();
        let error = match (ended, failed_before) {
            (Some(Ok(value)), None) => {
                self.end_branch(&address, 0, passed).await;
                self.pass();
                return Ok(value);
            }
            (Some(Err(error)), None) => Some((error.into_failure(), passed)),
            (Some(_), Some(failure)) => Some((failure, passed)),
            (None, _) => None,
        };
        self.host().leave(address.branch_path(0));
        let failure = error.as_ref().map(|(failure, _)| failure.clone());
        self.begin_undo(&address, error).await;
        let (spent, passed) = self.undo_all(&address, undos).await;
        self.end_branch(&address, 0, passed).await;
        let Some(failure) = failure else {
            // The run ends as cancelled, or the branch as a loser: no code sees the difference.
            return pending().await;
        };
        self.pass();
        Err(scope_error(&address, failure, &spent))
    }

    async fn begin_undo(&self, address: &StepAddress, failed: Option<(Failure, usize)>) {
        let scope = address.clone();
        if self.host().ask(Command::StartUndo { scope, failed }) != Reply::Accepted {
            pending::<()>().await;
        }
    }

    /// Undoes in reverse order; the compensations that spent their attempts, and how many steps
    /// the undo line passed.
    async fn undo_all(&self, scope: &StepAddress, undos: Vec<Undo<'_>>) -> (Vec<StepError>, usize) {
        let mut line = self.branched(scope.undo_path());
        let mut spent = Vec::new();
        for undo in undos.into_iter().rev() {
            let output = match &undo.of {
                None => Payload::null(),
                // A step without a recorded success did nothing that is known of.
                Some(step) => match self.host().output_of(step) {
                    Some(output) => output,
                    None => continue,
                },
            };
            let Ok(address) = usable(line.claim(&undo.name)) else {
                continue;
            };
            let act = Rc::clone(&undo.act);
            let call = move |attempt: Attempt| act(attempt, output.clone());
            let kind = StepKind::Undo;
            if let Err(error) = line.settle(address, kind, undo.options, call).await {
                spent.push(error);
            }
        }
        (spent, line.passed())
    }
}

fn scope_error(scope: &StepAddress, mut failure: Failure, spent: &[StepError]) -> Error {
    for error in spent {
        let more = format!("{}; undo: {error}", failure.message);
        let step = failure.step.take();
        failure = Failure::new(failure.class, more);
        failure.step = step;
    }
    // Recorded as the scope's result: replaying the code again would change nothing.
    failure.step.get_or_insert_with(|| scope.clone());
    Error::from_failure(failure)
}

impl<'u> Scope<'u> {
    /// [`Step::run`], which can be given a compensation with [`ScopedStep::undo`].
    pub fn run<'a, T, F>(&'a mut self, name: &str, body: F) -> ScopedStep<'a, 'u, T, F>
    where
        F: AsyncFn(&Attempt) -> Result<T, Error> + 'a,
        T: Serialize + DeserializeOwned + 'a,
    {
        let address = self.line.claim(name);
        ScopedStep {
            scope: self,
            address,
            body,
            options: Options::default(),
            output: PhantomData,
        }
    }

    /// Names something to be undone from here on that no single step stands for: a cleanup. It
    /// runs with the compensations, in its place in their order.
    ///
    /// # Errors
    /// For a name that cannot be used.
    pub fn on_undo<U>(&mut self, name: &str, undo: U) -> Result<(), StepError>
    where
        U: AsyncFn(&Attempt) -> Result<(), Error> + 'u,
    {
        let address = usable(StepAddress::root(name, 1))?;
        let undo = Rc::new(undo);
        let act: Act<'u> = Rc::new(move |attempt, _| {
            let undo = Rc::clone(&undo);
            Box::pin(async move {
                undo(&attempt).await.map_err(Error::into_failure)?;
                Ran::encode(&())
            })
        });
        self.undos.borrow_mut().push(Undo {
            name: address.name,
            of: None,
            options: Options::default(),
            act,
        });
        Ok(())
    }
}

/// A step in a scope that was named and not yet awaited.
#[must_use = "a step does nothing until it is awaited"]
pub struct ScopedStep<'a, 'u, T, F> {
    scope: &'a mut Scope<'u>,
    address: Result<StepAddress, StepNameError>,
    body: F,
    options: Options,
    output: PhantomData<fn() -> T>,
}

impl<T, F> std::fmt::Debug for ScopedStep<'_, '_, T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScopedStep {:?}", self.address)
    }
}

impl<'u, T, F> ScopedStep<'_, 'u, T, F>
where
    T: DeserializeOwned + 'u,
{
    /// Attempts after the first, instead of the workflow's: of the step, and of its compensation
    /// when set before [`ScopedStep::undo`].
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = Some(retries);
        self
    }

    /// The whole retry policy, instead of the workflow's.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.policy = Some(policy);
        self
    }

    /// The time limit of each attempt, instead of the engine's.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// What undoes the step, given its recorded result. Its idempotency key is its own, and the
    /// same on every attempt; its options are those the step has at this call.
    pub fn undo<U>(self, undo: U) -> Self
    where
        U: AsyncFn(&Attempt, T) -> Result<(), Error> + 'u,
    {
        let Ok(address) = &self.address else {
            return self;
        };
        let undo = Rc::new(undo);
        let act: Act<'u> = Rc::new(move |attempt, output: Payload| {
            let undo = Rc::clone(&undo);
            Box::pin(async move {
                let done: T = serde_json::from_str(output.as_json()).map_err(|error| {
                    let place = format!("line {}, column {}", error.line(), error.column());
                    let message = format!("recorded result does not fit its type, at {place}");
                    Failure::new(FailureClass::Terminal, message)
                })?;
                undo(&attempt, done).await.map_err(Error::into_failure)?;
                Ran::encode(&())
            })
        });
        self.scope.undos.borrow_mut().push(Undo {
            name: address.name.clone(),
            of: Some(address.clone()),
            options: self.options.clone(),
            act,
        });
        self
    }
}

impl<'a, T, F> IntoFuture for ScopedStep<'a, '_, T, F>
where
    F: AsyncFn(&Attempt) -> Result<T, Error> + 'a,
    T: Serialize + DeserializeOwned + 'a,
{
    type Output = Result<T, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            scope,
            address,
            body,
            options,
            output: _,
        } = self;
        let line = &mut scope.line;
        Box::pin(async move {
            let address = usable(address)?;
            line.run_to_result(address, options, &body).await
        })
    }
}
