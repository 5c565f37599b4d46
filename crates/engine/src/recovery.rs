//! What opening does before anything is driven: attempts that were in flight are recorded, and
//! what is due is handed to the shards.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stepwell_core::run::{Command, Mark, Reply};
use stepwell_core::{RunId, Timestamp};
use stepwell_store::{ReadError, Store};

use crate::engine::StartError;
use crate::host::RunHost;
use crate::operator::blocking;
use crate::shard::Wake;
use crate::shared::Shared;
use crate::stored;

/// Rows read at a time.
const PAGE: usize = 4_096;

/// How long the agenda waits after a look that failed.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Runs whose recoveries wait for the disk together.
const TOGETHER: usize = 256;

/// Records an attempt for each run the marks name, so attempts stay honest across crashes.
///
/// Crash here: the marks are still there and the entries already durable make them stale.
pub(crate) async fn record_marks(
    shared: &Arc<Shared>,
    marks: Vec<(RunId, Mark)>,
) -> Result<(), StartError> {
    let mut recorded = BTreeMap::new();
    for (run, mark) in marks {
        // A second mark of a run is judged by what the first came to.
        if recorded.len() >= TOGETHER || recorded.contains_key(&run) {
            make_durable(&mut recorded).await?;
        }
        let loaded = match stored::read(shared, run).await {
            Ok(Some(stored)) => stored.loaded,
            // The run's creation did not become durable before the power went.
            Ok(None) => continue,
            Err(ReadError::Damaged { .. }) => continue,
            Err(trouble) => return Err(trouble.into()),
        };
        let host = RunHost::new(Arc::clone(shared), loaded);
        record_mark(&host, mark);
        recorded.insert(run, host);
    }
    make_durable(&mut recorded).await?;
    if let (Some(marks), Some(path)) = (&shared.marks, &shared.options.in_flight) {
        let path = path.clone();
        marks
            .clear()
            .map_err(|source| StartError::InFlight { path, source })?;
    }
    Ok(())
}

/// Orders what one mark comes to: nothing at all if the journal went on since.
fn record_mark(host: &RunHost, mark: Mark) {
    let (run, attempt) = (host.run(), mark.attempt);
    let next_seq = || host.with_state(|state| state.next_seq);
    let before = next_seq();
    if host.ask(Command::Recover(mark)) == Reply::Stop {
        tracing::error!(%run, "run was in flight at too many crashes and is quarantined");
    } else if next_seq() > before {
        tracing::info!(%run, attempt, "run was in flight when the engine died");
    }
}

/// Waits for all of them: the syncs they share are few.
async fn make_durable(recorded: &mut BTreeMap<RunId, Rc<RunHost>>) -> Result<(), StartError> {
    while let Some((_, host)) = recorded.pop_first() {
        host.durable().await?;
    }
    Ok(())
}

/// Counts the waits that are stored, so that no event passes by one of them.
pub(crate) async fn count_waits(shared: &Arc<Shared>) -> Result<(), ReadError> {
    let mut after = None;
    loop {
        let store = Arc::clone(&shared.store);
        let page = blocking(move || store.waits(after, PAGE)).await?;
        let Some(last) = page.last().copied() else {
            return Ok(());
        };
        page.iter().for_each(|(key, _)| shared.events.watch(*key));
        after = Some(last);
    }
}

/// Hands every run that is due by `until` to its shard, beginning behind `after`.
pub(crate) async fn wake_due(
    shared: &Arc<Shared>,
    mut after: Option<(Timestamp, RunId)>,
    until: Timestamp,
) -> Result<usize, ReadError> {
    let mut woken = 0;
    loop {
        let store: Arc<dyn Store> = Arc::clone(&shared.store);
        let page = blocking(move || store.agenda(after, until, PAGE)).await?;
        let Some(last) = page.last().copied() else {
            return Ok(woken);
        };
        woken += page.len();
        for (at, run) in page {
            shared.wake(run, Wake::At(at, run));
        }
        after = Some(last);
    }
}

/// Hands every run with a request waiting to its shard.
pub(crate) async fn wake_requested(shared: &Arc<Shared>) -> Result<(), ReadError> {
    let store = Arc::clone(&shared.store);
    for run in blocking(move || store.inbox_runs()).await? {
        shared.wake(run, Wake::Request(run));
    }
    Ok(())
}

/// Keeps the shards supplied with what comes due beyond `woken`, which they know of.
pub(crate) async fn watch_agenda(shared: Arc<Shared>, mut woken: Timestamp) {
    let horizon = shared.options.timer_horizon;
    // A run with work at once is queued or driven already.
    let behind_ready = (Timestamp::ZERO, RunId::from_bytes([0xff; 16]));
    loop {
        if shared.clock.is_wall() {
            tokio::time::sleep(horizon / 2).await;
        } else {
            until_far(&shared, woken).await;
        }
        let until = shared.clock.now().after(horizon);
        match wake_due(&shared, Some(behind_ready), until).await {
            Ok(_) => woken = woken.max(until),
            Err(error) => {
                tracing::error!(%error, "agenda cannot be read; far timers are late");
            }
        }
    }
}

/// Waits until the first instant beyond `woken` comes near. A virtual clock is set by nobody, and
/// looking at it in between would make a year long.
async fn until_far(shared: &Arc<Shared>, woken: Timestamp) {
    let horizon = shared.options.timer_horizon;
    loop {
        let store = Arc::clone(&shared.store);
        let behind = (woken, RunId::from_bytes([0xff; 16]));
        let end = Timestamp::from_ms(u64::MAX);
        let next = blocking(move || store.agenda(Some(behind), end, 1)).await;
        let next = next.map(|page| page.first().copied());
        let near = async {
            match next {
                Ok(Some((at, _))) => {
                    let until = shared.clock.until(at);
                    tokio::time::sleep(until.saturating_sub(horizon / 2)).await;
                }
                Ok(None) => std::future::pending().await,
                Err(_) => tokio::time::sleep(READ_AGAIN_AFTER).await,
            }
        };
        tokio::select! {
            biased;
            () = near => return,
            () = shared.far.notified() => {}
        }
    }
}
