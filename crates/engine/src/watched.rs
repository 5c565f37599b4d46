//! Workflow code under watch: a poll that blocks its shard is reported with its run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use stepwell_core::RunId;

/// A poll longer than this keeps every other run of its shard waiting.
const LONG_POLL: Duration = Duration::from_millis(100);

/// A future whose polls are timed.
pub(crate) struct Watched<F> {
    inner: Pin<Box<F>>,
    run: RunId,
}

impl<F: Future> Watched<F> {
    pub(crate) fn new(run: RunId, inner: F) -> Self {
        Self {
            inner: Box::pin(inner),
            run,
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let began = Instant::now();
        let polled = self.inner.as_mut().poll(cx);
        let took = began.elapsed();
        if took > LONG_POLL {
            tracing::warn!(
                run = %self.run,
                took_ms = took.as_millis() as u64,
                "workflow code blocked its shard: move blocking work out of async code"
            );
        }
        polled
    }
}
