//! What an engine may be told; every setting with its unit and its default.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stepwell::Attempt;
use stepwell::host::Admission;
use stepwell_core::limits::EVENT_BYTES_DEFAULT;
use stepwell_core::{RetryPolicy, StepKind};

use crate::chance::Chance;

/// Where shards live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Each on a thread of its own, under the runtime the engine is started in.
    Threads(usize),
    /// All on the caller's `LocalSet`: for tests and simulation on one paused runtime.
    Local(usize),
}

/// Called at named points of the engine with the step concerned, if any; for tests that kill the
/// process there. Does nothing by default.
pub type Probe = fn(point: &'static str, step: Option<&str>);

/// Sees every body that is about to run, and may put something else in its place. For tests.
pub trait Bodies: std::fmt::Debug + Send + Sync {
    /// Called when the attempt may begin, on the thread of its run; what it returns is held for as
    /// long as the body is in flight. See [`Admission::holding`] and [`Admission::with_stand_in`].
    fn admit(&self, attempt: &Attempt, kind: StepKind, admission: Admission) -> Admission;
}

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where shards live. Default: a thread for each processor.
    pub placement: Placement,
    /// Retries of steps and of workflow code, where neither step nor workflow says otherwise.
    pub retry: RetryPolicy,
    /// Time limit of an attempt at a step that sets none. Default: five minutes.
    pub attempt_timeout: Duration,
    /// Longest wait during which a run keeps its future; past it the run is parked and replayed.
    /// Default: one second.
    pub hot_wait: Duration,
    /// Longest time a run keeps its future while it waits for something without an instant, as long
    /// as there is room; then it is parked and replayed. Default: 50 milliseconds.
    pub linger: Duration,
    /// How long the key of a start stays taken once its run has ended. Default: a day.
    pub keep_start_keys: Duration,
    /// Most runs one shard drives at a time. Default: 1,024.
    pub driven_per_shard: usize,
    /// Most runs ready to go, beyond which events are refused. Default: 100,000.
    pub ready_max: usize,
    /// Most bytes of inputs held for runs that wait for their turn; beyond it they are read back
    /// from the store. Default: 64 MiB.
    pub backlog_bytes_max: usize,
    /// Most bytes ordered or unsettled in the store, beyond which events are refused.
    /// Default: 64 MiB.
    pub store_bytes_max: u64,
    /// Largest event, in bytes of JSON. Default: 512 KiB.
    pub event_bytes_max: usize,
    /// How far ahead timers are held in memory. Default: ten minutes.
    pub timer_horizon: Duration,
    /// Where attempts in flight are marked; `None` keeps no marks, for stores that do not outlive
    /// the process.
    pub in_flight: Option<PathBuf>,
    /// See [`Chance`]. Default: the machine's own.
    pub chance: Chance,
    /// See [`Probe`].
    pub probe: Probe,
    /// See [`Bodies`]. Default: none, and bodies run as they are written.
    pub bodies: Option<Arc<dyn Bodies>>,
}

impl Default for Options {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            placement: Placement::Threads(processors),
            retry: RetryPolicy::default(),
            attempt_timeout: Duration::from_secs(300),
            hot_wait: Duration::from_secs(1),
            linger: Duration::from_millis(50),
            keep_start_keys: Duration::from_secs(24 * 3_600),
            driven_per_shard: 1_024,
            ready_max: 100_000,
            backlog_bytes_max: 64 * 1024 * 1024,
            store_bytes_max: 64 * 1024 * 1024,
            event_bytes_max: EVENT_BYTES_DEFAULT,
            timer_horizon: Duration::from_secs(600),
            in_flight: None,
            chance: Chance::Machine,
            probe: |_, _| {},
            bodies: None,
        }
    }
}
