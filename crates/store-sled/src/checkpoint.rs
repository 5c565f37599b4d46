//! Checkpoints: what the table holds is made durable, then the log may forget it.
//!
//! The order is the whole point: the table's barrier first, the checkpoint record in the log
//! after it, recycling last. The checkpoint's state, little-endian, is what the log shows of the
//! table at the next opening:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format version, [`FORMAT`] |
//! | 1..5 | the generation settled into |

use std::sync::{Arc, PoisonError};

use crate::settle::Gate;
use crate::settled::Settled;
use crate::shared::{CheckpointOrder, Due, Shared};
use crate::table::Table;

/// The generation this build settles into.
pub(crate) const GENERATION: u32 = 1;

/// The format version of the state written by this build.
pub(crate) const FORMAT: u8 = 1;

/// The state of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// The generation settled into.
    pub(crate) generation: u32,
}

impl State {
    /// The state at a checkpoint of `settled`.
    pub(crate) fn of(settled: &Settled) -> Self {
        Self {
            generation: settled.generation,
        }
    }

    /// Its bytes.
    pub(crate) fn encode(self) -> [u8; 5] {
        let mut bytes = [FORMAT; 5];
        bytes[1..].copy_from_slice(&self.generation.to_le_bytes());
        bytes
    }

    /// The state in `bytes`, or what is wrong with them.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        match bytes {
            [FORMAT, a, b, c, d] => Ok(Self {
                generation: u32::from_le_bytes([*a, *b, *c, *d]),
            }),
            [format, ..] if *format > FORMAT => Err(StateError::NewerFormat(*format)),
            _ => Err(StateError::Damaged),
        }
    }
}

/// A checkpoint's state cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateError {
    /// A later release wrote it.
    NewerFormat(u8),
    /// It is not what any release wrote.
    Damaged,
}

/// Makes the table durable and hands the checkpoint to the committer. Steppable.
pub(crate) struct Checkpointer<T> {
    gate: Arc<Gate<T>>,
    shared: Arc<Shared>,
}

impl<T: Table> Checkpointer<T> {
    /// A checkpointer of the table behind `gate`.
    pub(crate) fn new(gate: Arc<Gate<T>>, shared: Arc<Shared>) -> Self {
        Self { gate, shared }
    }

    /// Makes a checkpoint of everything settled; whether there was anything to do.
    pub(crate) fn step(&self) -> bool {
        if self.shared.failure().is_some() {
            return false;
        }
        // Read before the barrier: what is settled meanwhile may or may not be covered by it.
        let Some(settled) = self.shared.begin_checkpoint() else {
            return false;
        };
        let open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = open.as_ref() else {
            return false;
        };
        match table.barrier() {
            // Crash here: the log still holds what the barrier covered, and settles it again.
            Ok(()) => self.shared.order_checkpoint(CheckpointOrder { settled }),
            Err(error) => self.shared.fail_table(&error),
        }
        true
    }

    /// Works until the store is closing or failed.
    pub(crate) fn work(&self) {
        while self.shared.wait_checkpoint_due() == Due::Checkpoint {
            self.step();
        }
    }
}
