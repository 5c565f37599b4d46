//! Waiting: for an instant, for an event, for a signal. A run that only waits holds no memory.

use std::future::{IntoFuture, pending};
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use stepwell_core::ids::StepNameError;
use stepwell_core::run::{Command, FinishStep, Reply, StartStep, StepOutcome, Subject};
use stepwell_core::{
    Awaited, Failure, FailureClass, Payload, RetryPolicy, StepAddress, StepKind, Timestamp, WaitOn,
};

use crate::error::StepError;
use crate::event::{Event, KeyText};
use crate::host::WaitAsk;
use crate::step::{Step, result_of, usable};

impl Step {
    /// Waits for `duration`, from a millisecond to years.
    ///
    /// The instant of waking is recorded when the code first gets here: crashes and replays do not
    /// start the wait anew.
    ///
    /// # Errors
    /// Only for a name that cannot be used, or a run at its limit of steps.
    pub async fn sleep(&mut self, name: &str, duration: Duration) -> Result<(), StepError> {
        let until = self.host().now().after(duration);
        self.sleep_until(name, until).await
    }

    /// Waits until an instant of the wall clock; one that is past is here at once.
    ///
    /// # Errors
    /// See [`Step::sleep`].
    pub async fn sleep_until(&mut self, name: &str, until: Timestamp) -> Result<(), StepError> {
        let address = usable(self.claim(name))?;
        let ask = WaitAsk {
            step: address.clone(),
            on: WaitOn::Until,
            until: Some(until),
            look_back: Duration::ZERO,
        };
        let outcome = self.await_outcome(ask, &|_: &Payload| true).await;
        result_of(address, outcome).map(drop)
    }

    /// Waits for an event of type `E` whose key is `key`; the event is the result.
    ///
    /// Every event counts that was accepted after the run began, whether the code had come to this
    /// wait or not: what arrives early is not lost. One event satisfies at most one wait of a run,
    /// and the event that started the run none. For an event type without a key, `key` is `()`.
    pub fn wait_for<'a, E: Event>(&'a mut self, name: &str, key: impl KeyText) -> WaitFor<'a, E> {
        let address = self.claim(name);
        WaitFor {
            step: self,
            address,
            key: key.key_text(),
            look_back: Duration::ZERO,
            matches: Box::new(|_| true),
            judged: false,
        }
    }

    /// Waits for a signal named `signal` to this run; its data is the result.
    ///
    /// Signals are kept in the order they arrive, also those that come before the code asks.
    pub fn wait_signal<'a, T: DeserializeOwned>(
        &'a mut self,
        name: &str,
        signal: &str,
    ) -> WaitSignal<'a, T> {
        let address = self.claim(name);
        WaitSignal {
            step: self,
            address,
            signal: signal.to_owned(),
            data: PhantomData,
        }
    }

    /// Takes a wait to its recorded outcome.
    async fn await_outcome(
        &mut self,
        ask: WaitAsk,
        matches: &dyn Fn(&Payload) -> bool,
    ) -> StepOutcome {
        let (address, kind) = (ask.step.clone(), ask.on.kind());
        let subject = Subject::of(&ask.on);
        let position = self.passed();
        loop {
            let start = StartStep {
                step: address.clone(),
                kind,
                position,
                subject: subject.clone(),
            };
            match self.host().ask(Command::StartStep(start)) {
                Reply::Recorded(outcome) => {
                    self.pass();
                    return outcome;
                }
                Reply::Execute { attempt } => {
                    let begun = self.host().begin_wait(ask.clone()).await;
                    if let Err(failure) = begun {
                        self.fail(&address, kind, attempt, failure);
                    }
                }
                Reply::Park { .. } | Reply::Wait { .. } => self.host().stirred(&address).await,
                Reply::Judge { data } => {
                    let step = address.clone();
                    let accepted = matches(&data);
                    self.host().ask(Command::Judge { step, accepted });
                }
                Reply::Stop
                | Reply::Hold
                | Reply::Patched(_)
                | Reply::Accepted
                | Reply::Fork { .. } => {
                    pending::<()>().await;
                }
            }
        }
    }

    /// Records that what `step` asked for is impossible.
    pub(crate) fn fail(&self, step: &StepAddress, kind: StepKind, attempt: u32, failure: Failure) {
        self.host().ask(Command::FinishStep(FinishStep {
            step: step.clone(),
            kind,
            attempt,
            result: Err(failure),
            policy: RetryPolicy::default().with_retries(0),
            database: None,
        }));
    }
}

/// A wait for an event that was named and not yet awaited.
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitFor<'a, E> {
    step: &'a mut Step,
    address: Result<StepAddress, StepNameError>,
    key: String,
    look_back: Duration,
    matches: Box<dyn Fn(&E) -> bool + 'a>,
    judged: bool,
}

impl<E> std::fmt::Debug for WaitFor<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WaitFor {:?}", self.address)
    }
}

impl<'a, E: Event> WaitFor<'a, E> {
    /// Takes only an event for which `matches` holds; one that is turned down is recorded as such
    /// and can still satisfy another wait of the run. `matches` must do the same on every replay.
    pub fn matching(mut self, matches: impl Fn(&E) -> bool + 'a) -> Self {
        self.matches = Box::new(matches);
        self.judged = true;
        self
    }

    /// Counts events too that were accepted up to this long before the run began.
    pub fn look_back(mut self, reach: Duration) -> Self {
        self.look_back = reach;
        self
    }

    /// Gives up after `limit`, and then the result is `None`. Event and limit are decided between
    /// by the order of the journal: whichever entry comes first.
    pub fn timeout(self, limit: Duration) -> TimedWaitFor<'a, E> {
        TimedWaitFor { wait: self, limit }
    }

    async fn outcome(self, limit: Option<Duration>) -> Result<Option<E>, StepError> {
        let Self {
            step,
            address,
            key,
            look_back,
            matches,
            judged,
        } = self;
        let address = usable(address)?;
        let awaited = Awaited {
            name: E::NAME.to_owned(),
            key,
        };
        let until = limit.map(|limit| step.host().now().after(limit));
        let ask = WaitAsk {
            step: address.clone(),
            on: WaitOn::Event { awaited, judged },
            until,
            look_back,
        };
        let read = |data: &Payload| serde_json::from_str::<E>(data.as_json());
        let fits = |data: &Payload| read(data).is_ok_and(|event| matches(&event));
        match step.await_outcome(ask, &fits).await {
            StepOutcome::TimedOut => Ok(None),
            outcome @ (StepOutcome::Succeeded(_) | StepOutcome::Failed { .. }) => {
                let data = result_of(address.clone(), outcome)?;
                // Line and column alone: the message of a decoder may quote the payload.
                read(&data).map(Some).map_err(|error| {
                    let message = format!(
                        "event {} does not have the expected shape, at line {}, column {}",
                        E::NAME,
                        error.line(),
                        error.column()
                    );
                    let failure = Failure::new(FailureClass::Terminal, message);
                    StepError::new(address, 1, failure)
                })
            }
        }
    }
}

impl<'a, E: Event> IntoFuture for WaitFor<'a, E> {
    type Output = Result<E, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.outcome(None).await? {
                Some(event) => Ok(event),
                // A wait without a limit has no deadline to reach.
                None => pending().await,
            }
        })
    }
}

/// A wait for an event with a time limit.
#[must_use = "a wait does nothing until it is awaited"]
pub struct TimedWaitFor<'a, E> {
    wait: WaitFor<'a, E>,
    limit: Duration,
}

impl<E> std::fmt::Debug for TimedWaitFor<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} for {:?}", self.wait, self.limit)
    }
}

impl<'a, E: Event> IntoFuture for TimedWaitFor<'a, E> {
    type Output = Result<Option<E>, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait.outcome(Some(self.limit)))
    }
}

/// A wait for a signal that was named and not yet awaited.
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitSignal<'a, T> {
    step: &'a mut Step,
    address: Result<StepAddress, StepNameError>,
    signal: String,
    data: PhantomData<fn() -> T>,
}

impl<T> std::fmt::Debug for WaitSignal<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WaitSignal {:?}", self.address)
    }
}

impl<'a, T: DeserializeOwned + 'a> WaitSignal<'a, T> {
    /// Gives up after `limit`, and then the result is `None`.
    pub fn timeout(self, limit: Duration) -> TimedWaitSignal<'a, T> {
        TimedWaitSignal { wait: self, limit }
    }

    async fn outcome(self, limit: Option<Duration>) -> Result<Option<T>, StepError> {
        let Self {
            step,
            address,
            signal,
            data: _,
        } = self;
        let address = usable(address)?;
        let until = limit.map(|limit| step.host().now().after(limit));
        let name = signal.clone();
        let ask = WaitAsk {
            step: address.clone(),
            on: WaitOn::Signal { name: signal },
            until,
            look_back: Duration::ZERO,
        };
        match step.await_outcome(ask, &|_: &Payload| true).await {
            StepOutcome::TimedOut => Ok(None),
            outcome @ (StepOutcome::Succeeded(_) | StepOutcome::Failed { .. }) => {
                let data = result_of(address.clone(), outcome)?;
                serde_json::from_str(data.as_json())
                    .map(Some)
                    .map_err(|error| {
                        let message = format!(
                            "signal {name} does not have the expected shape, at line {}, column {}",
                            error.line(),
                            error.column()
                        );
                        let failure = Failure::new(FailureClass::Terminal, message);
                        StepError::new(address, 1, failure)
                    })
            }
        }
    }
}

impl<'a, T: DeserializeOwned + 'a> IntoFuture for WaitSignal<'a, T> {
    type Output = Result<T, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.outcome(None).await? {
                Some(data) => Ok(data),
                None => pending().await,
            }
        })
    }
}

/// A wait for a signal with a time limit.
#[must_use = "a wait does nothing until it is awaited"]
pub struct TimedWaitSignal<'a, T> {
    wait: WaitSignal<'a, T>,
    limit: Duration,
}

impl<T> std::fmt::Debug for TimedWaitSignal<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} for {:?}", self.wait, self.limit)
    }
}

impl<'a, T: DeserializeOwned + 'a> IntoFuture for TimedWaitSignal<'a, T> {
    type Output = Result<Option<T>, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait.outcome(Some(self.limit)))
    }
}
