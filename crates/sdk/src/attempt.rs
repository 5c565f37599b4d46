//! What a step's body is told about the attempt it is.

use stepwell_core::{RunId, StepAddress};

/// One try at a step, handed to its body.
#[derive(Debug, Clone)]
pub struct Attempt {
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
            run,
            step,
            number,
            key,
        }
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
