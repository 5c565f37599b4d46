//! What people do to runs, and changes of their code.

use stepwell_core::entry::{ForkedFrom, Patched, Paused, Quarantined, Retried, RunStarted};
use stepwell_core::{EntryBody, QuarantineReason};
use stepwell_store::{InboxRow, RowOp};

use super::{block, child, plain_start, request, step, workflow};

pub(super) fn all() -> Vec<(String, Vec<RowOp>)> {
    let reason = || "carrier on strike".to_owned();
    let gone = QuarantineReason::UnknownVersion {
        workflow: workflow(),
        version: 2,
    };
    let set_aside = InboxRow::Quarantine {
        reason: gone.clone(),
    };
    vec![
        ("inbox-quarantine".to_owned(), request(set_aside)),
        block("run-started-forked", [forked()]),
        block("patched", patches()),
        block("paused", [EntryBody::Paused(Paused { reason: reason() })]),
        block("retried", retries()),
        block(
            "quarantined-version",
            [EntryBody::Quarantined(Quarantined { reason: gone })],
        ),
        (
            "inbox-pause".to_owned(),
            request(InboxRow::Pause { reason: reason() }),
        ),
        (
            "inbox-retry".to_owned(),
            request(InboxRow::Retry { reason: reason() }),
        ),
    ]
}

fn forked() -> EntryBody {
    EntryBody::RunStarted(RunStarted {
        forked: Some(ForkedFrom {
            run: child(),
            step: step("reserve-inventory"),
        }),
        ..plain_start()
    })
}

fn patches() -> Vec<EntryBody> {
    ["", "all/0"]
        .into_iter()
        .map(|branch| {
            EntryBody::Patched(Patched {
                branch: branch.into(),
                patch: "reserve-first".to_owned(),
            })
        })
        .collect()
}

fn retries() -> Vec<EntryBody> {
    [Vec::new(), vec![step("capture-payment"), step("pack")]]
        .into_iter()
        .map(|steps| {
            EntryBody::Retried(Retried {
                reason: String::new(),
                steps,
            })
        })
        .collect()
}
