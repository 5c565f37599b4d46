//! What a step's body is told about the attempt it is.

use stepwell_core::{RunId, StepAddress};
use tokio_util::sync::CancellationToken;

/// One try at a step, handed to its body.
#[derive(Debug, Clone)]
pub struct Attempt {
    cancelled: CancellationToken,
    run: RunId,
    step: StepAddress,
    number: u32,
    key: String,
}

impl Attempt {
    /// Attempt `number` (from 1) at `step` of `run`.
    #[must_use]
    pub fn new(run: RunId, step: StepAddress, number: u32) -> Self {
        let key = format!("{run}/{step}");
        Self {
            cancelled: CancellationToken::new(),
            run,
            step,
            number,
            key,
        }
    }

    /// This attempt, told by `token` that nobody will act on its result. For engines.
    #[must_use]
    pub fn with_token(mut self, token: CancellationToken) -> Self {
        self.cancelled = token;
        self
    }

    /// Whether the run is being cancelled, or the branch lost its race: what the body does from
    /// here on is recorded at most, and acted upon by nobody. Long bodies look and end early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Resolves when [`Attempt::is_cancelled`] becomes true.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The step's address.
    #[must_use]
    pub fn step(&self) -> &StepAddress {
        &self.step
    }

    /// Which attempt this is, from 1, attempts cut short by a crash counted.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The key for calls outward: the same for every attempt at this step of this run, and no
    /// other. A service that honours it makes a repeated body harmless.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.key
    }
}
