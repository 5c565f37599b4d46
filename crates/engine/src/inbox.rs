//! The order of requests left for runs.

use std::sync::atomic::{AtomicU64, Ordering};

use stepwell_core::Fence;
use stepwell_store::InboxId;

/// Grows with every request this process leaves, whichever run it is for.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// The id of the next request: behind every one left before, by this opening and those before it.
pub(crate) fn next_id(opening: Fence) -> InboxId {
    let number = LEFT.fetch_add(1, Ordering::Relaxed);
    InboxId((u128::from(opening.0) << 64) | u128::from(number))
}
