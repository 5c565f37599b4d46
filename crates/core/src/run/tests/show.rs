//! What comes of a script, as text.

use crate::entry::{
    BranchEnded, Entry, EntryBody, Failure, Recovered, StepFailed, StepSucceeded, WaitOn,
    WaitStarted,
};
use crate::ids::{RunId, StepAddress};
use crate::payload::Payload;
use crate::run::command::{ChildOutcome, Reply};
use crate::run::state::StepOutcome;
use crate::run::{Next, Outward};
use crate::time::Timestamp;

fn listed(steps: &[StepAddress]) -> String {
    let steps: Vec<_> = steps.iter().map(ToString::to_string).collect();
    steps.join(", ")
}

pub(super) fn show_entry(entry: &Entry) -> String {
    format!("{} @{} {}", entry.seq, entry.at, show_body(&entry.body))
}

fn show_intervention(body: &EntryBody) -> String {
    if let EntryBody::Patched(fields) = body {
        return format!("patched {:?} {}", fields.branch, fields.patch);
    }
    if let EntryBody::Paused(fields) = body {
        return format!("paused: {}", fields.reason);
    }
    if let EntryBody::Quarantined(fields) = body {
        return format!("quarantined: {}", fields.reason);
    }
    if let EntryBody::CancelRequested(fields) = body {
        return format!("cancel requested: {}", fields.reason);
    }
    if let EntryBody::RunKilled(fields) = body {
        return format!("run killed: {}", fields.reason);
    }
    let EntryBody::Retried(fields) = body else {
        return String::new();
    };
    format!("retried {}: {}", listed(&fields.steps), fields.reason)
}

fn show_body(body: &EntryBody) -> String {
    match body {
        EntryBody::RunStarted(fields) => format!("run started, workflow {}", fields.workflow),
        EntryBody::StepSucceeded(fields) => show_success(fields),
        EntryBody::StepFailed(fields) => show_step_failure(fields),
        EntryBody::Recovered(fields) => show_recovery(fields),
        EntryBody::AttemptFailed(fields) => format!(
            "failure {} of workflow code, again at {}: {}",
            fields.attempt,
            fields.retry_at,
            show_failure(&fields.failure)
        ),
        EntryBody::RunCompleted(fields) => {
            format!("run completed: {}", show_payload(&fields.output))
        }
        EntryBody::RunFailed(fields) => format!("run failed: {}", show_failure(&fields.failure)),
        EntryBody::RunCancelled => "run cancelled".to_owned(),
        EntryBody::Resumed => "resumed".to_owned(),
        EntryBody::WaitStarted(fields) => show_wait(fields),
        EntryBody::WaitTimedOut(fields) => format!("{} timed out", fields.step),
        EntryBody::EventOffered(fields) => format!(
            "{} is offered {}: {}",
            fields.step,
            fields.event,
            show_payload(&fields.data)
        ),
        EntryBody::EventReceived(fields) => {
            let data = fields.data.as_ref().map(show_payload);
            let data = data.map_or_else(String::new, |data| format!(": {data}"));
            format!("{} received {}{data}", fields.step, fields.event)
        }
        EntryBody::EventRejected(fields) => format!("{} rejected {}", fields.step, fields.event),
        EntryBody::SignalReceived(fields) => {
            format!("signal {}: {}", fields.name, show_payload(&fields.data))
        }
        EntryBody::ChildStarted(fields) => format!(
            "{} started {} as run {}{}, on close {}",
            fields.step,
            fields.workflow,
            show_run(fields.run),
            if fields.detached { ", detached" } else { "" },
            fields.close.word()
        ),
        EntryBody::ForkStarted(fields) => format!(
            "{} {} of {} branches, {} at a time",
            fields.kind.word(),
            fields.step,
            fields.branches,
            fields.limit
        ),
        EntryBody::BranchEnded(fields) => show_branch_end(fields),
        EntryBody::UndoStarted(fields) => {
            let why = match &fields.failure {
                Some(failure) => format!(" after {}", show_failure(failure)),
                None => String::new(),
            };
            format!("{} begins to undo{why}", fields.scope)
        }
        EntryBody::RunContinued(fields) => format!("run continued as {}", show_run(fields.next)),
        EntryBody::CancelRequested(_)
        | EntryBody::Quarantined(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_)
        | EntryBody::RunKilled(_) => show_intervention(body),
    }
}

fn show_recovery(fields: &Recovered) -> String {
    let what = match &fields.step {
        Some((step, kind)) => format!("{} {step}", kind.word()),
        None => "workflow code".to_owned(),
    };
    let alone = if fields.alone { ", alone" } else { "" };
    format!("recovered {what} attempt {}{alone}", fields.attempt)
}

fn show_branch_end(fields: &BranchEnded) -> String {
    let value = match &fields.value {
        Some(Ok(output)) => format!(" and won: {}", show_payload(output)),
        Some(Err(failure)) => format!(" and won: {}", show_failure(failure)),
        None => String::new(),
    };
    format!("branch {} of {} ended{value}", fields.branch, fields.fork)
}

fn show_success(fields: &StepSucceeded) -> String {
    let database = match &fields.database {
        Some(database) => format!(" in {database}"),
        None => String::new(),
    };
    format!(
        "{} {} attempt {} succeeded{database}: {}",
        fields.kind.word(),
        fields.step,
        fields.attempt,
        show_payload(&fields.output)
    )
}

fn show_step_failure(fields: &StepFailed) -> String {
    format!(
        "{} {} attempt {} failed, {}: {}",
        fields.kind.word(),
        fields.step,
        fields.attempt,
        match fields.retry_at {
            Some(at) => format!("again at {at}"),
            None => "for good".to_owned(),
        },
        show_failure(&fields.failure)
    )
}

fn show_wait(fields: &WaitStarted) -> String {
    let on = match &fields.on {
        WaitOn::Until => String::new(),
        WaitOn::Event { awaited, judged } => format!(
            " for {}event {} {:?}",
            if *judged { "judged " } else { "" },
            awaited.name,
            awaited.key
        ),
        WaitOn::Signal { name } => format!(" for signal {name}"),
    };
    let until = fields.until.map(|until| format!(" until {until}"));
    format!("{} waits{on}{}", fields.step, until.unwrap_or_default())
}

pub(super) fn show_reply(reply: &Reply) -> String {
    match reply {
        Reply::Recorded(StepOutcome::Succeeded(output)) => {
            format!("= recorded {}", show_payload(output))
        }
        Reply::Recorded(StepOutcome::Failed { failure, attempts }) => format!(
            "= recorded failure after {attempts} attempts: {}",
            show_failure(failure)
        ),
        Reply::Recorded(StepOutcome::TimedOut) => "= recorded as timed out".to_owned(),
        Reply::Execute { attempt } => format!("= execute attempt {attempt}"),
        Reply::Park { until } => format!("= park until {until}"),
        Reply::Wait { until: Some(until) } => format!("= wait until {until}"),
        Reply::Wait { until: None } => "= wait".to_owned(),
        Reply::Judge { data } => format!("= judge {}", show_payload(data)),
        Reply::Fork { limit, failed } => {
            let failed = failed.as_ref().map(show_failure);
            let failed = failed.map_or_else(String::new, |what| format!(", failed before: {what}"));
            format!("= fork, {limit} at a time{failed}")
        }
        Reply::Hold => "= hold".to_owned(),
        Reply::Patched(applies) => format!("= patched: {applies}"),
        Reply::Stop => "= stop".to_owned(),
        Reply::Accepted => "= accepted".to_owned(),
    }
}

pub(super) fn show_next(what: Next) -> String {
    match what {
        Next::Drive => "drive".to_owned(),
        Next::WakeAt(at) => format!("wake at {at}"),
        Next::Await => "await".to_owned(),
        Next::Expire => "expire".to_owned(),
        Next::Conclude => "conclude the cancellation".to_owned(),
        Next::Held => "held".to_owned(),
        Next::Done => "done".to_owned(),
    }
}

pub(super) fn show_outward(told: &Outward) -> String {
    match told {
        Outward::ChildEnded { parent, outcome } => {
            let outcome = match outcome {
                ChildOutcome::Completed(output) => format!("completed: {}", show_payload(output)),
                ChildOutcome::Failed(failure) => format!("failed: {}", show_failure(failure)),
                ChildOutcome::Cancelled => "cancelled".to_owned(),
            };
            let run = show_run(parent.run);
            format!("tell run {run} at {}: {outcome}", parent.step)
        }
        Outward::CancelChild { run, reason, kill } => {
            let verb = if *kill { "kill" } else { "cancel" };
            // The reason names the parent by its whole id.
            let (_, reason) = reason.split_at(reason.len().min("parent run ".len() + 27));
            format!("{verb} run {}: it {reason}", show_run(*run))
        }
    }
}

pub(super) fn show_failure(failure: &Failure) -> String {
    let step = match &failure.step {
        Some(step) => format!(" of step {step}"),
        None => String::new(),
    };
    format!("{}{step} {}", failure.class.word(), failure.message)
}

pub(super) fn show_payload(payload: &Payload) -> String {
    if payload.len() > 60 {
        return format!("{} bytes", payload.len());
    }
    payload.as_json().to_owned()
}

/// The small number a script knows another run by.
fn show_run(run: RunId) -> String {
    run.to_bytes()[0].to_string()
}

/// How the run stands, for the last line of a script.
pub(super) fn show_standing(status: crate::run::RunStatus, now: Timestamp, what: Next) -> String {
    format!("{status} at {now}: {}", show_next(what))
}
