//! A scenario run once for every commit it makes, with a crash there.

use std::time::Duration;

use stepwell::{Registry, SendError};
use stepwell_core::run::Outcome;
use stepwell_core::{Payload, RunId};
use stepwell_engine::{Engine, NewEvent};
use stepwell_store::CommitError;
use stepwell_testkit::CommitFault;
use stepwell_testkit::lives::{Life, live};

use crate::engine::world::{engine_over, options, run_of};

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
    let what = format!("{fault:?} at commit {nth}");
    let lived = live(vec![(nth, fault.clone())], async |store, _memory| {
        let engine = engine_over(store, registry(), options()).await;
        let came_to = in_a_week(&what, act(&engine)).await;
        let died = came_to.is_err() || engine.health().failure.is_some();
        // A dead one is dropped where it stands, as a crash leaves it.
        let limit = Duration::from_secs(u64::from(!died));
        engine.drain(limit).await;
        Life { came_to, died }
    });
    let lived = lived.await;
    assert_eq!(lived.came_to, Ok(()), "{what}");
    !lived.struck.is_empty()
}

/// What ends within a virtual week, or else never does.
async fn in_a_week<T>(what: &str, act: impl Future<Output = T>) -> T {
    let week = Duration::from_secs(7 * 86_400);
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
