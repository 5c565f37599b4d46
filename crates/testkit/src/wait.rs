//! Waiting for tickets where no runtime is.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use stepwell_store::{CommitError, Ticket};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until the ticket resolves.
///
/// # Errors
/// What the ticket says.
pub fn wait(ticket: Ticket) -> Result<(), CommitError> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut ticket = pin!(ticket);
    loop {
        match ticket.as_mut().poll(&mut context) {
            Poll::Ready(told) => return told,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// What the ticket says already, or `None` while it is open. Ask no more once it has answered.
#[must_use]
pub fn peek(ticket: &mut Ticket) -> Option<Result<(), CommitError>> {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(ticket).poll(&mut context) {
        Poll::Ready(told) => Some(told),
        Poll::Pending => None,
    }
}
