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
    /// Which call of a body of this name it is, from 1, over all runs.
    pub nth: u32,
    /// The key for calls outward: the same for every attempt.
    pub idempotency_key: String,
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

    /// Puts `body` in the place of the body of every step of this name, on whichever line. What it
    /// returns is recorded as the step's result, so it must have the shape the code expects.
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

    /// The calls of bodies of this name, oldest first, real ones included.
    #[must_use]
    pub fn calls(&self, step: &str) -> Vec<Call> {
        let calls = self.lock();
        let of_step = calls.iter().filter(|call| &*call.step.name == step);
        of_step.cloned().collect()
    }

    fn note(&self, attempt: &Attempt) -> Call {
        let mut calls = self.lock();
        let name = &attempt.step().name;
        let before = calls.iter().filter(|call| call.step.name == *name).count();
        let call = Call {
            run: attempt.run(),
            step: attempt.step().clone(),
            attempt: attempt.number(),
            nth: u32::try_from(before + 1).unwrap_or(u32::MAX),
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
    fn admit(&self, attempt: &Attempt, _kind: StepKind, admission: Admission) -> Admission {
        let call = self.fakes.note(attempt);
        match self.fakes.bodies.get(&*attempt.step().name) {
            None => admission.holding(self.pace.body()),
            Some(fake) => admission.with_stand_in(fake(call)),
        }
    }
}
