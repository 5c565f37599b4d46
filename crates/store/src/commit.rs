//! One commit: everything a transition changes, its preconditions, and the ticket it is given.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use stepwell_core::envelope::{self, EncodeError, ValueKind};
use stepwell_core::{
    Entry, EventId, EventKey, EventOrder, Fence, RunId, Seq, Timestamp, WorkflowName,
};
use tokio::sync::oneshot;

use crate::Seen;
use crate::errors::CommitError;
use crate::keys;
use crate::rows::{DeliveryRow, EventKeyRow, EventRow, InboxId, InboxRow, RunHead, ScheduleRow};

/// Everything one transition changes: all of it happens or none.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Must be the store's fencing token.
    pub fence: Fence,
    /// How far the store had settled at the oldest look this commit rests on.
    pub seen: Seen,
    /// Entries to append; each run at most once.
    pub appends: Vec<Append>,
    /// Other rows to change.
    pub changes: Vec<Change>,
}

/// Entries of one run.
#[derive(Debug, Clone)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// Where the run must stand: the number of the first entry here.
    pub expected: Seq,
    /// At least one entry, consecutive from `expected`.
    pub entries: Vec<Entry>,
    /// The run's head, when it changed.
    pub head: Option<RunHead>,
    /// The run's place on the agenda, when it changed.
    pub agenda: AgendaChange,
    /// What the run begins and ceases to wait for.
    pub waits: WaitChange,
}

/// A run begins and ceases to wait for events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitChange {
    /// Keys it did not wait for before.
    pub begun: Vec<EventKey>,
    /// Keys it waits for no more.
    pub over: Vec<EventKey>,
}

/// A run moves on the agenda; equal sides mean no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgendaChange {
    /// Where it stood.
    pub was: Option<Timestamp>,
    /// Where it stands after the commit.
    pub now: Option<Timestamp>,
}

/// A row beside the journals.
#[derive(Debug, Clone)]
pub enum Change {
    /// Store an event; its id must be new.
    NewEvent(EventRow),
    /// Index an event by its name and key.
    IndexEvent(EventKey, EventOrder, EventKeyRow),
    /// Keep an event on its way to the runs that wait for it, or how far it has come.
    PutDelivery(EventOrder, DeliveryRow),
    /// An event reached every run that waited for it.
    DeleteDelivery(EventOrder),
    /// Keep how far a schedule's ticks were considered.
    PutSchedule(WorkflowName, ScheduleRow),
    /// Leave a request for a run.
    PutInbox(RunId, InboxId, InboxRow),
    /// A request was turned into an entry of this same commit, or refused for good.
    DeleteInbox(RunId, InboxId),
    /// A run whose journal cannot be read leaves the agenda and is shown as quarantined. Its
    /// journal is not touched: an entry behind damage would rest on what nobody can read.
    SetAside {
        /// The head to store.
        head: RunHead,
        /// The agenda row to take away.
        was: Timestamp,
    },
}

/// One row as a key-value store sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOp {
    /// The key, by [`keys`].
    pub key: Vec<u8>,
    /// The sealed value, or `None` to delete.
    pub value: Option<Vec<u8>>,
}

impl Commit {
    /// The rows this commit writes, sealed, in order.
    ///
    /// # Errors
    /// When a value is too large to be read back.
    pub fn row_ops(&self) -> Result<Vec<RowOp>, EncodeError> {
        let mut ops = Vec::with_capacity(self.appends.len() * 2 + self.changes.len());
        for change in &self.changes {
            change.row_ops(&mut ops)?;
        }
        for append in &self.appends {
            append.row_ops(&mut ops)?;
        }
        Ok(ops)
    }

    /// The ids of events that must be new.
    pub fn new_events(&self) -> impl Iterator<Item = &EventId> {
        self.changes.iter().filter_map(|change| match change {
            Change::NewEvent(row) => Some(&row.id),
            Change::IndexEvent(..)
            | Change::PutDelivery(..)
            | Change::DeleteDelivery(_)
            | Change::PutSchedule(..)
            | Change::PutInbox(..)
            | Change::DeleteInbox(..)
            | Change::SetAside { .. } => None,
        })
    }
}

impl Append {
    fn row_ops(&self, ops: &mut Vec<RowOp>) -> Result<(), EncodeError> {
        let run = Some(self.run);
        let key = keys::journal(self.run, self.expected);
        let body = envelope::encode_block(&self.entries)?;
        let value = envelope::seal(ValueKind::JournalBlock, &key, run, self.expected, &body)?;
        ops.push(RowOp {
            key,
            value: Some(value),
        });
        if let Some(head) = &self.head {
            ops.push(head_op(head)?);
        }
        if self.agenda.was != self.agenda.now {
            if let Some(was) = self.agenda.was {
                ops.push(gone(keys::agenda(was, self.run)));
            }
            if let Some(now) = self.agenda.now {
                let key = keys::agenda(now, self.run);
                ops.push(sealed(ValueKind::Agenda, key, run, &[])?);
            }
        }
        for key in &self.waits.over {
            ops.push(gone(keys::wait(*key, self.run)));
        }
        for key in &self.waits.begun {
            let key = keys::wait(*key, self.run);
            ops.push(sealed(ValueKind::Wait, key, run, &[])?);
        }
        Ok(())
    }
}

impl Change {
    fn row_ops(&self, ops: &mut Vec<RowOp>) -> Result<(), EncodeError> {
        let op = match self {
            Self::NewEvent(row) => {
                let body = envelope::encode_fields(row)?;
                sealed(ValueKind::Event, keys::event(&row.id), None, &body)?
            }
            Self::IndexEvent(key, order, row) => {
                let body = envelope::encode_fields(row)?;
                let key = keys::event_key(*key, *order);
                sealed(ValueKind::EventKey, key, None, &body)?
            }
            Self::PutDelivery(order, row) => {
                let body = envelope::encode_fields(row)?;
                sealed(ValueKind::Delivery, keys::delivery(*order), None, &body)?
            }
            Self::DeleteDelivery(order) => gone(keys::delivery(*order)),
            Self::PutSchedule(workflow, row) => {
                let body = envelope::encode_fields(row)?;
                sealed(ValueKind::Schedule, keys::schedule(workflow), None, &body)?
            }
            Self::PutInbox(run, id, row) => {
                let body = envelope::encode_fields(row)?;
                sealed(ValueKind::Inbox, keys::inbox(*run, *id), Some(*run), &body)?
            }
            Self::DeleteInbox(run, id) => gone(keys::inbox(*run, *id)),
            Self::SetAside { head, was } => {
                ops.push(head_op(head)?);
                gone(keys::agenda(*was, head.run))
            }
        };
        ops.push(op);
        Ok(())
    }
}

fn sealed(
    kind: ValueKind,
    key: Vec<u8>,
    run: Option<RunId>,
    body: &[u8],
) -> Result<RowOp, EncodeError> {
    let value = envelope::seal(kind, &key, run, Seq::FIRST, body)?;
    Ok(RowOp {
        key,
        value: Some(value),
    })
}

fn gone(key: Vec<u8>) -> RowOp {
    RowOp { key, value: None }
}

fn head_op(head: &RunHead) -> Result<RowOp, EncodeError> {
    let body = envelope::encode_fields(head)?;
    sealed(
        ValueKind::RunHead,
        keys::head(head.run),
        Some(head.run),
        &body,
    )
}

/// The right to hear what became of a commit; resolves once.
///
/// Dropping it changes nothing about the commit.
#[derive(Debug)]
#[must_use = "a commit is durable only once its ticket resolved"]
pub struct Ticket(oneshot::Receiver<Result<(), CommitError>>);

/// The store's end of a [`Ticket`].
#[derive(Debug)]
pub struct TicketSender(oneshot::Sender<Result<(), CommitError>>);

impl Ticket {
    /// A ticket and the end that resolves it.
    pub fn pair() -> (TicketSender, Self) {
        let (sender, receiver) = oneshot::channel();
        (TicketSender(sender), Self(receiver))
    }

    /// A ticket that is already resolved.
    pub fn resolved(result: Result<(), CommitError>) -> Self {
        let (sender, ticket) = Self::pair();
        sender.resolve(result);
        ticket
    }
}

impl TicketSender {
    /// Tells whoever holds the ticket; nobody may be listening any more, which is fine.
    pub fn resolve(self, result: Result<(), CommitError>) {
        drop(self.0.send(result));
    }
}

impl Future for Ticket {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A store that went away without a word may have written the commit or not.
        Pin::new(&mut self.0).poll(cx).map(|told| {
            told.unwrap_or_else(|_| {
                Err(CommitError::Unknown {
                    why: "store went away".to_owned(),
                })
            })
        })
    }
}
