//! The engine's dice: the one place that draws randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt;

/// Where ids of runs and the numbers of `step.random` come from.
#[derive(Debug, Clone, Default)]
pub enum Chance {
    /// The machine's own randomness.
    #[default]
    Machine,
    /// Numbers that follow from where the counter stands, for tests that are repeated exactly.
    /// Engines that share it draw one sequence.
    Seeded(Arc<AtomicU64>),
}

impl Chance {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed)))
    }

    /// The next sixty-four bits.
    pub(crate) fn bits(&self) -> u64 {
        match self {
            Self::Machine => rand::rng().random(),
            Self::Seeded(counter) => {
                // SplitMix64: a counter, and a mix of it.
                const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
                let at = counter.fetch_add(STEP, Ordering::Relaxed);
                let mut mixed = at.wrapping_add(STEP);
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                mixed ^ (mixed >> 31)
            }
        }
    }

    /// The next hundred and twenty-eight bits.
    pub(crate) fn wide_bits(&self) -> u128 {
        (u128::from(self.bits()) << 64) | u128::from(self.bits())
    }
}
