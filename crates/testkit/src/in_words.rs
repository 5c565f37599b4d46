//! Journals and commits as sentences, for people who read why a test failed.

use std::time::Duration;

use stepwell_core::entry::{Recovered, StepFailed, WaitStarted};
use stepwell_core::{Entry, EntryBody, Payload, Timestamp, WaitOn};
use stepwell_store::{Append, Change, Commit, InboxRow};

/// The most characters of a payload that are shown.
const PAYLOAD_CHARS_MAX: usize = 120;

/// What an entry says happened.
#[must_use]
pub fn entry_in_words(entry: &Entry) -> String {
    match &entry.body {
        EntryBody::RunStarted(fields) => {
            format!(
                "run of {} begins, by event {}",
                fields.workflow, fields.event
            )
        }
        EntryBody::StepSucceeded(fields) => format!(
            "step {} succeeds with attempt {}: {}",
            fields.step,
            fields.attempt,
            shown(&fields.output)
        ),
        EntryBody::StepFailed(fields) => step_failed(fields, entry.at),
        EntryBody::Recovered(fields) => recovered(fields),
        EntryBody::AttemptFailed(fields) => format!(
            "code between steps fails, and is replayed {}: {}",
            from_now(entry.at, fields.retry_at),
            fields.failure.message
        ),
        EntryBody::CancelRequested(fields) => {
            with_reason("somebody asks to cancel", &fields.reason)
        }
        EntryBody::RunCompleted(fields) => {
            format!("run completes: {}", shown(&fields.output))
        }
        EntryBody::RunFailed(fields) => format!("run fails: {}", fields.failure.message),
        EntryBody::RunCancelled => "run is cancelled".to_owned(),
        EntryBody::Quarantined(fields) => format!("run is quarantined: {}", fields.reason),
        EntryBody::Resumed => "run is resumed".to_owned(),
        EntryBody::WaitStarted(fields) => wait_started(fields),
        EntryBody::WaitTimedOut(fields) => format!("step {} is over by its time", fields.step),
        EntryBody::EventOffered(fields) => {
            format!("step {} is offered event {}", fields.step, fields.event)
        }
        EntryBody::EventReceived(fields) => {
            format!("step {} receives event {}", fields.step, fields.event)
        }
        EntryBody::EventRejected(fields) => {
            format!("step {} turns down event {}", fields.step, fields.event)
        }
        EntryBody::SignalReceived(fields) => {
            format!("signal {} arrives: {}", fields.name, shown(&fields.data))
        }
        EntryBody::ChildStarted(fields) => format!(
            "step {} starts run {} of {}",
            fields.step, fields.run, fields.workflow
        ),
        EntryBody::ForkStarted(fields) => {
            format!(
                "step {} splits into {} branches",
                fields.step, fields.branches
            )
        }
        EntryBody::BranchEnded(fields) => {
            format!("branch {}/{} ends", fields.fork, fields.branch)
        }
        EntryBody::UndoStarted(fields) => format!("scope {} begins to undo", fields.scope),
        EntryBody::RunContinued(fields) => format!("run goes on as {}", fields.next),
        EntryBody::RunKilled(fields) => with_reason("run is killed", &fields.reason),
        EntryBody::Patched(fields) => format!("change {} applies", fields.patch),
        EntryBody::Paused(fields) => with_reason("run is paused", &fields.reason),
        EntryBody::Retried(fields) => with_reason("what failed is tried again", &fields.reason),
    }
}

fn step_failed(failed: &StepFailed, at: Timestamp) -> String {
    let then = match failed.retry_at {
        None => "for good".to_owned(),
        Some(retry_at) => format!("and is tried again {}", from_now(at, retry_at)),
    };
    format!(
        "step {} fails with attempt {}, {then}: {}",
        failed.step, failed.attempt, failed.failure.message
    )
}

fn recovered(recovered: &Recovered) -> String {
    let cut = match &recovered.step {
        Some((step, _)) => format!("attempt {} at step {step}", recovered.attempt),
        None => "code between steps".to_owned(),
    };
    format!("engine opens again; {cut} was cut short")
}

fn wait_started(wait: &WaitStarted) -> String {
    let step = &wait.step;
    let until = wait.until.map(instant);
    let at_most = match &until {
        Some(at) => format!(", until {at} at the latest"),
        None => String::new(),
    };
    match &wait.on {
        WaitOn::Until => format!("step {step} sleeps until {}", until.unwrap_or_default()),
        WaitOn::Event { awaited, .. } => {
            let (name, key) = (&awaited.name, &awaited.key);
            format!("step {step} waits for event {name} with key {key:?}{at_most}")
        }
        WaitOn::Signal { name } => format!("step {step} waits for signal {name}{at_most}"),
    }
}

/// What a commit records.
#[must_use]
pub fn commit_in_words(commit: &Commit) -> String {
    let changes = commit.changes.iter().filter_map(change);
    let appends = commit.appends.iter().map(append);
    let parts: Vec<String> = changes.chain(appends).collect();
    if parts.is_empty() {
        return "nothing that shows".to_owned();
    }
    parts.join("; ")
}

fn append(append: &Append) -> String {
    let entries: Vec<_> = append.entries.iter().map(entry_in_words).collect();
    format!(
        "in the journal of run {}: {}",
        append.run,
        entries.join(", ")
    )
}

/// `None` for what only follows from the rest.
fn change(change: &Change) -> Option<String> {
    Some(match change {
        Change::NewEvent(row) if row.id.as_str().starts_with("stepwell/") => return None,
        Change::NewEvent(row) => format!("event {} ({})", row.id, row.name),
        Change::IndexEvent(..) | Change::DeleteInbox(..) => return None,
        Change::PutDelivery(_, row) => match row.after {
            None => format!("event {} is to be handed out", row.event),
            Some(run) => format!("event {} is handed out as far as run {run}", row.event),
        },
        Change::DeleteDelivery(_) => "an event is handed out".to_owned(),
        Change::PutSchedule(workflow, row) => {
            let until = instant(row.considered);
            format!("schedule of {workflow} is worked off until {until}")
        }
        Change::PutInbox(run, _, row) => format!("left for run {run}: {}", request(row)),
        Change::SetAside { head, .. } => format!("run {} is set aside as damaged", head.run),
    })
}

fn request(row: &InboxRow) -> String {
    match row {
        InboxRow::Cancel { reason } => with_reason("cancel", reason),
        InboxRow::Resume => "resume".to_owned(),
        InboxRow::Kill { reason } => with_reason("kill", reason),
        InboxRow::Pause { reason } => with_reason("pause", reason),
        InboxRow::Retry { reason } => with_reason("try again what failed", reason),
        InboxRow::Quarantine { reason } => format!("quarantine: {reason}"),
        InboxRow::Event { event, .. } => format!("event {event}"),
        InboxRow::Signal { name, .. } => format!("signal {name}"),
        InboxRow::ChildEnded { run, .. } => format!("its child {run} ended"),
    }
}

fn with_reason(what: &str, reason: &str) -> String {
    if reason.is_empty() {
        return what.to_owned();
    }
    format!("{what}: {reason}")
}

/// A payload, cut where it gets long.
pub(crate) fn shown(payload: &Payload) -> String {
    let text = payload.as_json();
    match text.char_indices().nth(PAYLOAD_CHARS_MAX) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
    }
}

/// An instant as people write it.
pub(crate) fn instant(at: Timestamp) -> String {
    let ms = i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(instant) => instant.to_string(),
        Err(_) => at.to_string(),
    }
}

fn from_now(now: Timestamp, at: Timestamp) -> String {
    format!("in {}", length(at.since(now)))
}

/// A length of time as people say it: the two largest units that are there.
pub(crate) fn length(time: Duration) -> String {
    let ms = time.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let mut left = ms;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", left / size));
            left %= size;
        }
    }
    if parts.is_empty() {
        return "0 ms".to_owned();
    }
    parts.join(" ")
}
