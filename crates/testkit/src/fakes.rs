//! Fakes in the place of step bodies, by the name of the step, with every call noted.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use stepwell::host::{Admission, StandIn};
use stepwell::{Attempt, Error, Payload, RunId, StepAddress};
use stepwell_core::{Failure, FailureClass, StepKind};
use stepwell_engine::Bodies;

use crate::pace::Pace;

/// One call of a body, real or fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepAddress,
    /// The attempt, from 1, those cut short by a crash counted.
    pub attempt: u32,
    /// Which call it is of the steps it is faked with, or else of its name, from 1, over all runs.
    pub nth: u32,
    /// Whether it is a compensation, which has the name of the step it undoes.
    pub undoes: bool,
    /// The key for calls outward: the same for every attempt.
    pub idempotency_key: String,
}

impl Call {
    /// Whether a fake of this name or address stands for it.
    fn is_of(&self, step: &str) -> bool {
        self.step.to_string() == step || !self.undoes && &*self.step.name == step
    }
}

type Body = dyn Fn(Call) -> StandIn + Send + Sync;

/// What stands in the place of bodies. Clones share it, calls included.
#[derive(Clone, Default)]
pub struct Fakes {
    bodies: BTreeMap<String, Arc<Body>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl std::fmt::Debug for Fakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.bodies.keys()).finish()
    }
}

impl Fakes {
    /// No fakes: bodies run as they are written, and their calls are noted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `body` in the place of the body of every step of this name, on whichever line; given the
    /// whole address of a step, such as `trip/undo/seat`, in the place of that one. A compensation
    /// has the name of the step it undoes and is faked by its address alone. What the fake returns is
    /// recorded as the step's result, so it must have the shape the code expects.
    #[must_use]
    pub fn with<T, F>(self, step: &str, body: F) -> Self
    where
        T: Serialize,
        F: Fn(&Call) -> Result<T, Error> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        self.with_async(step, move |call| {
            let body = Arc::clone(&body);
            async move { body(&call) }
        })
    }

    /// The same with a body that waits: for virtual time, which takes none, or for ever.
    #[must_use]
    pub fn with_async<T, F, Fut>(mut self, step: &str, body: F) -> Self
    where
        T: Serialize,
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, Error>> + 'static,
    {
        let body = move |call: Call| -> StandIn {
            let returned = body(call);
            Box::pin(async move {
                let value = returned.await.map_err(Error::into_failure)?;
                encoded(&value)
            })
        };
        self.bodies.insert(step.to_owned(), Arc::new(body));
        self
    }

    /// The calls of the bodies that a fake of this name or address stands for, oldest first, real
    /// ones included.
    #[must_use]
    pub fn calls(&self, step: &str) -> Vec<Call> {
        let calls = self.lock();
        let of_step = calls.iter().filter(|call| call.is_of(step));
        of_step.cloned().collect()
    }

    /// The name or address under which a step is faked, if it is.
    fn faked_as(&self, step: &StepAddress, undoes: bool) -> Option<String> {
        let mut names = vec![step.to_string()];
        if !undoes {
            names.push(step.name.to_string());
        }
        names
            .into_iter()
            .find(|name| self.bodies.contains_key(name))
    }

    fn note(&self, attempt: &Attempt, undoes: bool, called: &str) -> Call {
        let mut calls = self.lock();
        let before = calls.iter().filter(|call| call.is_of(called)).count();
        let call = Call {
            run: attempt.run(),
            step: attempt.step().clone(),
            attempt: attempt.number(),
            nth: u32::try_from(before + 1).unwrap_or(u32::MAX),
            undoes,
            idempotency_key: attempt.idempotency_key().to_owned(),
        };
        calls.push(call.clone());
        call
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encoded<T: Serialize>(value: &T) -> Result<Payload, Failure> {
    match serde_json::to_string(value) {
        Ok(json) => Ok(Payload::from_json(json)),
        Err(error) => Err(Failure::new(
            FailureClass::Terminal,
            format!("result of the fake does not serialise: {error}"),
        )),
    }
}

/// What an engine under test is told of bodies: it notes them, fakes some, and keeps the clock from
/// jumping while a real one is in flight.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) fakes: Fakes,
    pub(crate) pace: Arc<Pace>,
}

impl Bodies for Seen {
    fn admit(&self, attempt: &Attempt, kind: StepKind, admission: Admission) -> Admission {
        let (step, undoes) = (attempt.step(), kind == StepKind::Undo);
        let faked = self.fakes.faked_as(step, undoes);
        let called = match &faked {
            Some(name) => name.clone(),
            None if undoes => step.to_string(),
            None => step.name.to_string(),
        };
        let call = self.fakes.note(attempt, undoes, &called);
        match faked.and_then(|name| self.fakes.bodies.get(&name)) {
            None => admission.holding(self.pace.body()),
            Some(fake) => admission.with_stand_in(fake(call)),
        }
    }
}
