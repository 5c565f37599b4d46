//! A step that takes the engine down, among a thousand runs that mean no harm.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use stepwell_core::limits::RECOVERIES_ALONE;
use stepwell_core::run::RunStatus;
use stepwell_server::wire::{EntryKind, JournalJson};

use crate::harness::{Answer, Call, Crowd, Death, Engine, Site, Witness, soon};

const GOOD_RUNS: usize = 1_000;

/// Deaths beyond which the engine is not coming to an end of it: one in company, those alone, and
/// a few in which the poison did not get the engine to itself in time.
const DEATHS_MAX: u32 = 4 * RECOVERIES_ALONE;

const SIGABRT: i32 = 6;

/// A thousand bodies at once are a thousand connections at both ends.
fn allow_many_files() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = 4_096.max(soft).min(hard);
    ensure!(
        wanted >= 2_500,
        "only {hard} open files allowed, 2,500 needed: raise `ulimit -n`"
    );
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("raise the number of open files")
}

fn is_deadly(call: &Call) -> bool {
    call.step == "deadly"
}

/// Starts engines until one lives to see every run settled; answers it and the deaths before.
async fn outlive(site: &Site) -> Result<(Engine, u32)> {
    for deaths in 0..DEATHS_MAX {
        let mut engine = match Engine::try_start(site).await? {
            Ok(engine) => engine,
            Err(death) => {
                ensure!(
                    death == Death::Killed(SIGABRT),
                    "{death:?}\n{}",
                    site.log_tail()
                );
                continue;
            }
        };
        let ended = soon("the poison to be set aside or to strike", async || {
            if let Some(death) = engine.died()? {
                return Ok(Some(Some(death)));
            }
            // Asked while it may be dying.
            Ok(engine.is_settled().await.unwrap_or(false).then_some(None))
        });
        match ended.await? {
            None => return Ok((engine, deaths)),
            Some(death) => {
                ensure!(
                    death == Death::Killed(SIGABRT),
                    "{death:?}\n{}",
                    site.log_tail()
                );
            }
        }
    }
    anyhow::bail!("engine died {DEATHS_MAX} times:\n{}", site.log_tail())
}

/// Bodies ran as distinct attempts in order, the last of them is the recorded one.
fn ran_honestly(
    journal: &JournalJson,
    order: &str,
    seen: &BTreeMap<(String, String), Vec<u32>>,
) -> Result<()> {
    let done = journal
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::StepSucceeded);
    for entry in done {
        let step = entry.step.clone().unwrap_or_default();
        let attempts = seen
            .get(&(order.to_owned(), step.clone()))
            .context("never ran")?;
        ensure!(
            attempts.is_sorted_by(|a, b| a < b),
            "{order}/{step} ran as {attempts:?}"
        );
        ensure!(
            attempts.last() == entry.attempt.as_ref(),
            "{order}/{step}: {attempts:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_kills_the_engine_is_set_aside_alone_among_a_thousand_good_runs() -> Result<()>
{
    allow_many_files()?;
    let hold = |call: &Call| match call.step.as_str() {
        "second" | "deadly" => Answer::Hold,
        _ => Answer::Go,
    };
    let witness = Witness::start(hold).await?;
    let mut site = Site::of_workflows()?;
    site.set("STEPWELL_WITNESS", witness.address());
    let mut engine = Engine::start(&site).await?;
    let crowd = |from| (from..from + GOOD_RUNS / 2).map(|n| format!("good-{n:04}"));
    let half = async |from| {
        let posted = Crowd::singly("test/plain", crowd(from));
        let posted = posted.post(&engine, 16, |_| Ok(())).await?;
        ensure!(posted.acknowledged.len() == GOOD_RUNS / 2);
        Ok(())
    };
    half(0).await?;
    let poison = engine.start_run("test/poisoned", "poison").await?;
    half(GOOD_RUNS / 2).await?;
    soon("every run to be in flight", async || {
        let held = |call: &Call| call.step == "second" || is_deadly(call);
        let held = witness.calls().iter().filter(|call| held(call)).count();
        Ok((held == GOOD_RUNS + 1).then_some(()))
    })
    .await?;

    witness.decide(move |call| {
        if is_deadly(call) {
            Answer::Abort
        } else {
            hold(call)
        }
    });
    ensure!(
        engine.death().await? == Death::Killed(SIGABRT),
        "{}",
        site.log_tail()
    );
    witness.decide(|call| {
        if is_deadly(call) {
            Answer::Abort
        } else {
            Answer::Go
        }
    });
    let (engine, deaths) = outlive(&site).await?;
    println!(
        "engine died {} times before the poison was set aside",
        deaths + 1
    );

    let runs = engine.runs().await?;
    ensure!(runs.len() == GOOD_RUNS + 1, "{} runs", runs.len());
    let seen = witness.attempts("plain");
    for run in runs.values().filter(|run| run.id != poison) {
        if run.status != RunStatus::Completed {
            let (run, journal) = (engine.run(&run.id).await?, engine.journal(&run.id).await?);
            anyhow::bail!("a good run: {run:?}, {journal:?}");
        }
        ran_honestly(&engine.journal(&run.id).await?, &run.event, &seen)?;
    }
    // What was recorded before the first death never ran again.
    let again = seen
        .iter()
        .find(|((_, step), attempts)| step == "first" && **attempts != [1]);
    ensure!(again.is_none(), "{again:?}");

    set_aside(&engine, &poison).await?;
    engine.end().await
}

/// The run is quarantined for the step that kills, after the documented number of crashes alone.
async fn set_aside(engine: &Engine, poison: &str) -> Result<()> {
    let run = engine.run(poison).await?;
    ensure!(run.status == RunStatus::Quarantined, "{run:?}");
    let reason = run.quarantine.unwrap_or_default();
    ensure!(reason.contains("deadly"), "{reason}");
    let journal = engine.journal(poison).await?;
    let alone = journal
        .entries
        .iter()
        .filter(|entry| entry.alone == Some(true))
        .count();
    ensure!(
        alone == RECOVERIES_ALONE as usize,
        "{alone} recoveries alone: {journal:?}"
    );
    let last = journal.entries.last().map(|entry| entry.kind);
    ensure!(last == Some(EntryKind::Quarantined), "{last:?}");
    Ok(())
}
