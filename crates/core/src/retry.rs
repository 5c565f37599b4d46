//! Retry arithmetic: how long to wait before the next attempt, and when to give up.
//!
//! The curve is the `backoff` crate's exponential one with its own randomness switched off; jitter
//! is a hash of run, step and attempt, so that a replayed decision gives the same instant and a
//! thousand runs that fail together do not come back together.

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::entry::FailureClass;
use crate::ids::{RunId, StepAddress};

/// How often and how patiently something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts_max: u32,
    /// Wait before the second attempt, in milliseconds.
    pub initial_ms: u64,
    /// Longest wait between attempts, in milliseconds.
    pub max_ms: u64,
    /// By how many per cent of itself a wait may be lengthened.
    pub jitter_percent: u8,
}

impl Default for RetryPolicy {
    /// Five attempts: at once, then after about 1, 2, 4 and 8 seconds.
    fn default() -> Self {
        Self {
            attempts_max: 5,
            initial_ms: 1_000,
            max_ms: 3_600_000,
            jitter_percent: 20,
        }
    }
}

/// Longest wait a failure may ask for itself, in milliseconds: one day.
pub const RETRY_AFTER_MS_MAX: u64 = 24 * 3_600 * 1_000;

impl RetryPolicy {
    /// This policy with `retries` attempts after the first.
    #[must_use]
    pub fn with_retries(self, retries: u32) -> Self {
        Self {
            attempts_max: retries.saturating_add(1),
            ..self
        }
    }

    /// The wait before the next attempt after `failures` failed ones, or `None` to give up.
    ///
    /// `failures` counts from 1 and leaves out attempts cut short by a crash of the engine, which
    /// are nobody's fault and spend no budget. `address` is `None` for workflow code itself.
    #[must_use]
    pub fn delay_after(
        &self,
        class: FailureClass,
        failures: u32,
        run: RunId,
        address: Option<&StepAddress>,
    ) -> Option<Duration> {
        if failures >= self.attempts_max {
            return None;
        }
        match class {
            FailureClass::Terminal => None,
            FailureClass::RetryAfter { delay_ms } => {
                Some(Duration::from_millis(delay_ms.min(RETRY_AFTER_MS_MAX)))
            }
            FailureClass::Retryable | FailureClass::TimedOut | FailureClass::Panicked => {
                let base = self.curve(failures);
                Some(base.saturating_add(self.jitter(base, failures, run, address)))
            }
        }
    }

    /// The exponential curve at its `failures`-th point, from 1.
    fn curve(&self, failures: u32) -> Duration {
        let max = Duration::from_millis(self.max_ms.max(1));
        let mut curve = ExponentialBackoffBuilder::new()
            .with_initial_interval(Duration::from_millis(self.initial_ms).min(max))
            .with_max_interval(max)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        // Past 64 doublings every curve stands at its maximum, however many failures there were.
        let mut delay = max;
        for _ in 0..failures.min(64) {
            delay = curve.next_backoff().unwrap_or(max);
        }
        // The crate draws a random fraction of a nanosecond even so, which can round up to a whole
        // one: cut to the unit of the journal, the curve is the same every time.
        Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }

    fn jitter(
        &self,
        base: Duration,
        failures: u32,
        run: RunId,
        address: Option<&StepAddress>,
    ) -> Duration {
        let mut hash = crc32fast::Hasher::new();
        hash.update(&run.to_bytes());
        if let Some(step) = address {
            hash.update(step.branch.as_bytes());
            hash.update(b"/");
            hash.update(step.name.as_bytes());
            hash.update(&step.nth.to_le_bytes());
        }
        hash.update(&failures.to_le_bytes());
        let span = base.saturating_mul(u32::from(self.jitter_percent)) / 100;
        let per_mille = hash.finalize() % 1_001;
        span.saturating_mul(per_mille) / 1_000
    }
}

#[cfg(test)]
mod tests;
