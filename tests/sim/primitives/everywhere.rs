//! A scenario run once for every commit it makes, with a crash there.

use stepwell::{Registry, SendError};
use stepwell_core::run::Outcome;
use stepwell_core::{Payload, RunId};
use stepwell_engine::{Engine, NewEvent};
use stepwell_store::CommitError;
use stepwell_testkit::faulty::{CommitFault, FaultyStore};
use stepwell_testkit::memory::MemoryStore;

use crate::engine::world::{engine, run_of};

/// An event with an id, so that sending it again changes nothing.
pub(crate) fn event(id: &str, name: &str, data: &str) -> NewEvent {
    NewEvent {
        id: Some(id.to_owned()),
        name: name.to_owned(),
        data: Payload::from_json(data),
        user: None,
        v: None,
        ts: None,
    }
}

pub(crate) fn json(text: &str) -> Outcome {
    Outcome::Completed(Payload::from_json(text))
}

/// The run that the event `ask` started, once it was sent.
pub(crate) async fn ask(engine: &Engine) -> Result<RunId, SendError> {
    engine
        .publish(vec![event("ask", "shop/asked", "{}")])
        .await?;
    Ok(run_of(engine, "ask").await)
}

/// Acts over a store whose `nth` commit meets `fault`; over what is left of it acts again, and goes
/// on until it got to its end. Whether the fault struck.
async fn strike(
    nth: u64,
    fault: &CommitFault,
    registry: &impl Fn() -> Registry,
    act: &impl AsyncFn(&Engine) -> Result<(), SendError>,
) -> bool {
    let memory = MemoryStore::new();
    let faulty = std::sync::Arc::new(FaultyStore::new(memory.clone()));
    faulty.fail_commit(nth, fault.clone());
    let store: std::sync::Arc<dyn stepwell_store::Store> = faulty.clone();
    let options = crate::engine::world::options();
    let first = crate::engine::world::engine_over(store, registry(), options).await;
    let what = format!("{fault:?} at commit {nth}");
    let ended = in_a_week(&what, act(&first)).await;
    let struck = faulty.counts().0 >= nth;
    if ended.is_ok() && first.health().failure.is_none() {
        first.drain(std::time::Duration::from_secs(1)).await;
        return struck;
    }
    // Dropped where it stands, as a crash leaves it.
    first.drain(std::time::Duration::ZERO).await;
    let second = engine(memory.reopen(), registry()).await;
    let ended = in_a_week(&what, act(&second)).await;
    assert_eq!(ended, Ok(()), "{what}");
    second.drain(std::time::Duration::from_secs(1)).await;
    struck
}

/// What ends within a virtual week, or else never does.
async fn in_a_week<T>(what: &str, act: impl Future<Output = T>) -> T {
    let week = std::time::Duration::from_secs(7 * 86_400);
    match tokio::time::timeout(week, act).await {
        Ok(ended) => ended,
        Err(_) => panic!("{what}: never ended"),
    }
}

/// Strikes every commit of a scenario, with its outcome unknown (kept, lost) and known (refused).
/// `act` sends what it sends under fixed ids, waits for the end, and checks what came of it.
pub(crate) async fn everywhere(
    registry: impl Fn() -> Registry,
    act: impl AsyncFn(&Engine) -> Result<(), SendError>,
) -> u64 {
    let mut strikes = 0;
    for fault in [
        CommitFault::Lose,
        CommitFault::KeepUntold,
        CommitFault::Refuse(CommitError::Stale),
    ] {
        let mut nth = 1;
        while strike(nth, &fault, &registry, &act).await {
            nth += 1;
            strikes += 1;
            assert!(nth < 1_000, "scenario never ends");
        }
    }
    strikes
}
