//! Events under kills: what was acknowledged is there, and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use stepwell_core::run::RunStatus;

use crate::harness::{Crowd, Death, Engine, Posted, Site};

const CONNECTIONS: usize = 16;

/// How many runs each event started, by event id.
async fn started(engine: &Engine) -> Result<BTreeMap<String, usize>> {
    let mut started = BTreeMap::new();
    for run in engine.runs().await?.into_values() {
        *started.entry(run.event).or_default() += 1;
    }
    Ok(started)
}

/// Posts the whole crowd and kills the engine once so many requests were acknowledged.
async fn post_until_killed(site: &Site, crowd: &Crowd, kill_after: usize) -> Result<Posted> {
    let mut engine = Engine::start(site).await?;
    let kill_in_the_middle = |answered| match answered == kill_after {
        true => engine.strike(),
        false => Ok(()),
    };
    let posted = crowd.post(&engine, CONNECTIONS, kill_in_the_middle).await?;
    ensure!(engine.death().await? == Death::Killed(9));
    ensure!(!posted.unknown.is_empty(), "killed when all was over");
    ensure!(posted.refused.is_empty(), "refused: {:?}", posted.refused);
    Ok(posted)
}

/// Every acknowledged event started one run; no event started two.
async fn check_acknowledged(engine: &Engine, acknowledged: &BTreeSet<String>) -> Result<()> {
    let started = started(engine).await?;
    for id in acknowledged {
        let runs = engine.event_runs(id).await?.len();
        ensure!(runs == 1, "event {id} was acknowledged and has {runs} runs");
        ensure!(
            started.get(id) == Some(&1),
            "list shows {:?} of {id}",
            started.get(id)
        );
    }
    let twice = started.iter().find(|(_, runs)| **runs != 1);
    ensure!(twice.is_none(), "{twice:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_events_each_acknowledged_one_starts_one_run_whenever_the_engine_is_killed()
-> Result<()> {
    let site = Site::of_workflows()?;
    let ids = (0..1_000).map(|n| format!("single-{n:04}"));
    let crowd = Crowd::singly("test/plain", ids);
    let mut acknowledged = BTreeSet::new();
    // The second round posts everything again: duplicates of the first one.
    for kill_after in [300, 700] {
        let posted = post_until_killed(&site, &crowd, kill_after).await?;
        acknowledged.extend(posted.acknowledged);
        let engine = Engine::start(&site).await?;
        check_acknowledged(&engine, &acknowledged).await?;
        engine.kill().await?;
    }
    let engine = Engine::start(&site).await?;
    let posted = crowd.post(&engine, CONNECTIONS, |_| Ok(())).await?;
    ensure!(
        posted.acknowledged.len() == 1_000,
        "{} acknowledged",
        posted.acknowledged.len()
    );
    acknowledged.extend(posted.acknowledged);
    check_acknowledged(&engine, &acknowledged).await?;
    let runs = engine.all_settle().await?;
    ensure!(runs.len() == 1_000, "{} runs for 1,000 events", runs.len());
    let odd = runs.values().find(|run| run.status != RunStatus::Completed);
    ensure!(odd.is_none(), "{odd:?}");
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_sent_over_many_connections_at_once_starts_one_run() -> Result<()> {
    let site = Site::of_workflows()?;
    let copies = |n: usize| vec![format!("same-{n:02}"); CONNECTIONS];
    let crowd = Crowd::singly("test/plain", (0..50).flat_map(copies));
    let posted = post_until_killed(&site, &crowd, 400).await?;
    let acknowledged = posted.acknowledged.into_iter().collect();
    let engine = Engine::start(&site).await?;
    check_acknowledged(&engine, &acknowledged).await?;
    let posted = crowd.post(&engine, CONNECTIONS, |_| Ok(())).await?;
    ensure!(
        posted.acknowledged.len() == 50 * CONNECTIONS,
        "{:?}",
        posted.refused
    );
    check_acknowledged(&engine, &posted.acknowledged.into_iter().collect()).await?;
    let runs = engine.all_settle().await?;
    ensure!(runs.len() == 50, "{} runs for 50 events", runs.len());
    engine.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_of_events_is_there_whole_or_not_at_all_whenever_the_engine_is_killed()
-> Result<()> {
    let site = Site::of_workflows()?;
    let ids = |request: usize| (0..5).map(move |n| format!("array-{request:03}-{n}"));
    let requests: Vec<Vec<String>> = (0..200).map(|request| ids(request).collect()).collect();
    let crowd = Crowd::in_arrays("test/plain", requests.clone());
    for kill_after in [60, 150] {
        let posted = post_until_killed(&site, &crowd, kill_after).await?;
        let engine = Engine::start(&site).await?;
        check_acknowledged(&engine, &posted.acknowledged.into_iter().collect()).await?;
        let started = started(&engine).await?;
        for ids in &requests {
            let there = ids.iter().filter(|id| started.contains_key(*id)).count();
            ensure!(
                there == 0 || there == ids.len(),
                "{there} of {ids:?} are there"
            );
        }
        engine.kill().await?;
    }
    Ok(())
}
