//! Which failures are worth another attempt of their step, and which are final.

use std::time::Duration;

/// What a failure says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may pass: by the workflow's own backoff.
    Later,
    /// It may pass, not before this long.
    After(Duration),
    /// It will not pass.
    Never,
}

/// An error that knows whether another attempt may succeed.
pub trait Verdict: std::error::Error + Sized {
    /// Whether and when to try again.
    fn retry(&self) -> Retry;

    /// The error as a step's body hands it to the engine. The engine's own conversion would call
    /// everything retryable.
    fn into_step_error(self) -> stepwell::Error {
        match self.retry() {
            Retry::Later => stepwell::Error::retryable(self),
            Retry::After(wait) => stepwell::Error::retry_after(wait, self),
            Retry::Never => stepwell::Error::terminal(self),
        }
    }
}
