//! Transaction steps: an effect in a SQL database that happens exactly once.
//!
//! The receipt of the step — run, address, output — is written in the author's own transaction,
//! first thing, so two attempts cannot both act: the second finds the receipt and returns what it
//! says. A commit whose reply was lost or late is found the same way, by the attempt itself, so that
//! the journal says of the step what its receipt says.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::ids::StepNameError;
use stepwell_core::limits::STEP_OUTPUT_BYTES;
use stepwell_core::{Failure, FailureClass, Payload, RetryPolicy, StepAddress, StepKind};
use tokio::time::timeout;

use crate::attempt::Attempt;
use crate::error::{Error, StepError};
use crate::step::{Options, Ran, Step, usable};

/// The identity of a transaction step's effect: the primary key of its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The run.
    pub run: String,
    /// The step's address.
    pub step: String,
}

/// A transaction that was begun for a receipt.
#[derive(Debug)]
pub enum Begun<T> {
    /// The receipt was claimed in this transaction: act, then commit.
    Fresh(T),
    /// The effect happened before, with this output as JSON.
    Already(String),
}

/// A database that can carry transaction steps.
///
/// It must sync its commits before it answers them, or the promise is empty.
pub trait Database {
    /// An open transaction. Dropping it must roll back.
    type Transaction;

    /// What the author's body works with.
    type Connection: ?Sized;

    /// The name recorded in journals, to tell databases apart.
    fn label(&self) -> &str;

    /// Begins a transaction in which no other attempt can claim `receipt`, and claims it.
    ///
    /// # Errors
    /// Whatever the database says; the attempt is retried.
    fn begin(
        &self,
        receipt: &Receipt,
    ) -> impl Future<Output = Result<Begun<Self::Transaction>, Error>>;

    /// The connection inside a transaction.
    fn connection<'t>(&self, transaction: &'t mut Self::Transaction) -> &'t mut Self::Connection;

    /// Writes `output` into the claimed receipt and commits.
    ///
    /// # Errors
    /// Whatever the database says, a lost reply included; the receipt is read afterwards.
    fn commit(
        &self,
        transaction: Self::Transaction,
        receipt: &Receipt,
        output: &str,
    ) -> impl Future<Output = Result<(), Error>>;
}

/// A transaction step that was named and not yet awaited.
#[must_use = "a step does nothing until it is awaited"]
pub struct TransactionStep<'a, D, T, F> {
    step: &'a mut Step,
    database: &'a D,
    address: Result<StepAddress, StepNameError>,
    body: F,
    options: Options,
    output: PhantomData<fn() -> T>,
}

impl<D, T, F> std::fmt::Debug for TransactionStep<'_, D, T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TransactionStep {:?}", self.address)
    }
}

impl<D, T, F> TransactionStep<'_, D, T, F> {
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

    /// The time limit of each attempt, instead of the engine's. It covers beginning the transaction
    /// and the body; the commit, and where its answer is missing the look for the receipt, may take
    /// as long again each.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }
}

impl Step {
    /// A named effect in `database` that happens exactly once: `body` runs inside a transaction
    /// that also holds the step's receipt. An error from the body rolls everything back.
    pub fn transaction<'a, D, T, F>(
        &'a mut self,
        name: &str,
        database: &'a D,
        body: F,
    ) -> TransactionStep<'a, D, T, F>
    where
        D: Database,
        F: AsyncFn(&mut D::Connection) -> Result<T, Error> + 'a,
        T: Serialize + DeserializeOwned + 'a,
    {
        let address = self.claim(name);
        let options = Options::default();
        TransactionStep {
            step: self,
            database,
            address,
            body,
            options,
            output: PhantomData,
        }
    }
}

impl<'a, D, T, F> IntoFuture for TransactionStep<'a, D, T, F>
where
    D: Database,
    F: AsyncFn(&mut D::Connection) -> Result<T, Error> + 'a,
    T: Serialize + DeserializeOwned + 'a,
{
    type Output = Result<T, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            step,
            database,
            address,
            body,
            mut options,
            output: _,
        } = self;
        Box::pin(async move {
            let address = usable(address)?;
            let limit = options.timeout.take();
            let limit = limit.unwrap_or_else(|| step.host().attempt_timeout());
            // The limit is kept in here, where a commit under way is known from a body.
            options.timeout = Some(Duration::MAX);
            let body = &body;
            let call = |attempt: Attempt| async move {
                let output = act(database, &attempt, limit, body).await?;
                let database = Some(database.label().to_owned());
                Ok(Ran {
                    output: Payload::from_json(output),
                    database,
                })
            };
            let kind = StepKind::Transaction;
            let output = step.settle(address.clone(), kind, options, call).await?;
            Ok(step.decode(&address, kind, &output).await)
        })
    }
}

/// One attempt: find the receipt, or act and leave it, then learn what became of it.
///
/// The time limit covers acting. A commit is not given up with it: whether it was kept is a fact by
/// then, which the database is asked for and the journal must not contradict.
async fn act<D, T, F>(
    database: &D,
    attempt: &Attempt,
    limit: Duration,
    body: &F,
) -> Result<String, Failure>
where
    D: Database,
    F: AsyncFn(&mut D::Connection) -> Result<T, Error>,
    T: Serialize,
{
    let receipt = Receipt {
        run: attempt.run().to_string(),
        step: attempt.step().to_string(),
    };
    let acted = timeout(limit, open(database, &receipt, body)).await;
    let (transaction, output) = match acted.map_err(|_| late(attempt, limit))? {
        Ok(Opened::Already(output)) => return Ok(output),
        Ok(Opened::Acted(transaction, output)) => (transaction, output),
        Err(error) => return Err(error.into_failure()),
    };
    // Crash here: the transaction rolls back. Crash after the commit: the next attempt finds the
    // receipt and the effect is not repeated.
    let committing = database.commit(transaction, &receipt, &output);
    let failure = match timeout(limit, committing).await {
        Ok(Ok(())) => return Ok(output),
        Ok(Err(error)) => error.into_failure(),
        Err(_) => late(attempt, limit),
    };
    // No answer, or one that may be wrong: the receipt alone knows. Claiming it waits for a commit
    // under way and rolls back again when there was none.
    match timeout(limit, database.begin(&receipt)).await {
        Ok(Ok(Begun::Already(output))) => Ok(output),
        Ok(Ok(Begun::Fresh(_)) | Err(_)) | Err(_) => Err(failure),
    }
}

/// What an attempt found or did before its commit.
enum Opened<T> {
    /// The effect happened before, with this output as JSON.
    Already(String),
    /// The body ran in this transaction, with this output as JSON.
    Acted(T, String),
}

/// Claims the receipt and runs the body in its transaction.
async fn open<D, T, F>(
    database: &D,
    receipt: &Receipt,
    body: &F,
) -> Result<Opened<D::Transaction>, Error>
where
    D: Database,
    F: AsyncFn(&mut D::Connection) -> Result<T, Error>,
    T: Serialize,
{
    let mut transaction = match database.begin(receipt).await? {
        Begun::Already(output) => return Ok(Opened::Already(output)),
        Begun::Fresh(transaction) => transaction,
    };
    let value = body(database.connection(&mut transaction)).await?;
    let output = serde_json::to_string(&value).map_err(Error::terminal)?;
    if output.len() > STEP_OUTPUT_BYTES {
        // Refused before the commit: afterwards the effect would stand without a record.
        let bytes = output.len();
        return Err(Error::terminal(format_args!(
            "result of {bytes} bytes is over the limit of {STEP_OUTPUT_BYTES}"
        )));
    }
    Ok(Opened::Acted(transaction, output))
}

/// The failure of an attempt that ran out of time.
fn late(attempt: &Attempt, limit: Duration) -> Failure {
    let number = attempt.number();
    Failure::new(
        FailureClass::TimedOut,
        format!("attempt {number} took longer than its limit of {limit:?}"),
    )
}
