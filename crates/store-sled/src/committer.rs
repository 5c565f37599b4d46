//! The committer: owns the log, gives every commit its place, and is the only one to acknowledge.

use stepwell_commit_log::{AppendError, Disk, Log, RecordNumber};
use stepwell_store::{CommitError, TicketSender};

use std::sync::Arc;

use crate::checkpoint;
use crate::record;
use crate::settle::DurableRecord;
use crate::shared::{CheckpointOrder, Request, Shared, Taken};

/// Steppable; a thread around it is a loop.
pub(crate) struct Committer<D: Disk> {
    log: Log<D>,
    shared: Arc<Shared>,
}

/// A group of commits after their checks.
#[derive(Default)]
struct Group {
    accepted: Vec<TicketSender>,
    commits: Vec<Vec<u8>>,
    refused: Vec<(TicketSender, CommitError)>,
}

impl<D: Disk> Committer<D> {
    /// A committer that continues behind the last record of `log`.
    pub(crate) fn new(log: Log<D>, shared: Arc<Shared>) -> Self {
        Self { log, shared }
    }

    /// The log; nothing may be queued any more.
    pub(crate) fn into_log(self) -> Log<D> {
        self.log
    }

    /// Takes what is queued and writes it as one record; whether there was anything.
    pub(crate) fn step(&mut self) -> bool {
        let taken = self.shared.take_queued();
        let any = !taken.requests.is_empty() || taken.order.is_some();
        self.take(taken);
        any
    }

    /// Works until the store is closing and the queue is empty.
    pub(crate) fn work(&mut self) {
        while let Some(taken) = self.shared.wait_queued() {
            self.take(taken);
        }
    }

    fn take(&mut self, taken: Taken) {
        if let Some(order) = taken.order {
            self.checkpoint(&order);
        }
        if taken.requests.is_empty() {
            return;
        }
        let bytes = taken.requests.iter().map(|one| one.bytes.len() as u64);
        let bytes = bytes.sum();
        if let Some(refusal) = self.shared.refusal() {
            for request in taken.requests {
                request.ticket.resolve(Err(refusal.clone()));
            }
        } else {
            let group = self.check(taken.requests);
            self.write(group);
        }
        self.shared.note_dequeued(bytes);
    }

    /// Checks preconditions in order, each commit against the state all before it would leave.
    fn check(&self, requests: Vec<Request>) -> Group {
        let number = self.log.last().0 + 1;
        let settled = self.shared.settled().record;
        let mut group = Group::default();
        let mut overlay = self.shared.overlay();
        overlay.evict(settled);
        for request in requests {
            match overlay.check(number, &request.conditions) {
                Ok(()) => {
                    group.accepted.push(request.ticket);
                    group.commits.push(request.bytes);
                }
                Err(refusal) => group.refused.push((request.ticket, refusal)),
            }
        }
        group
    }

    /// One record, one sync, then every ticket: a refusal rests on what stands before it in the
    /// same group, so it waits for the sync as well.
    fn write(&mut self, group: Group) {
        if group.commits.is_empty() {
            // Everything a refusal can rest on is durable: earlier groups were synced.
            return refuse(group.refused);
        }
        // A group is bounded in bytes and every commit has some, so 32 bits count them.
        let count = u32::try_from(group.commits.len()).unwrap_or(u32::MAX);
        let head = record::head(checkpoint::GENERATION, count);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(1 + group.commits.len());
        parts.push(&head);
        parts.extend(group.commits.iter().map(Vec::as_slice));
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        // Crash here: nothing of the group is acknowledged, and nothing of it will be found.
        match self.log.append(&parts) {
            Ok(number) => self.acknowledge(number, bytes, group),
            Err(error) => self.give_up(&error, group),
        }
    }

    fn acknowledge(&self, number: RecordNumber, bytes: u64, group: Group) {
        // Crash here: the group is found at the next opening although nobody was told.
        self.shared.overlay().keep();
        self.shared.add_durable(DurableRecord {
            number: number.0,
            commits: group.commits,
            bytes,
        });
        for ticket in group.accepted {
            ticket.resolve(Ok(()));
        }
        refuse(group.refused);
    }

    fn give_up(&self, error: &AppendError, group: Group) {
        let why = in_full(error);
        let told = match error {
            AppendError::Full { .. } => CommitError::Full,
            AppendError::TooLarge { bytes, limit } => CommitError::TooLarge {
                bytes: *bytes,
                limit: *limit,
            },
            AppendError::Io { .. } => CommitError::Unknown { why: why.clone() },
            AppendError::Poisoned | AppendError::SettledOutOfRange { .. } => {
                CommitError::Failed { why: why.clone() }
            }
        };
        // What was refused rests on what was not written: it is told to look again.
        let refused = match error {
            AppendError::Full { .. } | AppendError::TooLarge { .. } => {
                self.shared.overlay().forget();
                told.clone()
            }
            AppendError::Io { .. }
            | AppendError::Poisoned
            | AppendError::SettledOutOfRange { .. } => {
                self.shared.fail(why.clone());
                CommitError::Failed { why }
            }
        };
        for ticket in group.accepted {
            ticket.resolve(Err(told.clone()));
        }
        for (ticket, _) in group.refused {
            ticket.resolve(Err(refused.clone()));
        }
    }

    fn checkpoint(&mut self, order: &CheckpointOrder) {
        if self.shared.failure().is_some() || order.settled.record <= self.log.settled().0 {
            return;
        }
        let state = checkpoint::State::of(&order.settled).encode();
        match self
            .log
            .checkpoint(RecordNumber(order.settled.record), &state)
        {
            Ok(()) => self.shared.note_checkpoint(order.settled.record),
            Err(error @ AppendError::Full { .. }) => {
                tracing::warn!(why = in_full(&error), "checkpoint put off");
            }
            Err(
                error @ (AppendError::Io { .. }
                | AppendError::Poisoned
                | AppendError::TooLarge { .. }
                | AppendError::SettledOutOfRange { .. }),
            ) => self.shared.fail(in_full(&error)),
        }
    }
}

fn refuse(refused: Vec<(TicketSender, CommitError)>) {
    for (ticket, refusal) in refused {
        ticket.resolve(Err(refusal));
    }
}

/// The error with what lies behind it, in one line.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
