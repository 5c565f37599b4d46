//! What stored rows mean, in the words of today's types.

use std::fmt::Write as _;

use stepwell_core::envelope::{self, ValueKind};
use stepwell_core::run::{ChildOutcome, RunState, fold};
use stepwell_core::{Entry, EntryBody, Payload, RunId, Seq};
use stepwell_store::{
    DeliveryRow, EventKeyRow, EventRow, InboxRow, RowOp, RunHead, ScheduleRow, keys,
};

use super::files::open;

/// What rows say, one behind another, and where they hold a journal from its first entry on, what
/// it folds to.
pub(super) fn of_rows(rows: &[RowOp]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&of_row(row));
    }
    if let Some(state) = state_of(rows) {
        let status = state.status(state.changed_at);
        writeln!(text, "folds to {status}, next entry {}", state.next_seq).unwrap();
        for (address, step) in &state.steps {
            writeln!(text, "step {address}: {step:?}").unwrap();
        }
    }
    text
}

fn of_row(row: &RowOp) -> String {
    let opened = open(row).unwrap();
    let mut text = format!("{:?} of {}\n", opened.kind, of_key(&row.key));
    if let Some(run) = opened.run {
        writeln!(text, "belongs to run {run}").unwrap();
    }
    match opened.kind {
        ValueKind::JournalBlock => {
            for entry in envelope::decode_block(opened.format, opened.seq, opened.body).unwrap() {
                writeln!(text, "{entry:#?}").unwrap();
                if let Some(payload) = payload_of(&entry) {
                    writeln!(text, "payload {}", payload.as_json()).unwrap();
                }
            }
        }
        ValueKind::RunHead => {
            let head: RunHead = envelope::decode_fields("head", opened.body).unwrap();
            writeln!(text, "{head:#?}").unwrap();
        }
        ValueKind::Event => {
            let event: EventRow = envelope::decode_fields("event", opened.body).unwrap();
            writeln!(text, "{event:#?}").unwrap();
            for payload in std::iter::once(&event.data).chain(&event.user) {
                writeln!(text, "payload {}", payload.as_json()).unwrap();
            }
        }
        ValueKind::Inbox => {
            let request: InboxRow = envelope::decode_fields("request", opened.body).unwrap();
            writeln!(text, "{request:#?}").unwrap();
            if let Some(payload) = payload_of_request(&request) {
                writeln!(text, "payload {}", payload.as_json()).unwrap();
            }
        }
        ValueKind::EventKey => {
            let row: EventKeyRow = envelope::decode_fields("event key", opened.body).unwrap();
            writeln!(text, "{row:#?}").unwrap();
        }
        ValueKind::Delivery => {
            let row: DeliveryRow = envelope::decode_fields("delivery", opened.body).unwrap();
            writeln!(text, "{row:#?}").unwrap();
        }
        ValueKind::Schedule => {
            let row: ScheduleRow = envelope::decode_fields("schedule", opened.body).unwrap();
            writeln!(text, "{row:#?}").unwrap();
        }
        ValueKind::Agenda
        | ValueKind::Wait
        | ValueKind::Chunked
        | ValueKind::Chunk
        | ValueKind::Store => {
            writeln!(text, "body {:?}", hex::encode(opened.body)).unwrap();
        }
    }
    text
}

fn of_key(key: &[u8]) -> String {
    match key[0] {
        keys::AGENDA => {
            let (at, run) = keys::parse_agenda(key).unwrap();
            format!("agenda of run {run} at {at}")
        }
        keys::INBOX => {
            let (run, id) = keys::parse_inbox(key).unwrap();
            format!("request {:?} to run {run}", id.0)
        }
        keys::JOURNAL => {
            let (run, first) = keys::parse_journal(key).unwrap();
            format!("journal of run {run} from entry {first}")
        }
        keys::EVENT_KEY => {
            let (of, order) = keys::parse_event_key(key).unwrap();
            format!("event by key {} at {order:?}", hex::encode(of.0))
        }
        keys::WAIT => {
            let (of, run) = keys::parse_wait(key).unwrap();
            format!("wait of run {run} for key {}", hex::encode(of.0))
        }
        keys::DELIVERY => format!("delivery at {:?}", keys::parse_delivery(key).unwrap()),
        keys::HEAD => format!("head of run {}", keys::parse_head(key).unwrap()),
        keys::PART => {
            let number = u32::from_be_bytes(key[1..5].try_into().unwrap());
            format!("part {number} of {}", of_key(&key[5..]))
        }
        first => format!(
            "{} {}",
            char::from(first),
            String::from_utf8_lossy(&key[1..])
        ),
    }
}

fn payload_of(entry: &Entry) -> Option<&Payload> {
    match &entry.body {
        EntryBody::StepSucceeded(fields) => Some(&fields.output),
        EntryBody::RunCompleted(fields) => Some(&fields.output),
        EntryBody::EventOffered(fields) => Some(&fields.data),
        EntryBody::EventReceived(fields) => fields.data.as_ref(),
        EntryBody::SignalReceived(fields) => Some(&fields.data),
        EntryBody::BranchEnded(fields) => fields.value.as_ref()?.as_ref().ok(),
        EntryBody::RunStarted(_)
        | EntryBody::StepFailed(_)
        | EntryBody::Recovered(_)
        | EntryBody::AttemptFailed(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventRejected(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::RunContinued(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_)
        | EntryBody::RunKilled(_) => None,
    }
}

fn payload_of_request(request: &InboxRow) -> Option<&Payload> {
    match request {
        InboxRow::Signal { data, .. } => Some(data),
        InboxRow::ChildEnded {
            outcome: ChildOutcome::Completed(output),
            ..
        } => Some(output),
        InboxRow::ChildEnded { .. }
        | InboxRow::Cancel { .. }
        | InboxRow::Resume
        | InboxRow::Kill { .. }
        | InboxRow::Pause { .. }
        | InboxRow::Retry { .. }
        | InboxRow::Quarantine { .. }
        | InboxRow::Event { .. } => None,
    }
}

/// The state, where the rows hold a journal from its first entry on.
fn state_of(rows: &[RowOp]) -> Option<RunState> {
    let mut journal: Vec<Entry> = Vec::new();
    let mut run: Option<RunId> = None;
    for row in rows {
        let opened = open(row).unwrap();
        if opened.kind == ValueKind::JournalBlock {
            run = run.or(opened.run);
            journal.extend(envelope::decode_block(opened.format, opened.seq, opened.body).unwrap());
        }
    }
    if journal.first()?.seq != Seq::FIRST {
        return None;
    }
    Some(fold(run.unwrap(), &journal).unwrap())
}
