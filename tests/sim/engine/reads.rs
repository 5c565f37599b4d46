//! Reads that fail: they say nothing of a run, which goes on once the store can be read again.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use stepwell::{Attempt, Error, Payload, Registry, Step};
use stepwell_core::run::{Outcome, RunStatus};
use stepwell_engine::Options;
use stepwell_store::Store;
use stepwell_testkit::faulty::FaultyStore;
use stepwell_testkit::memory::MemoryStore;
use tokio::time::timeout;

use super::world::{Calls, begin, engine_over, options, paused, shop, told, until_status};

/// A step that fails once, so that its run parks and is read back when it is due.
fn fails_once(calls: &Calls) -> Registry {
    let calls = calls.clone();
    shop(async move |step: &mut Step| {
        let body = async |_: &Attempt| match calls.note("one") {
            1 => Err(Error::retryable("not yet")),
            _ => Ok(1_u32),
        };
        Ok(step.run("one", body).await?)
    })
}

/// Parks a run, has the `nth` read after that and all further ones fail for a minute, and lets
/// the run end. Whether so many reads were made at all.
async fn strike(nth: u64) -> bool {
    let calls = Calls::default();
    let faulty = Arc::new(FaultyStore::new(MemoryStore::new()));
    let store: Arc<dyn Store> = faulty.clone();
    let parks_at_once = Options {
        hot_wait: Duration::ZERO,
        ..options()
    };
    let engine = engine_over(store, fails_once(&calls), parks_at_once).await;
    let run = begin(&engine).await;
    until_status(&engine, run, RunStatus::Waiting).await;
    let (_, before) = faulty.counts();
    faulty.fail_reads_from(before + nth);
    let minute = timeout(Duration::from_secs(60), pending::<()>()).await;
    assert!(minute.is_err());
    let struck = faulty.counts().1 >= before + nth;
    faulty.fail_reads_from(u64::MAX);

    let outcome = engine.outcome(run).await.unwrap();
    let done = Outcome::Completed(Payload::from_json("1"));
    assert_eq!(outcome, done, "read {nth} failed");
    assert_eq!(
        told(&engine, run).await,
        ["started", "one failed 1", "one ok 2", "completed"],
        "read {nth} failed"
    );
    assert_eq!(calls.of("one"), 2, "read {nth} failed");
    struck
}

#[test]
fn a_store_that_cannot_be_read_quarantines_nobody_whichever_read_fails() {
    paused(async {
        let mut nth = 1;
        while strike(nth).await {
            nth += 1;
        }
        assert!(nth > 3, "a parked run is read back by {} reads", nth - 1);
    });
}
