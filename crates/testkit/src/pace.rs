//! How time passes in a test: it jumps from instant to instant while nobody outside is waited for,
//! and keeps the wall's pace while somebody is.
//!
//! A paused clock jumps to the next timer whenever its runtime has nothing to do, and a runtime that
//! waits for a socket, a database or a thread has nothing to do: every time limit would strike at
//! once. So a *hold* keeps the clock from jumping. The test's own code holds it except while it
//! waits through the world, and every real step body holds it while it is in flight. Only when
//! nothing begins or ends for long does time pass as it does on the wall, so that a body that sleeps,
//! or hangs until its time limit, comes to an end: what is merely slow sees the clock stand still.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

/// How long a body may take until it sees time pass.
const BODY_GRACE: Duration = Duration::from_millis(500);

/// How long the test's own code may take until it does.
const TEST_GRACE: Duration = Duration::from_secs(5);

/// How much time passes at a time, from then on.
const TICK: Duration = Duration::from_millis(20);

/// The pace of one runtime with a paused clock.
#[derive(Debug)]
pub(crate) struct Pace {
    runtime: Handle,
    /// Whether nothing in this test waits for anything outside its runtime: no holds are needed.
    self_contained: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bodies in flight.
    bodies: usize,
    /// Waits through the world under way.
    waits: usize,
    /// Dropping it ends the hold; what is sent is how long the clock stands still from then on.
    hold: Option<mpsc::Sender<Duration>>,
}

/// Held while a body is in flight; see the module.
pub(crate) struct InFlight(Arc<Pace>);

/// Held while the test waits through the world; see the module.
pub(crate) struct Waiting(Arc<Pace>);

impl Pace {
    /// The pace of the runtime this is called in, held by the test's own code from the start.
    pub(crate) fn of_this_runtime(self_contained: bool) -> Arc<Self> {
        let pace = Arc::new(Self {
            runtime: Handle::current(),
            self_contained,
            state: Mutex::default(),
        });
        pace.set(&mut pace.lock());
        pace
    }

    /// A body that may wait for something outside begins.
    pub(crate) fn body(self: &Arc<Self>) -> InFlight {
        let mut state = self.lock();
        state.bodies += 1;
        self.set(&mut state);
        InFlight(Arc::clone(self))
    }

    /// The test waits for nothing but what the engine does.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        let mut state = self.lock();
        state.waits += 1;
        self.set(&mut state);
        Waiting(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins, renews or ends the hold as the state wants it.
    fn set(&self, state: &mut State) {
        let grace = match (state.bodies, state.waits) {
            _ if self.self_contained => None,
            (0, 0) => Some(TEST_GRACE),
            (0, _) => None,
            (_, _) => Some(BODY_GRACE),
        };
        let Some(grace) = grace else {
            state.hold = None;
            return;
        };
        let hold = state.hold.get_or_insert_with(|| self.hold(grace));
        if hold.send(grace).is_err() {
            // The runtime is gone, and its time with it.
            state.hold = None;
        }
    }

    fn hold(&self, grace: Duration) -> mpsc::Sender<Duration> {
        let (hold, held) = mpsc::channel();
        let (ticks, mut ticked) = tokio::sync::mpsc::unbounded_channel();
        // While a blocking call is under way, a paused clock does not jump.
        let ticking = self.runtime.spawn_blocking(move || {
            let mut still = grace;
            loop {
                match held.recv_timeout(still) {
                    Ok(grace) => still = grace,
                    Err(RecvTimeoutError::Timeout) if ticks.send(()).is_ok() => still = TICK,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        drop(ticking);
        let passing = self.runtime.spawn(async move {
            while ticked.recv().await.is_some() {
                tokio::time::advance(TICK).await;
            }
        });
        drop(passing);
        hold
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.bodies -= 1;
        self.0.set(&mut state);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waits -= 1;
        self.0.set(&mut state);
    }
}
