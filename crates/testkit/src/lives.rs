//! Two lives of an engine: over a store that fails at a chosen commit, then over what is left.

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

/// What one life, or two, came to.
#[derive(Debug)]
pub struct Lived<T> {
    /// What the last life came to.
    pub came_to: T,
    /// The commit that met the fault, if one did.
    pub struck: Option<Commit>,
    /// Commits of the first life.
    pub writes: u64,
}

/// Lives over a store in memory whose nth commit, from 1, meets a fault; and again over what is left
/// when a fault struck and the first life died of it. `life` is also handed the memory behind the
/// store it is to open.
pub async fn live<T>(
    fault: Option<(u64, CommitFault)>,
    life: impl AsyncFn(Arc<dyn Store>, MemoryStore) -> Life<T>,
) -> Lived<T> {
    let memory = MemoryStore::new();
    let store = Arc::new(FaultyStore::new(memory.clone()));
    if let Some((nth, fault)) = fault {
        store.fail_commit(nth, fault);
    }
    let front: Arc<dyn Store> = store.clone();
    let mut lived = life(front, memory.clone()).await;
    let struck = store.struck();
    let writes = store.counts().0;
    if struck.is_some() && lived.died {
        let left = memory.reopen();
        lived = life(Arc::new(left.clone()), left).await;
    }
    Lived {
        came_to: lived.came_to,
        struck,
        writes,
    }
}
