//! Errors an author makes and meets: retryable unless marked otherwise.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use stepwell_core::{Failure, FailureClass, StepAddress};

/// The error of step bodies and workflows.
///
/// Any standard error converts into it with `?` and is then *retryable*. What must not be tried
/// again is made with [`Error::terminal`]; a service that says when to come back is passed on with
/// [`Error::retry_after`]. Like `anyhow::Error` it does not implement [`std::error::Error`] itself,
/// which is what makes the conversion possible.
pub struct Error(Failure);

impl Error {
    /// An error worth another attempt, by the step's policy.
    #[must_use]
    pub fn retryable(message: impl fmt::Display) -> Self {
        Self(Failure::new(FailureClass::Retryable, message.to_string()))
    }

    /// An error that no further attempt can mend.
    #[must_use]
    pub fn terminal(message: impl fmt::Display) -> Self {
        Self(Failure::new(FailureClass::Terminal, message.to_string()))
    }

    /// An error worth another attempt, not before `delay` has passed (at most a day).
    #[must_use]
    pub fn retry_after(delay: Duration, message: impl fmt::Display) -> Self {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self(Failure::new(
            FailureClass::RetryAfter { delay_ms },
            message.to_string(),
        ))
    }

    /// An error as the journal recorded it.
    #[must_use]
    pub fn from_failure(failure: Failure) -> Self {
        Self(failure)
    }

    /// The error as the journal records it.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// Whether no further attempt is made because of it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.0.class == FailureClass::Terminal
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} error: {}", self.0.class.word(), self.0.message)
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        if let Some(spent) = (&error as &dyn Any).downcast_ref::<StepError>() {
            return Self(spent.to_failure());
        }
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Many errors repeat their cause; once is enough.
            if !message.contains(&cause_text) {
                message.push_str(": ");
                message.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(Failure::new(FailureClass::Retryable, message))
    }
}

/// A step whose attempts are spent, or whose failure was terminal.
///
/// Recorded, so replay hands out the same error. A workflow may catch it and go on; one that lets
/// it out with `?` fails the run with it, without further attempts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "step {step} failed after {attempts} attempt(s): {message}",
    step = _0.step, attempts = _0.attempts, message = _0.failure.message
)]
pub struct StepError(Box<Spent>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Spent {
    step: StepAddress,
    attempts: u32,
    failure: Failure,
}

impl StepError {
    /// The error of `step`, spent after `attempts` with `failure` as the last.
    #[must_use]
    pub fn new(step: StepAddress, attempts: u32, failure: Failure) -> Self {
        Self(Box::new(Spent {
            step,
            attempts,
            failure,
        }))
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> &StepAddress {
        &self.0.step
    }

    /// Attempts made, those cut short by a crash counted.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// What the last attempt said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.failure.message
    }

    /// Whether the body itself said that no attempt can mend it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.0.failure.class == FailureClass::Terminal
    }

    /// Whether the last attempt ran out of time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.failure.class == FailureClass::TimedOut
    }

    fn to_failure(&self) -> Failure {
        let mut failure = Failure::new(self.0.failure.class, self.to_string());
        failure.step = Some(self.0.step.clone());
        failure
    }
}
