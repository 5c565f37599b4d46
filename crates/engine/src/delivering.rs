//! Events on their way: from their own commit to each run that waited for them, in bounded commits.
//!
//! An event that somebody may wait for is stored with a delivery row. Here that row is worked off:
//! each commit leaves the event with a bounded number of runs and moves the row behind the last of
//! them, so ten thousand waiting runs cost forty commits, and a crash goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::{EventOrder, RunId};
use stepwell_store::{Change, Commit, CommitError, DeliveryRow, InboxRow, ReadError, Seen};
use tokio::sync::mpsc;

use crate::inbox::next_id;
use crate::operator::blocking;
use crate::shard::Wake;
use crate::shared::Shared;

/// Most runs one commit hands an event to.
const RUNS_PER_COMMIT: usize = 256;

/// Delivery rows read at a time when the engine opens.
const PAGE: usize = 1_024;

/// How long an event waits after a look that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Why an event was not handed out.
pub(crate) enum Trouble {
    /// Who waits for it cannot be read.
    Read(ReadError),
    /// The store cannot be written.
    Commit(CommitError),
}

/// Hands out what comes in.
pub(crate) async fn deliver_events(
    shared: Arc<Shared>,
    mut coming: mpsc::UnboundedReceiver<(EventOrder, DeliveryRow)>,
) {
    while let Some((order, row)) = coming.recv().await {
        // One after the other, however long it takes: none overtakes another.
        loop {
            match deliver(&shared, order, row.clone()).await {
                Ok(()) => break,
                Err(Trouble::Read(error)) => {
                    let event = &row.event;
                    tracing::error!(%event, %error, "event cannot be handed out; tried again");
                    // From where the row said: runs that have it already pass it over.
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(Trouble::Commit(error)) => {
                    shared.fail(&error);
                    break;
                }
            }
        }
    }
}

/// Hands out what was on its way when the engine last ended, before any deadline can pass it.
pub(crate) async fn resume(shared: &Arc<Shared>) -> Result<(), Trouble> {
    let mut after = EventOrder::BEGINNING;
    loop {
        let store = Arc::clone(&shared.store);
        let page = blocking(move || store.deliveries(after, PAGE)).await;
        let page = page.map_err(Trouble::Read)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (order, row) in page {
            deliver(shared, order, row).await?;
        }
    }
}

/// Leaves one event with every run that waits for it behind the row's place.
async fn deliver(
    shared: &Arc<Shared>,
    order: EventOrder,
    mut row: DeliveryRow,
) -> Result<(), Trouble> {
    loop {
        let (store, key, after) = (Arc::clone(&shared.store), row.key, row.after);
        let runs = blocking(move || store.waiting_for(key, after, RUNS_PER_COMMIT)).await;
        let runs = runs.map_err(Trouble::Read)?;
        let more = runs.len() == RUNS_PER_COMMIT;
        let further = DeliveryRow {
            after: runs.last().copied().or(row.after),
            ..row.clone()
        };
        let mut changes = left_with(shared, &runs, order, &row);
        changes.push(if more {
            Change::PutDelivery(order, further.clone())
        } else {
            Change::DeleteDelivery(order)
        });
        let commit = Commit {
            fence: shared.store.fence(),
            seen: Seen::OWNER,
            appends: Vec::new(),
            changes,
        };
        // Crash here: none of these runs has the event yet, and the row says where to go on.
        match shared.store.commit(commit).await {
            Ok(()) => row = further,
            // Refused and nothing else: the same again.
            Err(error) if error.retry() => continue,
            Err(error) => return Err(Trouble::Commit(error)),
        }
        for run in runs {
            shared.wake(run, Wake::Request(run));
        }
        if !more {
            return Ok(());
        }
    }
}

fn left_with(shared: &Shared, runs: &[RunId], order: EventOrder, row: &DeliveryRow) -> Vec<Change> {
    let fence = shared.store.fence();
    let leave = |run: &RunId| {
        let request = InboxRow::Event {
            event: row.event.clone(),
            key: row.key,
            order,
        };
        Change::PutInbox(*run, next_id(fence), request)
    };
    runs.iter().map(leave).collect()
}
