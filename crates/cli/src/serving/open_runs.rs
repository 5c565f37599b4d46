//! The look at open runs when an engine starts: those that do not fit its code are set aside at once.
//!
//! A run that breaks would be found when it is next driven, possibly in a week; whoever deployed is
//! still there now. The look goes on beside the traffic when it takes longer than a moment.

use std::time::Duration;

use stepwell_core::run::RunStatus;
use stepwell_engine::{CheckedRun, Engine, Verdict};
use tokio::task::JoinHandle;

/// How long traffic waits for the look: long enough for thousands of runs, too short to be missed.
const BEFORE_TRAFFIC: Duration = Duration::from_millis(250);

/// What was found.
#[derive(Debug, Default)]
struct Tally {
    fitting: u64,
    breaking: u64,
    unknown: u64,
}

/// Begins the look and waits a moment for its end.
pub(super) async fn look(engine: &Engine) -> JoinHandle<()> {
    let engine = engine.clone();
    let mut looking = tokio::spawn(async move {
        let mut tally = Tally::default();
        match engine.check_open_runs(|found| tally.note(found)).await {
            Ok(()) => tally.tell(),
            Err(error) => {
                tracing::warn!(%error, "open runs were not all held against this code; each will be as it goes on");
            }
        }
    });
    // Past the moment it goes on by itself.
    drop(tokio::time::timeout(BEFORE_TRAFFIC, &mut looking).await);
    looking
}

impl Tally {
    fn note(&mut self, found: &CheckedRun) {
        let count = match &found.verdict {
            Verdict::Fits { .. } => &mut self.fitting,
            Verdict::Breaks { .. } | Verdict::NoCode(_) => &mut self.breaking,
            Verdict::Unchecked { .. } | Verdict::Unreadable { .. } => &mut self.unknown,
        };
        *count += 1;
        // What was set aside before was told of then.
        if found.head.status != RunStatus::Quarantined {
            warn_of(found);
        }
    }

    fn tell(&self) {
        let Self {
            fitting,
            breaking,
            unknown,
        } = self;
        tracing::info!(
            fitting,
            breaking,
            unknown,
            "open runs were held against this code"
        );
    }
}

/// Names a run that breaks, both sides, and what to do.
fn warn_of(found: &CheckedRun) {
    let (run, workflow) = (&found.head.run, &found.head.workflow);
    let version = found.head.version;
    match &found.verdict {
        Verdict::Breaks {
            recorded,
            attempted,
        } => tracing::warn!(
            %run, %workflow, version, recorded, attempted,
            "run is quarantined, its journal does not fit this code: put the code back, or ship code \
             that fits, and release it with `stepwell runs resume`"
        ),
        Verdict::NoCode(reason) => tracing::warn!(
            %run, %workflow, version, %reason,
            "run is quarantined, there is no code for it: register it again, and release the run \
             with `stepwell runs resume`"
        ),
        Verdict::Fits { .. } | Verdict::Unchecked { .. } | Verdict::Unreadable { .. } => {}
    }
}
