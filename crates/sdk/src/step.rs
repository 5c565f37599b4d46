//! [`Step`]: the one way a workflow touches the world, and [`RunStep`], a step with its options.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::future::{Future, IntoFuture, pending};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::ids::StepNameError;
use stepwell_core::run::{Command, FinishStep, Reply, StartStep, StepOutcome};
use stepwell_core::{Failure, FailureClass, Payload, RetryPolicy, StepAddress, StepKind};

use crate::attempt::Attempt;
use crate::error::{Error, StepError};
use crate::host::{Host, panic_message};

/// The handle through which a workflow does everything durable.
///
/// There is one for each line of a run, and its methods borrow it mutably: two steps cannot race
/// by accident, a durable call inside a body does not compile, and it cannot be moved to another
/// thread.
pub struct Step {
    host: Rc<dyn Host>,
    branch: Arc<str>,
    uses: BTreeMap<Arc<str>, u32>,
    passed: usize,
    /// What this line, or one it was forked from, was told of changes in this replay.
    patches: BTreeMap<String, bool>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Step of run {}, {} passed", self.host.run(), self.passed)
    }
}

impl Step {
    /// The workflow's own line of the run that `host` drives. For engines, not for authors.
    #[must_use]
    pub fn of(host: Rc<dyn Host>) -> Self {
        Self {
            host,
            branch: Arc::from(""),
            uses: BTreeMap::new(),
            passed: 0,
            patches: BTreeMap::new(),
        }
    }

    /// A line of its own for the branch at `path`.
    pub(crate) fn branched(&self, path: Arc<str>) -> Self {
        Self {
            host: Rc::clone(&self.host),
            branch: path,
            uses: BTreeMap::new(),
            passed: 0,
            patches: self.patches.clone(),
        }
    }

    /// The path of this line.
    pub(crate) fn branch(&self) -> &Arc<str> {
        &self.branch
    }

    /// What this line was told of a change.
    pub(crate) fn answered(&self, patch: &str) -> Option<bool> {
        self.patches.get(patch).copied()
    }

    /// Keeps what this line was told of a change: the first answer holds.
    pub(crate) fn answer(&mut self, patch: &str, applies: bool) {
        self.patches.insert(patch.to_owned(), applies);
    }

    /// The code got past one more step of this line.
    pub(crate) fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// How many steps of this line the code passed. For engines.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// The run this is.
    #[must_use]
    pub fn run_id(&self) -> stepwell_core::RunId {
        self.host.run()
    }

    /// The dependency of type `T` registered with [`Registry::provide`](crate::Registry::provide).
    ///
    /// # Panics
    /// When none was registered: a mistake in the program, which fails the attempt of the run and
    /// is retried, so that a corrected binary carries on.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "contained by the engine; there is no value to go on with"
    )]
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> T {
        let found = self.host.resource(TypeId::of::<T>());
        match found.and_then(|boxed| boxed.downcast::<T>().ok()) {
            Some(resource) => *resource,
            None => panic!(
                "no {} is registered: add it with Registry::provide",
                std::any::type_name::<T>()
            ),
        }
    }

    /// A named effect: `body` runs until it succeeds or its attempts are spent, and its result is
    /// recorded once. Await it; set options before awaiting.
    ///
    /// The body may run more than once, when the engine dies between effect and record. Its result
    /// is handed out as it was *recorded*, the first time as on every replay.
    pub fn run<'a, T, F>(&'a mut self, name: &str, body: F) -> RunStep<'a, T, F>
    where
        F: AsyncFn(&Attempt) -> Result<T, Error> + 'a,
        T: Serialize + DeserializeOwned + 'a,
    {
        let address = self.claim(name);
        RunStep {
            step: self,
            address,
            body,
            options: Options::default(),
            output: PhantomData,
        }
    }

    /// A named effect that blocks its thread or keeps a processor busy: `body` runs on a thread
    /// for such work, everything else as for [`Step::run`].
    ///
    /// The one place where `Send` shows: `body` takes what it needs with it. A time limit ends the
    /// attempt, not the thread, which cannot be stopped.
    pub fn run_blocking<'a, T, F>(
        &'a mut self,
        name: &str,
        body: F,
    ) -> RunStep<'a, T, impl AsyncFn(&Attempt) -> Result<T, Error> + 'a>
    where
        F: Fn(&Attempt) -> Result<T, Error> + Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let body = Arc::new(body);
        self.run(name, async move |attempt: &Attempt| {
            let (body, attempt) = (Arc::clone(&body), attempt.clone());
            match tokio::task::spawn_blocking(move || body(&attempt)).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    // Contained where every body's panic is.
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => Err(Error::retryable(error)),
                },
            }
        })
    }

    /// The next address for `name` on this line: names count up when they repeat.
    pub(crate) fn claim(&mut self, name: &str) -> Result<StepAddress, StepNameError> {
        let first = StepAddress::root(name, 1)?;
        let uses = self.uses.entry(first.name.clone()).or_insert(0);
        *uses = uses.saturating_add(1);
        Ok(StepAddress {
            branch: self.branch.clone(),
            name: first.name,
            nth: *uses,
        })
    }

    pub(crate) fn host(&self) -> &Rc<dyn Host> {
        &self.host
    }

    /// Takes one step to its recorded result, calling `body` for each attempt the host asks for.
    pub(crate) async fn settle<B, Fut>(
        &mut self,
        address: StepAddress,
        kind: StepKind,
        options: Options,
        body: B,
    ) -> Result<Payload, StepError>
    where
        B: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<Ran, Failure>>,
    {
        let position = self.passed;
        loop {
            let ask = StartStep {
                step: address.clone(),
                kind,
                position,
                subject: None,
            };
            match self.host.ask(Command::StartStep(ask)) {
                Reply::Recorded(outcome) => {
                    self.passed = position.saturating_add(1);
                    return result_of(address, outcome);
                }
                Reply::Execute { attempt } => {
                    self.execute(&address, kind, attempt, &options, &body).await;
                }
                Reply::Park { .. } | Reply::Wait { .. } => self.host.stirred(&address).await,
                // The host lets go of the run, or of this line of it: this future is dropped where
                // it stands.
                Reply::Stop
                | Reply::Hold
                | Reply::Patched(_)
                | Reply::Accepted
                | Reply::Fork { .. }
                | Reply::Judge { .. } => pending::<()>().await,
            }
        }
    }

    async fn execute<B, Fut>(
        &self,
        address: &StepAddress,
        kind: StepKind,
        number: u32,
        options: &Options,
        body: &B,
    ) where
        B: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<Ran, Failure>>,
    {
        let mut in_flight = self.host.admit(address, kind, number).await;
        let attempt =
            Attempt::new(self.host.run(), address.clone(), number).with_token(in_flight.token());
        let limit = options
            .timeout
            .unwrap_or_else(|| self.host.attempt_timeout());
        // Crash here, or anywhere in the body: nothing is recorded, the in-flight mark names this
        // attempt, and after the restart the body runs again with the same idempotency key.
        let stand_in = in_flight.take_stand_in();
        let acting = async {
            match stand_in {
                None => body(attempt).await,
                Some(stand_in) => stand_in.await.map(Ran::recorded),
            }
        };
        let contained = AssertUnwindSafe(acting).catch_unwind();
        let result = match tokio::time::timeout(limit, contained).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(Failure::new(
                FailureClass::Panicked,
                panic_message(panic.as_ref()),
            )),
            Err(_) => Err(Failure::new(
                FailureClass::TimedOut,
                format!("attempt {number} took longer than its limit of {limit:?}"),
            )),
        };
        let (result, database) = match result {
            Ok(ran) => (Ok(ran.output), ran.database),
            Err(failure) => (Err(failure), None),
        };
        self.host.ask(Command::FinishStep(FinishStep {
            step: address.clone(),
            kind,
            attempt: number,
            result,
            policy: options.policy(self.host.retry_policy()),
            database,
        }));
        drop(in_flight);
    }

    /// A recorded result as `T`; a result that does not fit stops the run, named on both sides.
    pub(crate) async fn decode<T: DeserializeOwned>(
        &self,
        address: &StepAddress,
        kind: StepKind,
        output: &Payload,
    ) -> T {
        match serde_json::from_str(output.as_json()) {
            Ok(value) => value,
            Err(error) => {
                let recorded = format!("{} {address} with {} bytes", kind.word(), output.len());
                let of = std::any::type_name::<T>();
                // Line and column alone: the message of a decoder may quote the payload.
                let place = format!("line {}, column {}", error.line(), error.column());
                let attempted = format!("{} {address} read as {of}, at {place}", kind.word());
                self.host.mismatch(recorded, attempted);
                pending().await
            }
        }
    }
}

/// A recorded outcome as code sees it. Only waits time out, and they look before they ask here.
pub(crate) fn result_of(address: StepAddress, outcome: StepOutcome) -> Result<Payload, StepError> {
    match outcome {
        StepOutcome::Succeeded(output) => Ok(output),
        StepOutcome::Failed { failure, attempts } => {
            Err(StepError::new(address, attempts, failure))
        }
        StepOutcome::TimedOut => {
            let failure = Failure::new(FailureClass::TimedOut, "wait reached its deadline");
            Err(StepError::new(address, 1, failure))
        }
    }
}

/// What a body that succeeded leaves to record.
pub(crate) struct Ran {
    /// Its result as JSON.
    pub(crate) output: Payload,
    /// The database whose transaction carried the effect.
    pub(crate) database: Option<String>,
}

impl Ran {
    /// The result of a plain body, encoded.
    pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Self, Failure> {
        let json = serde_json::to_string(value).map_err(|error| {
            Failure::new(
                FailureClass::Terminal,
                format!("result does not serialise: {error}"),
            )
        })?;
        Ok(Self::recorded(Payload::from_json(json)))
    }

    /// A result that is encoded already and rests on no database.
    pub(crate) fn recorded(output: Payload) -> Self {
        Self {
            output,
            database: None,
        }
    }
}

/// What a step may set for itself before it is awaited.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) retries: Option<u32>,
    pub(crate) policy: Option<RetryPolicy>,
    pub(crate) timeout: Option<Duration>,
}

impl Options {
    fn policy(&self, of_workflow: RetryPolicy) -> RetryPolicy {
        let policy = self.policy.unwrap_or(of_workflow);
        self.retries
            .map_or(policy, |retries| policy.with_retries(retries))
    }
}

/// A step that was named and not yet awaited.
#[must_use = "a step does nothing until it is awaited"]
pub struct RunStep<'a, T, F> {
    step: &'a mut Step,
    address: Result<StepAddress, StepNameError>,
    body: F,
    options: Options,
    output: PhantomData<fn() -> T>,
}

impl<T, F> std::fmt::Debug for RunStep<'_, T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RunStep {:?}", self.address)
    }
}

impl<T, F> RunStep<'_, T, F> {
    /// Attempts after the first, instead of the workflow's.
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
}

impl<'a, T, F> IntoFuture for RunStep<'a, T, F>
where
    F: AsyncFn(&Attempt) -> Result<T, Error> + 'a,
    T: Serialize + DeserializeOwned + 'a,
{
    type Output = Result<T, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            step,
            address,
            body,
            options,
            output: _,
        } = self;
        Box::pin(async move {
            let address = usable(address)?;
            let body = &body;
            step.run_to_result(address, options, body).await
        })
    }
}

impl Step {
    /// A plain body to its recorded result.
    pub(crate) async fn run_to_result<T, F>(
        &mut self,
        address: StepAddress,
        options: Options,
        body: &F,
    ) -> Result<T, StepError>
    where
        F: AsyncFn(&Attempt) -> Result<T, Error>,
        T: Serialize + DeserializeOwned,
    {
        let call = |attempt: Attempt| async move {
            let value = body(&attempt).await.map_err(Error::into_failure)?;
            Ran::encode(&value)
        };
        let kind = StepKind::Run;
        let output = self.settle(address.clone(), kind, options, call).await?;
        Ok(self.decode(&address, kind, &output).await)
    }
}

/// The address, or the error of a step whose name can never be journaled.
pub(crate) fn usable(
    address: Result<StepAddress, StepNameError>,
) -> Result<StepAddress, StepError> {
    address.map_err(|error| {
        let failure = Failure::new(FailureClass::Terminal, error.to_string());
        let nameless = StepAddress {
            branch: Arc::from(""),
            name: error.name.into(),
            nth: 1,
        };
        StepError::new(nameless, 0, failure)
    })
}
