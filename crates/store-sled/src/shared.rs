//! What callers, committer, applier and checkpointer share: the queue, the flow, the failure.
//!
//! A commit waits in the *queue* until the committer takes it; its record waits in the *flow* until
//! the applier settled it. Each is one mutex held for moments, never across the disk. Failure is
//! set once and ends all writing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use stepwell_core::Fence;
use stepwell_store::{CommitError, Pressure, ReadError, Ticket, TicketSender};

use crate::options::Options;
use crate::overlay::{Conditions, Overlay};
use crate::settle::DurableRecord;
use crate::settled::Settled;
use crate::table::TableError;

/// A commit on its way, encoded by its caller.
#[derive(Debug)]
pub(crate) struct Request {
    /// As [`crate::record::encode_commit`] wrote it.
    pub(crate) bytes: Vec<u8>,
    /// What it asks of the state before it.
    pub(crate) conditions: Conditions,
    /// Told what became of it.
    pub(crate) ticket: TicketSender,
}

/// A checkpoint whose barrier returned, to be written by the owner of the log.
#[derive(Debug)]
pub(crate) struct CheckpointOrder {
    /// How far the table was settled before its barrier.
    pub(crate) settled: Settled,
}

/// What the committer took from the queue.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Commits for one record, in order.
    pub(crate) requests: Vec<Request>,
    /// A checkpoint to write.
    pub(crate) order: Option<CheckpointOrder>,
}

/// What the checkpointer should do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A checkpoint is due.
    Checkpoint,
    /// The store is closing: leave.
    Leave,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    order: Option<CheckpointOrder>,
    closing: bool,
}

#[derive(Debug)]
struct Flow {
    /// The last record whose sync returned.
    durable: u64,
    /// Durable records nobody settles yet, oldest first.
    waiting: VecDeque<DurableRecord>,
    /// What the table holds.
    settled: Settled,
    /// The record of the last checkpoint.
    checkpointed: u64,
    /// Bytes settled since the last checkpoint.
    unchecked_bytes: u64,
    /// Nothing will be added any more.
    ended: bool,
}

/// What ended all writing.
#[derive(Debug)]
struct Stopped {
    why: String,
    /// Whether it was a full disk, which starting again does not mend.
    full: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    fence: Fence,
    options: Options,
    queue: Mutex<Queue>,
    queued: Condvar,
    flow: Mutex<Flow>,
    moved: Condvar,
    overlay: Mutex<Overlay>,
    failure: OnceLock<Stopped>,
    queued_bytes: AtomicU64,
    unsettled_bytes: AtomicU64,
    commits: AtomicU64,
    syncs: AtomicU64,
    log_bytes: AtomicU64,
}

impl Shared {
    /// The state of a store whose table holds every record up to `settled`.
    pub(crate) fn new(fence: Fence, options: Options, settled: Settled, checkpointed: u64) -> Self {
        Self {
            fence,
            queue: Mutex::default(),
            queued: Condvar::new(),
            flow: Mutex::new(Flow {
                durable: settled.record,
                waiting: VecDeque::new(),
                settled,
                checkpointed,
                unchecked_bytes: 0,
                ended: false,
            }),
            moved: Condvar::new(),
            overlay: Mutex::new(Overlay::new(fence, settled.record, options.overlay_keys)),
            failure: OnceLock::new(),
            queued_bytes: AtomicU64::new(0),
            unsettled_bytes: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            options,
        }
    }

    /// The fencing token of this opening.
    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    /// The settings.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The overlay; hold it for moments.
    pub(crate) fn overlay(&self) -> MutexGuard<'_, Overlay> {
        lock(&self.overlay)
    }

    /// What the store holds back.
    pub(crate) fn pressure(&self) -> Pressure {
        Pressure {
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
            unsettled_bytes: self.unsettled_bytes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
        }
    }

    /// The failure that stopped the store, once there is one.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(|stopped| stopped.why.as_str())
    }

    /// What a commit hears once writing has stopped.
    pub(crate) fn refusal(&self) -> Option<CommitError> {
        self.failure.get().map(|stopped| match stopped.full {
            true => CommitError::Full,
            false => CommitError::Failed {
                why: stopped.why.clone(),
            },
        })
    }

    /// Stops all writing, unless an earlier failure did.
    pub(crate) fn fail(&self, why: String) {
        self.stop(Stopped { why, full: false });
    }

    /// Stops all writing because the table failed.
    pub(crate) fn fail_table(&self, error: &TableError) {
        let full = matches!(error, TableError::Full { .. });
        self.stop(Stopped {
            why: error.to_string(),
            full,
        });
    }

    fn stop(&self, stopped: Stopped) {
        tracing::error!(why = stopped.why, "store stopped writing");
        self.failure.get_or_init(|| stopped);
        // Under each lock, so that nobody checks, misses it and then sleeps.
        drop(lock(&self.queue));
        self.queued.notify_all();
        drop(lock(&self.flow));
        self.moved.notify_all();
    }
}

/// The queue, from callers to the committer.
impl Shared {
    /// Orders a commit behind every one before it.
    pub(crate) fn enqueue(&self, bytes: Vec<u8>, conditions: Conditions) -> Ticket {
        let (sender, ticket) = Ticket::pair();
        let length = bytes.len() as u64;
        let mut queue = lock(&self.queue);
        // Under the lock: whoever empties the queue after a failure finds this commit, or this
        // commit finds the failure.
        if let Some(refusal) = self.refusal() {
            return Ticket::resolved(Err(refusal));
        }
        if queue.closing {
            return Ticket::resolved(Err(CommitError::Closed));
        }
        self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        queue.requests.push_back(Request {
            bytes,
            conditions,
            ticket: sender,
        });
        drop(queue);
        self.queued.notify_one();
        ticket
    }

    /// Hands a checkpoint to the committer; an older one that still waits is replaced.
    pub(crate) fn order_checkpoint(&self, order: CheckpointOrder) {
        lock(&self.queue).order = Some(order);
        self.queued.notify_one();
    }

    /// What waits, up to one record; empty when nothing does.
    pub(crate) fn take_queued(&self) -> Taken {
        self.take_from(&mut lock(&self.queue))
    }

    /// As [`Shared::take_queued`], but waits for something; `None` once the store is closing and
    /// nothing is left.
    pub(crate) fn wait_queued(&self) -> Option<Taken> {
        let mut queue = lock(&self.queue);
        loop {
            let taken = self.take_from(&mut queue);
            if !taken.requests.is_empty() || taken.order.is_some() {
                return Some(taken);
            }
            if queue.closing {
                return None;
            }
            queue = wait(&self.queued, queue);
        }
    }

    /// Later commits are refused.
    pub(crate) fn close(&self) {
        lock(&self.queue).closing = true;
        self.queued.notify_all();
    }

    /// Tells everything queued that it failed, when there is no committer left to do so.
    pub(crate) fn refuse_queued(&self) {
        let requests = std::mem::take(&mut lock(&self.queue).requests);
        for request in requests {
            let gone = || CommitError::Failed {
                why: "committer is gone".to_owned(),
            };
            self.note_dequeued(request.bytes.len() as u64);
            request
                .ticket
                .resolve(Err(self.refusal().unwrap_or_else(gone)));
        }
    }

    fn take_from(&self, queue: &mut Queue) -> Taken {
        let mut taken = Taken {
            requests: Vec::new(),
            order: queue.order.take(),
        };
        let mut bytes = 0;
        while let Some(request) = queue.requests.front() {
            bytes += request.bytes.len() as u64;
            if !taken.requests.is_empty() && bytes > self.options.group_bytes_max() {
                break;
            }
            taken.requests.extend(queue.requests.pop_front());
        }
        taken
    }
}

/// The flow, from the committer to the applier and those who wait for it.
impl Shared {
    /// A record became durable. Called before its tickets resolve, so that a read made after
    /// waits for it.
    pub(crate) fn add_durable(&self, record: DurableRecord) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.commits
            .fetch_add(record.commits.len() as u64, Ordering::Relaxed);
        self.log_bytes.fetch_add(record.bytes, Ordering::Relaxed);
        self.unsettled_bytes
            .fetch_add(record.bytes, Ordering::Relaxed);
        let mut flow = lock(&self.flow);
        flow.durable = record.number;
        flow.waiting.push_back(record);
        drop(flow);
        self.moved.notify_all();
    }

    /// Commits left the queue, whatever became of them.
    pub(crate) fn note_dequeued(&self, bytes: u64) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Up to `limit` durable records nobody settles yet, and what is settled.
    pub(crate) fn take_durable(&self, limit: usize) -> (Vec<DurableRecord>, Settled) {
        let mut flow = lock(&self.flow);
        let count = flow.waiting.len().min(limit);
        (flow.waiting.drain(..count).collect(), flow.settled)
    }

    /// As [`Shared::take_durable`], but waits for one; `None` once nothing will come any more.
    pub(crate) fn wait_durable(&self, limit: usize) -> Option<(Vec<DurableRecord>, Settled)> {
        let mut flow = lock(&self.flow);
        loop {
            if self.failure().is_some() {
                return None;
            }
            if !flow.waiting.is_empty() {
                let count = flow.waiting.len().min(limit);
                return Some((flow.waiting.drain(..count).collect(), flow.settled));
            }
            if flow.ended {
                return None;
            }
            flow = wait(&self.moved, flow);
        }
    }

    /// No record will be added any more.
    pub(crate) fn end_flow(&self) {
        lock(&self.flow).ended = true;
        self.moved.notify_all();
    }

    /// Records of `bytes` in all were settled.
    pub(crate) fn note_settled(&self, settled: Settled, bytes: u64) {
        self.unsettled_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let mut flow = lock(&self.flow);
        flow.settled = settled;
        flow.unchecked_bytes += bytes;
        drop(flow);
        self.moved.notify_all();
    }

    /// Records of `bytes` in all that the last checkpoint does not cover were found at opening:
    /// the next one is due for them too, or each opening would rewrite a longer tail.
    pub(crate) fn note_tail(&self, bytes: u64) {
        lock(&self.flow).unchecked_bytes += bytes;
        self.moved.notify_all();
    }

    /// What the table holds at least.
    pub(crate) fn settled(&self) -> Settled {
        lock(&self.flow).settled
    }

    /// The record of the last checkpoint.
    pub(crate) fn checkpointed(&self) -> u64 {
        lock(&self.flow).checkpointed
    }

    /// The log holds a checkpoint at `record`.
    pub(crate) fn note_checkpoint(&self, record: u64) {
        lock(&self.flow).checkpointed = record;
    }

    /// A barrier is about to cover everything settled; returns what that is, unless the last
    /// checkpoint covers it.
    pub(crate) fn begin_checkpoint(&self) -> Option<Settled> {
        let mut flow = lock(&self.flow);
        flow.unchecked_bytes = 0;
        (flow.settled.record > flow.checkpointed).then_some(flow.settled)
    }

    /// Waits until a checkpoint is due, by size or by time, or the store is closing.
    pub(crate) fn wait_checkpoint_due(&self) -> Due {
        let mut flow = lock(&self.flow);
        loop {
            if flow.ended || self.failure().is_some() {
                return Due::Leave;
            }
            if flow.unchecked_bytes >= self.options.checkpoint_bytes {
                return Due::Checkpoint;
            }
            if flow.unchecked_bytes == 0 {
                flow = wait(&self.moved, flow);
                continue;
            }
            let due = |flow: &mut Flow| {
                !flow.ended
                    && self.failure().is_none()
                    && flow.unchecked_bytes < self.options.checkpoint_bytes
            };
            let (after, waited) = wait_while(&self.moved, flow, self.options.checkpoint_after, due);
            if waited {
                return Due::Checkpoint;
            }
            flow = after;
        }
    }

    /// Waits until everything durable at the time of the call is settled.
    pub(crate) fn wait_settled(&self) -> Result<(), ReadError> {
        let mut flow = lock(&self.flow);
        let durable = flow.durable;
        while flow.settled.record < durable {
            if let Some(why) = self.failure() {
                return Err(ReadError::Failed {
                    why: format!("what is durable cannot be settled: {why}"),
                });
            }
            flow = wait(&self.moved, flow);
        }
        Ok(())
    }
}

/// A thread that panicked under one of these locks left it consistent: they guard plain moves.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits while `goes_on` and no longer than `limit`; whether the limit ended it.
fn wait_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: Duration,
    goes_on: impl FnMut(&mut T) -> bool,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, waited) = condvar
        .wait_timeout_while(guard, limit, goes_on)
        .unwrap_or_else(PoisonError::into_inner);
    (guard, waited.timed_out())
}
