//! Workflows on the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Cron, EventType, Registry, Workflow};
use stepwell_core::schedule::Schedule;
use stepwell_core::{Timestamp, WorkflowName};

use super::time::Instant;

/// A workflow the engine knows. Without `event` and `cron` it is started by call alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowJson {
    /// Its name.
    pub name: String,
    /// The version of its code.
    pub version: u32,
    /// Whether runs begin on this version: the highest one. Runs that began on another go on with it.
    pub current: bool,
    /// The name of the event that starts it.
    pub event: Option<String>,
    /// The schedule that starts it.
    pub cron: Option<CronJson>,
    /// The names of the events that cancel a run of it.
    pub cancel_on: Vec<String>,
    /// The workflow that is started when a run of it has failed.
    pub on_failure: Option<String>,
    /// A run is cancelled when its code has not recorded anything within this time.
    pub start_within_ms: Option<u64>,
    /// A run is cancelled when it has not ended within this time.
    pub finish_within_ms: Option<u64>,
    /// Retries of each step, unless a step says otherwise; `null` for the engine's own default.
    pub retries: Option<u32>,
    /// The steps its code spells out, in the order they stand there.
    pub steps: Vec<String>,
}

/// When a workflow is started by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronJson {
    /// Five fields, or a nickname such as `@daily`.
    pub expression: String,
    /// The time zone they are read in.
    pub zone: String,
    /// What becomes of ticks missed while no engine ran: `skip`, `latest` or `all`.
    pub missed: String,
    /// What becomes of a tick while the run of the one before goes on: `skip`, `allow` or
    /// `cancel-previous`.
    pub overlap: String,
    /// The next tick; `null` when none comes in the next five years.
    pub next_at: Option<Instant>,
}

impl WorkflowJson {
    /// What there is to say at `now` of the workflows of `registry`, each version by itself, the
    /// lowest first.
    #[must_use]
    pub fn all_of(registry: &Registry, now: Timestamp) -> Vec<Self> {
        let versions = registry.versions();
        let told = versions.map(|workflow| {
            let highest = registry.get(&WorkflowName::new(workflow.name()));
            let current = highest.is_some_and(|newest| newest.version() == workflow.version());
            Self {
                current,
                ..Self::of(&**workflow, now)
            }
        });
        told.collect()
    }

    fn of(workflow: &dyn Workflow, now: Timestamp) -> Self {
        let name = |event: EventType| event.name.to_owned();
        let steps = workflow.steps().iter();
        Self {
            name: workflow.name().to_owned(),
            version: workflow.version(),
            current: true,
            event: workflow.trigger().map(str::to_owned),
            cron: workflow.cron().map(|cron| CronJson::of(&cron, now)),
            cancel_on: workflow.cancel_on().into_iter().map(name).collect(),
            on_failure: workflow.on_failure().map(str::to_owned),
            start_within_ms: workflow.start_within().map(ms),
            finish_within_ms: workflow.finish_within().map(ms),
            retries: workflow.retries(),
            steps: steps.map(|step| (*step).to_owned()).collect(),
        }
    }
}

impl CronJson {
    fn of(cron: &Cron, now: Timestamp) -> Self {
        let schedule = Schedule::parse(cron.expression, cron.zone);
        let next = schedule.ok().and_then(|schedule| schedule.next_after(now));
        Self {
            expression: cron.expression.to_owned(),
            zone: cron.zone.to_owned(),
            missed: cron.missed.word().to_owned(),
            overlap: cron.overlap.word().to_owned(),
            next_at: next.map(Instant),
        }
    }
}

fn ms(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}
