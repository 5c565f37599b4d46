//! Two threads that take turns: blocking calls of a paused runtime happen while it stands still.
//!
//! A runtime hands blocking calls to a thread beside its own, and which of the two comes first is
//! the machine's affair. Here such a call waits until the runtime has nothing left to do, and the
//! runtime waits until the call is over. What happens is then the same every time.
//!
//! It takes a current-thread runtime with one blocking thread, [`Turns::standing_still`] as its
//! `on_thread_park`, and [`Turns::over`] around the future it blocks on.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::ThreadId;

/// See the module.
#[derive(Debug, Default)]
pub struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The thread of the runtime.
    runtime: Option<ThreadId>,
    /// What wakes the future the runtime blocks on.
    outer: Option<Waker>,
    /// Whether that future was woken since it was last polled.
    woken: bool,
    turn: Turn,
    /// Whether nobody waits for a turn any more.
    ended: bool,
}

/// Whose turn it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The runtime's, and nobody asks for another.
    #[default]
    Runtime,
    /// The runtime's; a call asks.
    Asked,
    /// The runtime's; it knows that a call asks, and has yet to do what was left before that.
    Heard,
    /// The call's.
    Call,
}

struct Outer(Arc<Turns>);

impl Wake for Outer {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

impl Turns {
    /// Nobody's turn but the runtime's.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// `inner`, to be blocked on by the runtime of this thread.
    pub async fn over<F: Future>(self: &Arc<Self>, inner: F) -> F::Output {
        self.lock().runtime = Some(std::thread::current().id());
        let told = Waker::from(Arc::new(Outer(Arc::clone(self))));
        let mut inner = pin!(inner);
        poll_fn(|cx| {
            {
                let mut state = self.lock();
                state.outer = Some(cx.waker().clone());
                state.woken = false;
            }
            inner
                .as_mut()
                .poll(&mut std::task::Context::from_waker(&told))
        })
        .await
    }

    /// What the runtime does before it parks: lets a call happen that asked for it.
    pub fn standing_still(&self) {
        let mut state = self.lock();
        if state.woken {
            return;
        }
        match state.turn {
            Turn::Runtime | Turn::Call => {}
            Turn::Asked => {
                // What the call before it led to was there before this one asked: once more round.
                state.turn = Turn::Heard;
                drop(state);
                self.wake();
            }
            Turn::Heard => {
                state.turn = Turn::Call;
                self.changed.notify_all();
                while state.turn == Turn::Call && !state.ended {
                    state = self.wait(state);
                }
            }
        }
    }

    /// Makes `call` when it is its turn: at once on the runtime's own thread.
    pub fn take<T>(&self, call: impl FnOnce() -> T) -> T {
        let here = Some(std::thread::current().id());
        {
            let mut state = self.lock();
            if state.runtime.is_none() || state.runtime == here || state.ended {
                drop(state);
                return call();
            }
            state.turn = Turn::Asked;
        }
        self.wake();
        let mut state = self.lock();
        while state.turn != Turn::Call && !state.ended {
            state = self.wait(state);
        }
        drop(state);
        let answer = call();
        self.lock().turn = Turn::Runtime;
        self.changed.notify_all();
        answer
    }

    /// The runtime goes away: whoever waits for a turn goes on at once.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn wake(&self) {
        let outer = {
            let mut state = self.lock();
            state.woken = true;
            state.outer.clone()
        };
        if let Some(outer) = outer {
            outer.wake();
        }
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
