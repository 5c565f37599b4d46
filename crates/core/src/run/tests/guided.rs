//! Commands that fit: drawn from numbers, but about steps and lines the run really has.
//!
//! Scripts of blind commands seldom get past a first fork. Here a number picks a line of the run
//! and another what happens on it, so that scripts go deep; wrong commands come from elsewhere.

use std::sync::Arc;

use super::laws::{ask, boom, end, payload_of, report, unknown};
use super::naive;
use crate::entry::{Awaited, ChildStarted, FailureClass, ParentClose, StepKind, WaitOn};
use crate::ids::{EventId, EventOrder, RunId, StepAddress, WorkflowName};
use crate::run::command::{
    Arrival, ChildOutcome, Command, EndBranch, Ended, Mark, StartFork, StartWait,
};
use crate::run::state::{Awaiting, RunState, StepProgress, StepState};
use crate::time::Timestamp;

/// Numbers a command is drawn from: what, where, and two for the particulars.
pub(super) type Draw = (u8, u8, u8, u8);

/// The command that `draw` comes to for a run in `state`.
pub(super) fn guided(state: &RunState, draw: Draw) -> Command {
    let (what, place, one, other) = draw;
    if state.quarantined.is_some() && !what.is_multiple_of(4) {
        return Command::Resume;
    }
    if what < 60 {
        return from_outside(state, what, one, other);
    }
    let lines = naive::lines(state);
    // Lines lie deeper the later they come: half of the time one of the last.
    let place = usize::from(place);
    let line = match place % 2 {
        0 => &lines[place / 2 % lines.len()],
        _ => &lines[lines.len() - 1 - place / 2 % lines.len().min(3)],
    };
    let steps = state.lines.steps(line);
    let last = steps.last().map(|last| (last, &state.steps[last]));
    match last {
        Some((last, step)) if !matches!(step.progress, StepProgress::Done(_)) => {
            on_open(state, last, step, steps.len() - 1, one, other)
        }
        Some(_) | None if what < 110 => end_of(state, line, one),
        Some(_) | None => begun_on(line, steps, one, other),
    }
}

fn from_outside(state: &RunState, what: u8, one: u8, other: u8) -> Command {
    match what {
        0 => Command::RequestCancel {
            reason: "enough".to_owned(),
        },
        1 if one < 25 => Command::Kill {
            reason: "at once".to_owned(),
        },
        2 if one < 100 => Command::Quarantine(unknown()),
        3 => Command::Expire,
        4 => Command::Recover(Mark {
            step: None,
            attempt: 1,
            seq: state.next_seq,
            alone: one > 100,
        }),
        5 => end(
            Ended::Failed(boom(FailureClass::Panicked)),
            usize::from(one) % 3,
        ),
        6 if state.cancel.is_some() => Command::ConcludeCancel,
        7 if one < 120 => {
            let passed = state.lines.steps("").len();
            match one % 3 {
                0 => end(Ended::Returned(payload_of(4)), passed),
                1 => end(Ended::Failed(boom(FailureClass::Terminal)), passed),
                _ => Command::Continue {
                    next: RunId::from_bytes([9; 16]),
                    passed,
                },
            }
        }
        8..=24 => Command::Signal {
            name: name(one),
            data: payload_of(2 + usize::from(other % 9)),
        },
        25..=34 => Command::ChildEnded {
            run: child(one),
            outcome: child_outcome(other),
        },
        _ => Command::Deliver(arrival(one, other)),
    }
}

fn name(from: u8) -> String {
    ["x", "y"][usize::from(from % 2)].to_owned()
}

fn awaited(from: u8) -> Awaited {
    let key = String::new();
    let name = name(from);
    Awaited { name, key }
}

/// Few enough events that each comes more than once, the one that started the run among them.
fn arrival(one: u8, other: u8) -> Arrival {
    let number = u64::from(other % 12);
    Arrival {
        event: match number {
            0 => EventId::new("order-1"),
            number => EventId::new(format!("e{number}")),
        },
        order: EventOrder { opening: 1, number },
        // An event has one name: its number says which.
        awaited: awaited(other % 12 + u8::from(one == 7)),
        data: payload_of(2 + usize::from(other % 12)),
    }
}

fn child(from: u8) -> RunId {
    RunId::from_bytes([from % 8; 16])
}

fn child_outcome(from: u8) -> ChildOutcome {
    match from % 3 {
        0 => ChildOutcome::Completed(payload_of(5)),
        1 => ChildOutcome::Failed(boom(FailureClass::Terminal)),
        _ => ChildOutcome::Cancelled,
    }
}

/// The next use of a name on `line`.
fn fresh(line: &Arc<str>, steps: &[StepAddress], from: u8) -> StepAddress {
    let name = ["a", "b"][usize::from(from % 2)];
    let uses = steps.iter().filter(|step| &*step.name == name).count();
    StepAddress {
        branch: line.clone(),
        ..StepAddress::root(name, uses as u32 + 1).unwrap()
    }
}

fn begun_on(line: &Arc<str>, steps: &[StepAddress], one: u8, other: u8) -> Command {
    let step = fresh(line, steps, other);
    let until = (!other.is_multiple_of(3)).then(|| Timestamp::from_ms(u64::from(other) * 40));
    let wait = |on, until, found| {
        Command::StartWait(StartWait {
            step: step.clone(),
            on,
            until,
            found,
        })
    };
    let fork = |kind, branches, limit| {
        Command::StartFork(StartFork {
            step: step.clone(),
            kind,
            position: steps.len(),
            branches,
            limit,
        })
    };
    match one % 16 {
        0 => ask(step, StepKind::Run, steps.len()),
        1 | 2 => report(step, StepKind::Run, 1, Ok(payload_of(3))),
        3 => report(step, StepKind::Undo, 1, Err(boom(FailureClass::Retryable))),
        4 => wait(WaitOn::Until, until, Vec::new()),
        5 => wait(WaitOn::Signal { name: name(other) }, until, Vec::new()),
        6 | 7 => {
            let awaited = awaited(other);
            let judged = other % 5 < 3;
            let found = (0..other % 4).map(|nth| arrival(0, other.wrapping_add(nth)));
            let found = found.collect();
            wait(WaitOn::Event { awaited, judged }, until, found)
        }
        8 | 9 => Command::StartChild(ChildStarted {
            step: step.clone(),
            run: child(other),
            workflow: WorkflowName::new("pack"),
            detached: other.is_multiple_of(4),
            close: match other % 3 {
                0 => ParentClose::Abandon,
                _ => ParentClose::Cancel,
            },
        }),
        10 | 11 => fork(StepKind::Race, u32::from(other % 3) + 1, 3),
        12 => fork(
            StepKind::Map,
            u32::from(other % 4),
            u32::from(other % 2) + 1,
        ),
        13 => fork(StepKind::Join, 2, 2),
        _ => fork(StepKind::Scope, 1, 1),
    }
}

fn on_open(
    state: &RunState,
    address: &StepAddress,
    step: &StepState,
    position: usize,
    one: u8,
    other: u8,
) -> Command {
    let again = || ask(address.clone(), step.kind, position);
    match &step.progress {
        StepProgress::Open { .. } => {
            let attempt = step.next_attempt();
            let result = match one % 4 {
                0 => return again(),
                1 => {
                    return Command::Recover(Mark {
                        step: Some((address.clone(), step.kind)),
                        attempt,
                        seq: state.next_seq,
                        alone: other > 100,
                    });
                }
                2 => Err(boom(FailureClass::Retryable)),
                _ => Ok(payload_of(6)),
            };
            report(address.clone(), step.kind, attempt, result)
        }
        StepProgress::Waiting(wait) if wait.offered.is_some() && !one.is_multiple_of(4) => {
            Command::Judge {
                step: address.clone(),
                accepted: one % 4 == 1,
            }
        }
        StepProgress::Waiting(wait) => match &wait.on {
            Awaiting::On(on) if wait.look => Command::StartWait(StartWait {
                step: address.clone(),
                on: on.clone(),
                until: wait.until,
                found: (0..one % 3)
                    .map(|nth| arrival(0, other.wrapping_add(nth)))
                    .collect(),
            }),
            Awaiting::Child(run) if one.is_multiple_of(2) => Command::ChildEnded {
                run: *run,
                outcome: child_outcome(other),
            },
            Awaiting::On(_) | Awaiting::Child(_) => again(),
        },
        StepProgress::Forked(fork) if step.kind == StepKind::Scope && one.is_multiple_of(2) => {
            let passed = state.lines.steps(&address.branch_path(0)).len();
            let failed = (other.is_multiple_of(2)).then(|| (boom(FailureClass::Terminal), passed));
            let undo = Command::StartUndo {
                scope: address.clone(),
                failed,
            };
            match fork.undoing {
                true => end_of(state, &address.undo_path(), other),
                false => undo,
            }
        }
        StepProgress::Forked(fork) => {
            let branch = u32::from(other) % fork.shape.branches.max(1);
            end_of(state, &address.branch_path(branch), other)
        }
        StepProgress::Done(_) => again(),
    }
}

/// The end of a branch, or of the run.
fn end_of(state: &RunState, line: &Arc<str>, one: u8) -> Command {
    let passed = state.lines.steps(line).len();
    let Some((fork, branch)) = line.rsplit_once('/') else {
        let step = fresh(line, state.lines.steps(line), one);
        return ask(step, StepKind::Run, passed);
    };
    let fork = super::parse::parse_address(fork);
    let race = state.steps.get(&fork).map(|step| step.kind) == Some(StepKind::Race);
    let value = || match one % 3 {
        0 => Err(boom(FailureClass::Terminal)),
        _ => Ok(payload_of(7)),
    };
    Command::EndBranch(EndBranch {
        fork,
        branch: branch.parse().unwrap_or(0),
        passed,
        value: race.then(value),
    })
}

/// Bodies of entries about what the run has, most of which do not fit.
pub(super) fn touching(state: &RunState, draw: Draw) -> crate::entry::EntryBody {
    use crate::entry::*;
    let (what, place, one, other) = draw;
    let known: Vec<&StepAddress> = state.steps.keys().collect();
    let step = match known.is_empty() {
        true => super::laws::step("a"),
        false => known[usize::from(place) % known.len()].clone(),
    };
    let known = state.steps.get(&step);
    let kind = known.map_or(StepKind::Run, |known| known.kind);
    let attempt = known.map_or(1, |known| known.next_attempt());
    let event = arrival(one, other).event;
    let data = payload_of(2 + usize::from(other % 9));
    match what % 14 {
        0 => EntryBody::StepSucceeded(StepSucceeded {
            step,
            kind,
            attempt,
            output: data,
            database: None,
        }),
        1 | 2 => EntryBody::StepFailed(StepFailed {
            step,
            kind,
            attempt,
            failure: boom(FailureClass::Retryable),
            retry_at: (what % 14 == 1).then(|| Timestamp::from_ms(state.changed_at.as_ms() + 50)),
        }),
        3 => EntryBody::Recovered(Recovered {
            step: Some((step, kind)),
            attempt,
            alone: other > 100,
        }),
        4 => EntryBody::WaitTimedOut(WaitTimedOut { step }),
        5 => EntryBody::EventOffered(EventOffered { step, event, data }),
        6 => EntryBody::EventReceived(EventReceived {
            step,
            event,
            data: (one.is_multiple_of(2)).then_some(data),
        }),
        7 => EntryBody::EventRejected(EventRejected { step, event }),
        8 => EntryBody::BranchEnded(BranchEnded {
            fork: step,
            branch: u32::from(other % 3),
            value: (one.is_multiple_of(2)).then_some(Ok(data)),
        }),
        9 => EntryBody::UndoStarted(UndoStarted {
            scope: step,
            failure: (one.is_multiple_of(2)).then(|| boom(FailureClass::Terminal)),
        }),
        10 => EntryBody::ForkStarted(ForkStarted {
            step: fresh(&step.branch, state.lines.steps(&step.branch), one),
            kind: super::parse::KINDS[usize::from(other) % 17],
            branches: u32::from(one % 3),
            limit: u32::from(other % 3),
        }),
        11 => EntryBody::RunFailed(RunFailed {
            failure: boom(FailureClass::Panicked),
        }),
        12 => EntryBody::RunContinued(RunContinued {
            next: RunId::from_bytes([9; 16]),
        }),
        _ => EntryBody::WaitStarted(WaitStarted {
            step: fresh(&step.branch, state.lines.steps(&step.branch), one),
            on: WaitOn::Signal { name: name(other) },
            until: None,
        }),
    }
}
