//! Journal entries as rows.

use stepwell_server::wire::{EntryJson, EntryKind};

use super::Table;

/// Longest text of a cell, in characters; JSON shows everything.
const CELL_CHARS: usize = 72;

/// The entries, one a row.
#[must_use]
pub fn journal(entries: &[EntryJson]) -> Table {
    let mut table = Table::new(&["seq", "at", "kind", "step", "attempt", "what"]);
    for entry in entries {
        table.row(cells(entry));
    }
    table
}

/// One entry's cells.
pub(crate) fn cells(entry: &EntryJson) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        entry.seq.to_string(),
        entry.at.to_string(),
        entry.kind.word().to_owned(),
        or_dash(entry.step.clone()),
        or_dash(entry.attempt.map(|attempt| attempt.to_string())),
        cut(&what(entry)),
    ]
}

fn or_nothing(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// What is worth knowing of an entry beside its kind and step.
fn what(entry: &EntryJson) -> String {
    let output = || {
        entry
            .output
            .as_ref()
            .map_or("", |output| output.as_json())
            .to_owned()
    };
    let error = || {
        let said = entry.error.as_ref();
        said.map_or_else(String::new, |error| {
            format!("{} ({})", error.message, error.class)
        })
    };
    match entry.kind {
        EntryKind::RunStarted => started(entry),
        EntryKind::StepSucceeded | EntryKind::RunCompleted => output(),
        EntryKind::StepFailed | EntryKind::AttemptFailed => {
            let again = entry
                .retry_at
                .map_or_else(|| "given up".to_owned(), |at| format!("again at {at}"));
            format!("{again}: {}", error())
        }
        EntryKind::RunFailed => error(),
        EntryKind::Recovered => {
            let company = if entry.alone == Some(true) {
                ", alone"
            } else {
                ""
            };
            format!("in flight when the engine died{company}")
        }
        EntryKind::CancelRequested
        | EntryKind::Quarantined
        | EntryKind::Paused
        | EntryKind::RunKilled => or_nothing(&entry.reason).to_owned(),
        EntryKind::Retried => retried(entry),
        EntryKind::Patched => format!("change {} applies", or_nothing(&entry.patch)),
        EntryKind::WaitStarted | EntryKind::ChildStarted => {
            let on = entry.waits_for.clone().or_else(|| entry.child.clone());
            let until = entry.until.map(|at| format!(" until {at}"));
            format!("{}{}", on.unwrap_or_default(), until.unwrap_or_default())
        }
        EntryKind::EventOffered | EntryKind::EventReceived | EntryKind::EventRejected => {
            let event = entry.event.as_deref().unwrap_or("unknown");
            format!("event {event} {}", output())
        }
        EntryKind::SignalReceived => format!("{} {}", or_nothing(&entry.signal), output()),
        EntryKind::ForkStarted => format!("{} branches", entry.branches.unwrap_or_default()),
        EntryKind::BranchEnded => {
            format!(
                "branch {} {}{}",
                entry.branch.unwrap_or_default(),
                output(),
                error()
            )
        }
        EntryKind::UndoStarted => error(),
        EntryKind::RunContinued => format!("as run {}", or_nothing(&entry.child)),
        EntryKind::WaitTimedOut | EntryKind::RunCancelled | EntryKind::Resumed => String::new(),
    }
}

/// By what, with which code, and from where.
fn started(entry: &EntryJson) -> String {
    let forked = entry.forked_from.as_ref().map_or_else(String::new, |from| {
        format!("forked from run {} at step {}, ", from.run, from.step)
    });
    let version = match entry.version {
        Some(version) if version > 1 => format!("version {version}, "),
        Some(_) | None => String::new(),
    };
    let event = entry.event.as_deref().unwrap_or("unknown");
    format!("{forked}{version}by event {event}")
}

/// What is tried again, and why.
fn retried(entry: &EntryJson) -> String {
    let steps = if entry.steps.is_empty() {
        "workflow code".to_owned()
    } else {
        entry.steps.join(", ")
    };
    match or_nothing(&entry.reason) {
        "" => format!("again {steps}"),
        reason => format!("again {steps}: {reason}"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
