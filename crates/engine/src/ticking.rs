//! Schedules: ticks become runs, each in one commit with how far the schedule was considered.
//!
//! A tick is an event whose id is workflow and instant, so no tick starts two runs. What a missed
//! or overlapping tick means is the workflow's policy; the arithmetic is `core::schedule`'s.

use std::sync::Arc;
use std::time::Duration;

use stepwell::{Cron, Overlap, Payload, StartOptions, Tick, Workflow};
use stepwell_core::schedule::{Schedule, due};
use stepwell_core::{EventId, RunId, Timestamp, WorkflowName};
use stepwell_store::{Change, CommitError, InboxRow, ReadError, ScheduleRow, Seen};

use crate::calls::newest;
use crate::inbox::next_id;
use crate::intake::{Prepared, land, order};
use crate::operator::blocking;
use crate::shared::Shared;
use crate::starting::{Start, input_row, put_together};

/// The name of the events that are ticks.
const TICK: &str = "stepwell/tick";

/// Longest sleep, so that a clock set forward is noticed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long a schedule waits after a look that failed.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

enum Trouble {
    Read(ReadError),
    Commit(CommitError),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Starts the runs of every schedule for as long as the engine is open.
pub(crate) fn start(shared: &Arc<Shared>) {
    for workflow in shared.registry.workflows() {
        if let Some(cron) = workflow.cron() {
            tokio::spawn(keep_time(Arc::clone(shared), Arc::clone(workflow), cron));
        }
    }
}

async fn keep_time(shared: Arc<Shared>, workflow: Arc<dyn Workflow>, cron: Cron) {
    // The registry was checked: an expression that does not parse starts no engine.
    let Ok(schedule) = Schedule::parse(cron.expression, cron.zone) else {
        return;
    };
    let mut phase = shared.phase.subscribe();
    let ticking = async {
        loop {
            let wait = match consider(&shared, &workflow, &cron, &schedule).await {
                Ok(wait) => wait,
                Err(Trouble::Read(error)) => {
                    let workflow = workflow.name();
                    tracing::error!(workflow, %error, "schedule cannot be read");
                    READ_AGAIN_AFTER
                }
                Err(Trouble::Commit(error)) if error.retry() => Duration::ZERO,
                Err(Trouble::Commit(error)) => return shared.fail(&error),
            };
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        biased;
        () = ticking => {}
        _ = phase.wait_for(|phase| *phase != crate::shared::Phase::Open) => {}
    }
}

/// Works off what is due; how long until the next look.
async fn consider(
    shared: &Arc<Shared>,
    workflow: &Arc<dyn Workflow>,
    cron: &Cron,
    schedule: &Schedule,
) -> Result<Duration, Trouble> {
    let name = WorkflowName::new(workflow.name());
    let (store, ask) = (Arc::clone(&shared.store), name.clone());
    let row = blocking(move || store.schedule(&ask)).await?;
    let now = shared.clock.now();
    let current = row.filter(|row| row.expression == cron.expression && row.zone == cron.zone);
    let Some(row) = current else {
        // First seen, or changed: a schedule owes nothing for the time before it was this one.
        let row = ScheduleRow {
            expression: cron.expression.to_owned(),
            zone: cron.zone.to_owned(),
            considered: now,
            last_run: None,
        };
        keep(shared, &name, row).await?;
        return Ok(until_next(shared, schedule, now));
    };
    let found = due(schedule, row.considered, now, cron.missed);
    if found.skipped > 0 {
        let workflow = name.as_str();
        let skipped = found.skipped;
        tracing::warn!(workflow, skipped, "ticks were missed and are passed over");
    }
    let mut row = row;
    for tick in found.ticks {
        row.considered = tick;
        row = tick_once(shared, workflow, cron, tick, row).await?;
    }
    if found.considered > row.considered {
        row.considered = found.considered;
        keep(shared, &name, row.clone()).await?;
    }
    Ok(until_next(shared, schedule, row.considered))
}

fn until_next(shared: &Shared, schedule: &Schedule, considered: Timestamp) -> Duration {
    match schedule.next_after(considered.max(shared.clock.now())) {
        Some(next) => {
            let wait = shared.clock.until(next);
            shared.clock.at_most(wait, LOOK_AGAIN_AFTER)
        }
        None => LOOK_AGAIN_AFTER,
    }
}

async fn keep(shared: &Arc<Shared>, name: &WorkflowName, row: ScheduleRow) -> Result<(), Trouble> {
    let mut prepared = Prepared::empty(shared, Seen::OWNER);
    let change = Change::PutSchedule(name.clone(), row);
    prepared.commit.changes.push(change);
    shared
        .store
        .commit(prepared.commit)
        .await
        .map_err(Trouble::Commit)
}

/// Starts the run of one tick, unless the run of the one before stands in its way.
async fn tick_once(
    shared: &Arc<Shared>,
    workflow: &Arc<dyn Workflow>,
    cron: &Cron,
    at: Timestamp,
    mut row: ScheduleRow,
) -> Result<ScheduleRow, Trouble> {
    let name = WorkflowName::new(workflow.name());
    let open = still_open(shared, row.last_run).await?;
    if let (Some(run), Overlap::Skip) = (open, cron.overlap) {
        let workflow = name.as_str();
        tracing::info!(workflow, %run, "tick is skipped: the run before it goes on");
        keep(shared, &name, row.clone()).await?;
        return Ok(row);
    }
    let event = EventId::derived(&format!("stepwell/tick/{name}/{}", at.as_ms()));
    let tick = Tick {
        at,
        cron: cron.expression.to_owned(),
    };
    let input = serde_json::to_string(&tick).unwrap_or_default();
    let input = Payload::from_json(input);
    let (landing, run) = {
        let now = shared.clock.now();
        let places = shared.events.lock();
        let mut prepared = Prepared::empty(shared, Seen::OWNER);
        let start = Start {
            workflow,
            event: event.clone(),
            input: input.clone(),
            since: places.newest(),
            parent: None,
            options: StartOptions::default(),
        };
        let Some(begun) = put_together(shared, start, now) else {
            return Ok(row);
        };
        let run = begun.run;
        row.last_run = Some(run);
        let changes = &mut prepared.commit.changes;
        changes.push(input_row(event, TICK, input, vec![run], now));
        changes.push(Change::PutSchedule(name.clone(), row.clone()));
        if let (Some(before), Overlap::CancelPrevious) = (open, cron.overlap) {
            let reason = format!("next tick of {name} came");
            let request = InboxRow::Cancel { reason };
            let id = next_id(shared.store.fence());
            changes.push(Change::PutInbox(before, id, request));
        }
        prepared.begin(begun);
        (order(shared, places, prepared), run)
    };
    // Crash here: the tick is considered and its run is there, or neither is.
    land(shared, landing, false)
        .await
        .map_err(Trouble::Commit)?;
    if let (Some(before), Overlap::CancelPrevious) = (open, cron.overlap) {
        shared.wake(before, crate::shard::Wake::Request(before));
    }
    tracing::debug!(workflow = name.as_str(), %run, "tick started a run");
    Ok(row)
}

/// The run, if it has not ended.
async fn still_open(shared: &Arc<Shared>, run: Option<RunId>) -> Result<Option<RunId>, Trouble> {
    let Some(run) = run else { return Ok(None) };
    let store = Arc::clone(&shared.store);
    let head = blocking(move || {
        let run = newest(store.as_ref(), run)?;
        store.head(run)
    });
    let head = head.await?;
    Ok(head
        .filter(|head| !head.status.ended())
        .map(|head| head.run))
}
