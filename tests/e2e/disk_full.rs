//! A full disk while events arrive: refused with 5xx, nothing acknowledged is lost, and with space
//! again all goes on.

mod small_disk;

use anyhow::{Result, ensure};
use stepwell_core::run::RunStatus;

use crate::harness::{Crowd, Death, Engine, Posted, Site, exit};
use small_disk::SmallDisk;

/// Bytes of each event: a few hundred fill any of the small disks here.
const EVENT_BYTES: usize = 200_000;

/// Events posted, more than have room.
const EVENTS: usize = 400;

fn crowd() -> Crowd {
    let ids = (0..EVENTS).map(|n| format!("large-{n:03}"));
    Crowd::singly("test/plain", ids).padded(EVENT_BYTES)
}

/// Posts until the disk is full; the engine goes on refusing, or ends with the promised code.
async fn fill(site: &Site) -> Result<Posted> {
    let mut engine = Engine::start(site).await?;
    let posted = crowd().post(&engine, 4, |_| Ok(())).await?;
    ensure!(!posted.acknowledged.is_empty(), "nothing was acknowledged");
    ensure!(
        posted.acknowledged.len() < EVENTS,
        "the disk never became full"
    );
    let refused = posted.refused.iter();
    let odd = refused
        .clone()
        .find(|(status, _)| !status.is_server_error());
    ensure!(odd.is_none(), "{odd:?}");
    ensure!(
        refused.count() > 0,
        "no request was answered with 5xx:\n{}",
        site.log_tail()
    );
    if engine.died()?.is_none() {
        engine.ask_to_end()?;
    }
    let death = engine.death().await?;
    let promised = [exit::OK, exit::FULL].map(Death::Exited);
    ensure!(promised.contains(&death), "{death:?}:\n{}", site.log_tail());
    println!(
        "{} acknowledged, {} refused, {} cut off, then {death:?}",
        posted.acknowledged.len(),
        posted.refused.len(),
        posted.unknown.len()
    );
    Ok(posted)
}

/// Started again before there is space, the engine says that the disk is full, or refuses again;
/// answers what it still acknowledged.
async fn is_still_full(site: &Site) -> Result<Vec<String>> {
    let mut acknowledged = Vec::new();
    let death = match Engine::try_start(site).await? {
        Err(death) => death,
        Ok(mut engine) => {
            let posted = crowd().post(&engine, 4, |_| Ok(())).await?;
            ensure!(
                posted.acknowledged.len() < EVENTS,
                "there was space after all"
            );
            acknowledged = posted.acknowledged;
            if engine.died()?.is_none() {
                engine.ask_to_end()?;
            }
            engine.death().await?
        }
    };
    let promised = [exit::OK, exit::FULL].map(Death::Exited);
    ensure!(promised.contains(&death), "{death:?}:\n{}", site.log_tail());
    Ok(acknowledged)
}

/// Everything acknowledged is there and completes; what was refused is taken now.
async fn goes_on(site: &Site, posted: &Posted) -> Result<()> {
    let engine = Engine::start(site).await?;
    for id in &posted.acknowledged {
        let runs = engine.event_runs(id).await?.len();
        ensure!(runs == 1, "event {id} was acknowledged and has {runs} runs");
    }
    let again = crowd().post(&engine, 4, |_| Ok(())).await?;
    ensure!(
        again.acknowledged.len() == EVENTS,
        "refused with space: {:?}",
        again.refused
    );
    let runs = engine.all_settle().await?;
    ensure!(
        runs.len() == EVENTS,
        "{} runs of {EVENTS} events",
        runs.len()
    );
    let odd = runs.values().find(|run| run.status != RunStatus::Completed);
    ensure!(odd.is_none(), "{odd:?}");
    engine.end().await?;
    let checked = site.say(&["store", "check", "--full"]).await?;
    ensure!(checked.code == Some(exit::OK), "{}", checked.all());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_refuses_events_and_loses_none_it_acknowledged() -> Result<()> {
    let disk = SmallDisk::make()?;
    println!("small disk: {disk}");
    let mut site = Site::of_workflows()?;
    if let Some(directory) = disk.directory() {
        site = site.with_data(&directory.join("data"));
    }
    site.started_by(&disk.starter());
    // The store is made while there is room.
    Engine::start(&site).await?.end().await?;
    disk.fill_up()?;
    let mut posted = fill(&site).await?;
    posted.acknowledged.extend(is_still_full(&site).await?);
    disk.make_room()?;
    site.started_by(&[]);
    goes_on(&site, &posted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_size_of_files_refuses_events_and_loses_none_it_acknowledged() -> Result<()>
{
    let mut site = Site::of_workflows()?;
    let limit = SmallDisk::limit();
    site.started_by(&limit.starter());
    let mut posted = fill(&site).await?;
    posted.acknowledged.extend(is_still_full(&site).await?);
    site.started_by(&[]);
    goes_on(&site, &posted).await
}
