//! Children, forks, scopes, and the other ends of a run.

use stepwell_core::entry::{
    BranchEnded, ChildStarted, ForkStarted, RunContinued, RunKilled, UndoStarted,
};
use stepwell_core::run::ChildOutcome;
use stepwell_core::{
    EntryBody, Failure, FailureClass, ParentClose, Payload, StepKind, WorkflowName,
};
use stepwell_store::{InboxRow, RowOp};

use super::{block, child, failure, request, step, succeeded};

pub(super) fn all() -> Vec<(String, Vec<RowOp>)> {
    let ended = |outcome| InboxRow::ChildEnded {
        run: child(),
        step: step("pack"),
        outcome,
    };
    let output = Payload::from_json("{\"parcel\":\"p-9\"}");
    let kill = InboxRow::Kill {
        reason: "runs away".to_owned(),
    };
    let named = |name: &str, row| (name.to_owned(), request(row));
    vec![
        block("step-kinds", kinds()),
        block("child-started", children()),
        block("fork-started", forks()),
        block("branch-ended", branches()),
        block("undo-started", undone()),
        block("run-continued", [continued()]),
        block("run-killed", [killed()]),
        named("inbox-kill", kill),
        named(
            "inbox-child-completed",
            ended(ChildOutcome::Completed(output)),
        ),
        named("inbox-child-failed", ended(ChildOutcome::Failed(broken()))),
        named("inbox-child-cancelled", ended(ChildOutcome::Cancelled)),
    ]
}

fn broken() -> Failure {
    failure(
        FailureClass::Terminal,
        "no such street",
        Some(step("label")),
    )
}

/// The kinds of step that `step-succeeded` has none of.
fn kinds() -> Vec<EntryBody> {
    [
        StepKind::Sleep,
        StepKind::WaitFor,
        StepKind::Signal,
        StepKind::Invoke,
        StepKind::Start,
        StepKind::Send,
        StepKind::SendSignal,
        StepKind::Join,
        StepKind::Map,
        StepKind::Race,
        StepKind::Scope,
        StepKind::Undo,
    ]
    .into_iter()
    .map(|kind| succeeded(step(kind.word()), kind, 1, "null", None))
    .collect()
}

fn children() -> Vec<EntryBody> {
    [(false, ParentClose::Cancel), (true, ParentClose::Abandon)]
        .into_iter()
        .map(|(detached, close)| {
            EntryBody::ChildStarted(ChildStarted {
                step: step("ship"),
                run: child(),
                workflow: WorkflowName::new("ship-parcel"),
                detached,
                close,
            })
        })
        .collect()
}

fn forks() -> Vec<EntryBody> {
    [
        (StepKind::Join, 2, 2),
        (StepKind::Map, 1_000, 16),
        (StepKind::Race, 3, 3),
        (StepKind::Scope, 1, 1),
    ]
    .into_iter()
    .map(|(kind, branches, limit)| {
        EntryBody::ForkStarted(ForkStarted {
            step: step(kind.word()),
            kind,
            branches,
            limit,
        })
    })
    .collect()
}

/// One of a join, and winners of races that succeeded and failed.
fn branches() -> Vec<EntryBody> {
    let won = Payload::from_json("{\"carrier\":\"b\"}");
    [
        ("join", 0, None),
        ("race", 2, Some(Ok(won))),
        ("race", 300, Some(Err(broken()))),
    ]
    .into_iter()
    .map(|(fork, branch, value)| {
        EntryBody::BranchEnded(BranchEnded {
            fork: step(fork),
            branch,
            value,
        })
    })
    .collect()
}

fn undone() -> Vec<EntryBody> {
    [Some(broken()), None]
        .into_iter()
        .map(|failure| {
            EntryBody::UndoStarted(UndoStarted {
                scope: step("trip"),
                failure,
            })
        })
        .collect()
}

fn continued() -> EntryBody {
    EntryBody::RunContinued(RunContinued { next: child() })
}

fn killed() -> EntryBody {
    EntryBody::RunKilled(RunKilled {
        reason: "runs away".to_owned(),
    })
}
