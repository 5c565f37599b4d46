//! A simulated table: what was applied, what is durable, and every suffix that may be lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use stepwell_store_sled::table::{Batch, Order, Row, Table, TableError};
use stepwell_testkit::disk::SplitMix64;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What strikes at a chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableFault {
    /// It fails without effect, later ones work.
    Once,
    /// It fails without effect, and so do all after it.
    ForEver,
    /// The machine stops during it: its effect may be there, and nothing happens after it.
    Stop,
}

/// A table in memory; clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct SimTable {
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Clone, Default)]
struct World {
    /// As a reader sees it.
    visible: Rows,
    /// As the medium has it.
    durable: Rows,
    /// Batches applied since the last barrier, oldest first.
    unsynced: Vec<Changes>,
    /// Applies and barriers so far.
    operations: u64,
    fault: Option<(u64, TableFault)>,
    ignore_barriers: bool,
    largest_batch: usize,
    largest_value: usize,
}

impl SimTable {
    /// The table after a power cut: any suffix since the last barrier is gone.
    pub(super) fn crash(&self, seed: u64) -> Self {
        let mut world = self.lock().clone();
        let kept = SplitMix64::new(seed).below(world.unsynced.len() as u64 + 1);
        let mut rows = std::mem::take(&mut world.durable);
        for batch in world.unsynced.drain(..).take(kept as usize) {
            apply(&mut rows, batch);
        }
        world.durable = rows.clone();
        world.visible = rows;
        Self::restarted(world)
    }

    /// The table after the process died and the machine did not: all there, nothing durable.
    pub(super) fn kill(&self) -> Self {
        Self::restarted(self.lock().clone())
    }

    /// Applies and barriers since the last restart.
    pub(super) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Lets `fault` strike at the operation with this number; the first is 1.
    pub(super) fn fail_at(&self, operation: u64, fault: TableFault) {
        self.lock().fault = Some((operation, fault));
    }

    /// Makes barriers lie.
    pub(super) fn ignore_barriers(&self) {
        self.lock().ignore_barriers = true;
    }

    /// The largest batch and the largest value so far, in bytes.
    pub(super) fn largest(&self) -> (usize, usize) {
        let world = self.lock();
        (world.largest_batch, world.largest_value)
    }

    /// Changes a row behind everybody's back.
    pub(super) fn tamper(&self, key: &[u8], value: Option<Vec<u8>>) {
        let mut world = self.lock();
        apply(&mut world.visible, vec![(key.to_vec(), value.clone())]);
        apply(&mut world.durable, vec![(key.to_vec(), value)]);
    }

    fn restarted(mut world: World) -> Self {
        world.operations = 0;
        world.fault = None;
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl World {
    /// Whether this operation takes effect and is told so.
    fn begin(&mut self) -> Result<(), bool> {
        self.operations += 1;
        match self.fault {
            Some((at, TableFault::Once)) if self.operations == at => Err(false),
            Some((at, TableFault::ForEver)) if self.operations >= at => Err(false),
            Some((at, TableFault::Stop)) if self.operations == at => Err(at % 2 == 0),
            Some((at, TableFault::Stop)) if self.operations > at => Err(false),
            Some(_) | None => Ok(()),
        }
    }
}

impl Table for SimTable {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        Ok(self.lock().visible.get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        let world = self.lock();
        let rows = world.visible.range(from.to_vec()..);
        let rows = rows.take_while(|(key, _)| to.is_none_or(|to| key.as_slice() < to));
        let mut rows: Vec<Row> = rows
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if order == Order::Descending {
            rows.reverse();
        }
        rows.truncate(limit);
        Ok(rows)
    }

    fn apply(&self, batch: Batch<'_>) -> Result<(), TableError> {
        let mut world = self.lock();
        let told = world.begin();
        if told == Err(false) {
            return Err(failed("apply"));
        }
        world.largest_batch = world.largest_batch.max(batch.bytes());
        let rows = batch.into_rows();
        let changes: Changes = rows
            .map(|(key, value)| (key.into_owned(), value.map(|value| value.into_owned())))
            .collect();
        let values = changes.iter().filter_map(|(_, value)| value.as_ref());
        let largest = values.map(Vec::len).max().unwrap_or(0);
        world.largest_value = world.largest_value.max(largest);
        apply(&mut world.visible, changes.clone());
        world.unsynced.push(changes);
        told.map_err(|_| failed("apply"))
    }

    fn barrier(&self) -> Result<(), TableError> {
        let mut world = self.lock();
        let told = world.begin();
        if told == Err(false) {
            return Err(failed("barrier"));
        }
        if !world.ignore_barriers {
            world.unsynced.clear();
            world.durable = world.visible.clone();
        }
        told.map_err(|_| failed("barrier"))
    }
}

fn apply(rows: &mut Rows, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
}

fn failed(what: &str) -> TableError {
    TableError::Failed {
        what: what.to_owned(),
        why: "made to fail".to_owned(),
    }
}
