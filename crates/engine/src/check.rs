//! Whether code fits a journal: the code is replayed over it, and nothing is done.
//!
//! Bodies are not called, nothing is waited for and nothing is written: code is given what is
//! recorded, in its order, and polled until it asks for something that is not. A question of the
//! code that the journal answers differently is found by the same decisions that would quarantine
//! the run.

mod host;
mod open_runs;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt;
use stepwell::host::panic_message;
use stepwell::{Registry, Step};
use stepwell_core::run::{Ended, RunState, fold};
use stepwell_core::{
    Entry, EntryBody, Failure, FailureClass, Payload, QuarantineReason, RunId, StepAddress,
};

use crate::drive::code_of;
use host::CheckHost;

pub use open_runs::{CheckedRun, OpenRuns};

/// What a replay of code over a journal came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The code asks for what is recorded, as far as that goes.
    Fits {
        /// How many recorded results it was given.
        results: usize,
    },
    /// Journal and code disagree.
    Breaks {
        /// What the journal holds: kind of call and step, or an end.
        recorded: String,
        /// What the code asks for instead.
        attempted: String,
    },
    /// There is no code to replay.
    NoCode(QuarantineReason),
    /// The code came to something that a check does not have: a dependency, a wait of another
    /// library, a failure that is tried again. What it would have done from there on is unknown; up
    /// to there it fits.
    Unchecked {
        /// The step whose result it had last; `None` when it had none yet.
        past: Option<StepAddress>,
        /// What that is.
        lacks: String,
    },
    /// The journal is not one that could be replayed.
    Unreadable {
        /// What is wrong with it.
        why: String,
    },
}

impl Verdict {
    /// Why a run of which this was found is quarantined; `None` where it is not.
    #[must_use]
    pub fn quarantines(&self) -> Option<QuarantineReason> {
        match self {
            Self::Breaks {
                recorded,
                attempted,
            } => Some(QuarantineReason::Mismatch {
                recorded: recorded.clone(),
                attempted: attempted.clone(),
            }),
            Self::NoCode(reason) => Some(reason.clone()),
            // Damage is found, and said, when the run is driven.
            Self::Fits { .. } | Self::Unchecked { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// Whether the run can go on.
    #[must_use]
    pub fn fits(&self) -> bool {
        matches!(self, Self::Fits { .. })
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fits { results } => write!(f, "fits, over {results} recorded results"),
            Self::Breaks {
                recorded,
                attempted,
            } => write!(f, "breaks: recorded {recorded}, attempted {attempted}"),
            Self::NoCode(reason) => write!(f, "breaks: {reason}"),
            Self::Unchecked { past, lacks } => {
                match past {
                    Some(step) => write!(f, "cannot be checked past step {step}")?,
                    None => f.write_str("cannot be checked past its beginning")?,
                }
                write!(f, ": {lacks}")
            }
            Self::Unreadable { why } => write!(f, "cannot be replayed: {why}"),
        }
    }
}

/// Replays the code that `registry` holds for `run` over its journal, without any effect. A run
/// that has ended must come to the end that is recorded.
///
/// Call it where blocking is allowed: it takes as long as the code between the steps does.
#[must_use]
pub fn check(registry: &Registry, run: RunId, journal: &[Entry], input: &Payload) -> Verdict {
    let unreadable = |why: String| Verdict::Unreadable { why };
    let (open, end) = without_end(journal);
    let state = match fold(run, open) {
        Ok(state) => state,
        Err(illegal) => return unreadable(illegal.to_string()),
    };
    let workflow = match code_of(registry, &state.started) {
        Ok(workflow) => Arc::clone(workflow),
        Err(reason) => return Verdict::NoCode(reason),
    };
    let results = state.results.len();
    let host = Rc::new(CheckHost::new(as_if_going_on(state), registry));
    let mut step = Step::of(Rc::<CheckHost>::clone(&host));
    let code = async {
        let code = AssertUnwindSafe(workflow.run(&mut step, input.clone()));
        let ended = match code.catch_unwind().await {
            Ok(Ok(output)) => Ended::Returned(output),
            Ok(Err(error)) => Ended::Failed(error.into_failure()),
            Err(panic) => {
                let said = panic_message(panic.as_ref());
                Ended::Failed(Failure::new(FailureClass::Panicked, said))
            }
        };
        (ended, step.passed())
    };
    let ended = poll_as_far_as_it_goes(code, || host.broke().is_some());
    if let Some((recorded, attempted)) = host.broke() {
        return Verdict::Breaks {
            recorded,
            attempted,
        };
    }
    if let (true, Some((Ended::Failed(failure), _))) = (host.lacked(), &ended) {
        return Verdict::Unchecked {
            past: host.last(),
            lacks: failure.message.clone(),
        };
    }
    match ended {
        Some((Ended::Failed(failure), _)) if end.is_none() && is_replayed(&failure) => {
            // The run would back off and try again, and may well fare better than here.
            Verdict::Unchecked {
                past: host.last(),
                lacks: failure.message,
            }
        }
        Some((ended, passed)) => of_end(&host, end, ended, passed, results),
        None => of_rest(&host, end, results),
    }
}

/// Whether code that fails so is run again, by whatever policy.
fn is_replayed(failure: &Failure) -> bool {
    failure.step.is_none() && failure.class != FailureClass::Terminal
}

/// The journal without the entry that ended the run, and that entry.
fn without_end(journal: &[Entry]) -> (&[Entry], Option<&EntryBody>) {
    match journal.split_last() {
        Some((last, before)) if ended(journal) => (before, Some(&last.body)),
        Some(_) | None => (journal, None),
    }
}

/// Whether the last entry of the journal ends the run.
pub(crate) fn ended(journal: &[Entry]) -> bool {
    let last = journal.last().map(|entry| &entry.body);
    matches!(
        last,
        Some(
            EntryBody::RunCompleted(_)
                | EntryBody::RunFailed(_)
                | EntryBody::RunCancelled
                | EntryBody::RunContinued(_)
                | EntryBody::RunKilled(_)
        )
    )
}

/// The state as if nothing but its own steps kept the run from going on: it is asked what a person
/// who releases it would see.
fn as_if_going_on(mut state: RunState) -> RunState {
    state.quarantined = None;
    state.paused = None;
    state.code_retry_at = None;
    state
}

/// The code returned or failed: does the journal say so too?
fn of_end(
    host: &CheckHost,
    end: Option<&EntryBody>,
    ended: Ended,
    passed: usize,
    results: usize,
) -> Verdict {
    let attempted = match &ended {
        Ended::Returned(_) => "returning from the workflow",
        Ended::Failed(_) => "failing the workflow",
    };
    let breaks = |recorded: String| Verdict::Breaks {
        recorded,
        attempted: attempted.to_owned(),
    };
    if let Some(recorded) = host.left_over(ended.clone(), passed) {
        return breaks(recorded);
    }
    match (end, ended) {
        (Some(EntryBody::RunCompleted(recorded)), Ended::Returned(output)) => {
            if recorded.output == output {
                Verdict::Fits { results }
            } else {
                breaks("another output of the workflow".to_owned())
            }
        }
        (Some(EntryBody::RunCompleted(_)), Ended::Failed(_)) => {
            breaks("the output of the workflow".to_owned())
        }
        (Some(EntryBody::RunFailed(_)), Ended::Returned(_)) => {
            breaks("the failure of the workflow".to_owned())
        }
        (Some(EntryBody::RunContinued(_)), _) => breaks("going on as another run".to_owned()),
        _ => Verdict::Fits { results },
    }
}

/// The code waits: for what the journal does not hold, if all it holds was asked for.
fn of_rest(host: &CheckHost, end: Option<&EntryBody>, results: usize) -> Verdict {
    if let Some(recorded) = host.unasked() {
        return Verdict::Unchecked {
            past: host.last(),
            lacks: format!(
                "code waits for something that is in no journal, and has not asked for {recorded}"
            ),
        };
    }
    let recorded = match end {
        Some(EntryBody::RunCompleted(_)) => "the output of the workflow",
        Some(EntryBody::RunFailed(_)) => "the failure of the workflow",
        _ => return Verdict::Fits { results },
    };
    Verdict::Breaks {
        recorded: recorded.to_owned(),
        attempted: host.edge(),
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls `code` while anything wakes it; `None` when nothing does any more, or it `stopped`.
fn poll_as_far_as_it_goes<T>(
    code: impl Future<Output = T>,
    stopped: impl Fn() -> bool,
) -> Option<T> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut code = std::pin::pin!(code);
    while woken.0.swap(false, Ordering::Relaxed) && !stopped() {
        if let Poll::Ready(ended) = code.as_mut().poll(&mut cx) {
            return Some(ended);
        }
    }
    None
}
