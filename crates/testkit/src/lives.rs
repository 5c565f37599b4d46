//! The lives of an engine: over a store that fails at a chosen commit, then over what is left.

use std::sync::Arc;

use stepwell_store::{Commit, Store};

use crate::faulty::{CommitFault, FaultyStore};
use crate::memory::MemoryStore;

/// One life: an engine was opened, something was done with it, and it is gone again.
#[derive(Debug)]
pub struct Life<T> {
    /// What it came to.
    pub came_to: T,
    /// Whether it ended before its time: its store stopped, or what was done with it did not come
    /// about. The engine must be dropped where it stands then, as a crash leaves it.
    pub died: bool,
}

/// What one life, or several, came to.
#[derive(Debug)]
pub struct Lived<T> {
    /// What the last life came to.
    pub came_to: T,
    /// The commits that met a fault, one for each life that met one.
    pub struck: Vec<Commit>,
    /// Commits of the first life.
    pub writes: u64,
}

/// Lives over a store in memory whose nth commit, from 1, meets a fault; when the life died of it,
/// again over what is left, whose nth commit meets the next fault, and so on; the life behind the
/// last fault is the last. `life` is also handed the memory behind the store it is to open.
pub async fn live<T>(
    faults: Vec<(u64, CommitFault)>,
    life: impl AsyncFn(Arc<dyn Store>, MemoryStore) -> Life<T>,
) -> Lived<T> {
    let mut memory = MemoryStore::new();
    let mut faults = faults.into_iter();
    let mut struck = Vec::new();
    let mut writes = None;
    loop {
        let store = Arc::new(FaultyStore::new(memory.clone()));
        if let Some((nth, fault)) = faults.next() {
            store.fail_commit(nth, fault);
        }
        let front: Arc<dyn Store> = store.clone();
        let lived = life(front, memory.clone()).await;
        let writes = *writes.get_or_insert(store.counts().0);
        let met = store.struck();
        let goes_on = met.is_some() && lived.died;
        struck.extend(met);
        if !goes_on {
            return Lived {
                came_to: lived.came_to,
                struck,
                writes,
            };
        }
        memory = memory.reopen();
    }
}
