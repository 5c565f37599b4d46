//! The applier: settles what is durable, in order, as soon as it can.

use std::sync::Arc;

use crate::settle::{DurableRecord, Gate, SettleError, Settler};
use crate::settled::Settled;
use crate::shared::Shared;
use crate::table::Table;

/// Records settled in one go by the thread, so that small ones share batches.
const RECORDS_AT_ONCE: usize = 64;

/// Steppable; a thread around it is a loop.
pub(crate) struct Applier<T> {
    gate: Arc<Gate<T>>,
    shared: Arc<Shared>,
}

impl<T: Table> Applier<T> {
    /// An applier to the table behind `gate`.
    pub(crate) fn new(gate: Arc<Gate<T>>, shared: Arc<Shared>) -> Self {
        Self { gate, shared }
    }

    /// Settles up to `limit` durable records; whether there was any.
    pub(crate) fn step(&self, limit: usize) -> bool {
        if self.shared.failure().is_some() {
            return false;
        }
        let (records, settled) = self.shared.take_durable(limit);
        self.settle(&records, settled);
        !records.is_empty()
    }

    /// Works until nothing will come any more, or the store failed.
    pub(crate) fn work(&self) {
        while let Some((records, settled)) = self.shared.wait_durable(RECORDS_AT_ONCE) {
            self.settle(&records, settled);
        }
    }

    fn settle(&self, records: &[DurableRecord], settled: Settled) {
        if records.is_empty() {
            return;
        }
        match Settler::new(&self.gate, settled).settle(records) {
            Ok(settled) => {
                let bytes = records.iter().map(|record| record.bytes).sum();
                self.shared.note_settled(settled, bytes);
            }
            Err(SettleError::Table(error)) => self.shared.fail_table(&error),
            Err(error @ (SettleError::Record { .. } | SettleError::TooLarge { .. })) => {
                self.shared.fail(error.to_string());
            }
        }
    }
}
