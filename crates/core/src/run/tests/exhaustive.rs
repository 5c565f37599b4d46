//! Every sequence of a few commands, and every entry after each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::guided::touching;
use super::laws::{
    ask, begun, boom, end, illegal_name, is_closed_for, obey, payload_of, refusal_name, reply_name,
    report, step, unknown,
};
use super::parse::{parse_address, parse_arrival, parse_run, parse_wait};
use super::script::the_run;
use crate::entry::{
    AttemptFailed, CancelRequested, ChildStarted, Entry, EntryBody, FailureClass, ParentClose,
    Patched, Paused, Quarantined, Recovered, Retried, RunCompleted, RunFailed, StepFailed,
    StepKind, StepSucceeded,
};
use crate::ids::{Seq, StepAddress, WorkflowName};
use crate::run::command::{ChildOutcome, Command, EndBranch, Ended, Mark, StartFork, StartWait};
use crate::run::state::RunState;
use crate::run::{Illegal, fold};
use crate::time::Timestamp;

/// How many commands that change something are put one behind another.
const DEPTH: usize = 4;

/// Milliseconds before a command: none, or, for a question, also more than the longest backoff.
const PAUSES_MS: [u64; 2] = [0, 10_000];

/// A journal and its state.
type Reached = (Vec<Entry>, RunState);

/// Commands about two steps, right and wrong ones.
fn alphabet() -> Vec<Command> {
    let (a, b) = (|| step("a"), || step("b"));
    let run = StepKind::Run;
    let mark = |step, attempt, alone| {
        Command::Recover(Mark {
            step,
            attempt,
            seq: Seq(99),
            alone,
        })
    };
    vec![
        ask(a(), run, 0),
        ask(a(), run, 1),
        ask(a(), StepKind::Random, 0),
        ask(b(), run, 1),
        report(a(), run, 1, Ok(payload_of(5))),
        report(a(), run, 2, Ok(payload_of(5))),
        report(a(), run, 1, Err(boom(FailureClass::Retryable))),
        report(a(), run, 2, Err(boom(FailureClass::Terminal))),
        report(b(), run, 1, Ok(payload_of(6))),
        report(a(), StepKind::Random, 1, Ok(payload_of(5))),
        mark(Some((a(), run)), 1, true),
        mark(Some((a(), run)), 2, true),
        mark(Some((b(), run)), 1, false),
        mark(None, 1, true),
        end(Ended::Returned(payload_of(4)), 0),
        end(Ended::Returned(payload_of(4)), 1),
        end(Ended::Failed(boom(FailureClass::Panicked)), 0),
        end(Ended::Failed(boom(FailureClass::Terminal)), 1),
        Command::RequestCancel {
            reason: "enough".to_owned(),
        },
        Command::ConcludeCancel,
        Command::Quarantine(unknown()),
        Command::Resume,
        patch(0),
        patch(1),
        pause(),
        retry(),
    ]
}

fn patch(position: usize) -> Command {
    Command::Patch {
        branch: std::sync::Arc::from(""),
        patch: "new-way".to_owned(),
        position,
    }
}

fn pause() -> Command {
    Command::Pause {
        reason: "wait".to_owned(),
    }
}

fn retry() -> Command {
    Command::Retry {
        reason: "mended".to_owned(),
    }
}

/// Commands about a race, a scope in one of its branches, and waits of every kind.
fn forking_alphabet() -> Vec<Command> {
    let mut commands = forks();
    commands.extend(waits());
    commands.extend([
        Command::RequestCancel {
            reason: "enough".to_owned(),
        },
        Command::ConcludeCancel,
        Command::Kill {
            reason: "at once".to_owned(),
        },
        Command::Expire,
        Command::Continue {
            next: parse_run("9"),
            passed: 1,
        },
        Command::Quarantine(unknown()),
        Command::Resume,
        patch(0),
        pause(),
        retry(),
    ]);
    commands
}

fn forks() -> Vec<Command> {
    let (race, trip) = (step("r"), parse_address("r/1/s"));
    let end = |fork: &StepAddress, passed, value| {
        Command::EndBranch(EndBranch {
            fork: fork.clone(),
            branch: 0,
            passed,
            value,
        })
    };
    let fork = |step: &StepAddress, kind, branches| {
        Command::StartFork(StartFork {
            step: step.clone(),
            kind,
            position: 0,
            branches,
            limit: 2,
        })
    };
    let undo = |failed: Option<usize>| Command::StartUndo {
        scope: trip.clone(),
        failed: failed.map(|passed| (boom(FailureClass::Terminal), passed)),
    };
    let undone = parse_address("r/1/s/undo/u");
    vec![
        fork(&race, StepKind::Race, 2),
        fork(&race, StepKind::Race, 3),
        fork(&trip, StepKind::Scope, 1),
        undo(None),
        undo(Some(0)),
        report(undone, StepKind::Undo, 1, Ok(payload_of(3))),
        end(&trip, 0, None),
        end(&race, 0, Some(Ok(payload_of(5)))),
        end(&race, 1, Some(Err(boom(FailureClass::Terminal)))),
    ]
}

fn waits() -> Vec<Command> {
    let wait = |at: &str, on: &str, until| {
        Command::StartWait(StartWait {
            step: parse_address(at),
            on: parse_wait(on).0,
            until,
            found: Vec::new(),
        })
    };
    let judge = |accepted| Command::Judge {
        step: parse_address("r/0/w"),
        accepted,
    };
    let later = Some(Timestamp::from_ms(5_000));
    vec![
        wait("r/0/w", "judged order/paid", later),
        ask(parse_address("r/0/w"), StepKind::WaitFor, 0),
        Command::Deliver(parse_arrival("e4 order/paid 1")),
        judge(true),
        judge(false),
        wait("r/1/s/0/w", "event order/paid", None),
        wait("w", "signal approve", later),
        ask(step("w"), StepKind::Signal, 0),
        Command::Signal {
            name: "approve".to_owned(),
            data: payload_of(4),
        },
        Command::StartChild(ChildStarted {
            step: step("c"),
            run: parse_run("3"),
            workflow: WorkflowName::new("pack"),
            detached: false,
            close: ParentClose::Cancel,
        }),
        Command::ChildEnded {
            run: parse_run("3"),
            outcome: ChildOutcome::Cancelled,
        },
    ]
}

fn paused(commands: Vec<Command>) -> impl Iterator<Item = (Command, u64)> {
    commands.into_iter().flat_map(|command| {
        let pauses = match command {
            Command::StartStep(_) | Command::Resume | Command::Retry { .. } => PAUSES_MS.as_slice(),
            Command::FinishStep(_)
            | Command::StartWait(_)
            | Command::Deliver(_)
            | Command::Judge { .. }
            | Command::Signal { .. }
            | Command::StartChild(_)
            | Command::ChildEnded { .. }
            | Command::StartFork(_)
            | Command::EndBranch(_)
            | Command::StartUndo { .. }
            | Command::Continue { .. }
            | Command::Expire
            | Command::Recover(_)
            | Command::FinishRun { .. }
            | Command::RequestCancel { .. }
            | Command::Kill { .. }
            | Command::ConcludeCancel
            | Command::Pause { .. }
            | Command::Patch { .. }
            | Command::Quarantine(_) => &PAUSES_MS[..1],
        };
        pauses.iter().map(move |ms| (command.clone(), *ms))
    })
}

/// Every state that `depth` commands of the alphabet can lead to, each once, with one journal that
/// leads there, every law held on the way. `met` is told of each answer.
fn explore(
    alphabet: &[Command],
    depth: usize,
    mut met: impl FnMut(&'static str, Option<&Entry>),
) -> Vec<Reached> {
    let mut seen = BTreeSet::new();
    let mut reached = vec![begun()];
    let mut edge = 0;
    for _ in 0..depth {
        let end = reached.len();
        for at in edge..end {
            let (journal, state) = reached[at].clone();
            for (command, pause_ms) in paused(alphabet.to_vec()) {
                let now = Timestamp::from_ms(state.changed_at.as_ms() + pause_ms);
                let (mut journal, mut state) = (journal.clone(), state.clone());
                match obey(&mut journal, &mut state, command, now) {
                    Err(refusal) => met(refusal_name(&refusal), None),
                    Ok(decision) => {
                        met(reply_name(&decision.reply), None);
                        for entry in &decision.entries {
                            met("entry", Some(entry));
                        }
                        if !decision.entries.is_empty() && seen.insert(format!("{state:?}")) {
                            reached.push((journal, state));
                        }
                    }
                }
            }
        }
        edge = end;
    }
    reached
}

#[test]
fn every_short_script_obeys_the_laws_and_meets_every_answer() {
    let mut answers = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    explore(&alphabet(), DEPTH, |answer, entry| {
        answers.insert(answer);
        if let Some(entry) = entry {
            kinds.insert(crate::envelope::encode_block(std::slice::from_ref(entry)).unwrap()[0]);
        }
    });
    let expected = [
        "Accepted",
        "AlreadyRecorded",
        "Cancelling",
        "Ended",
        "Execute",
        "Hold",
        "KindDiffers",
        "LeftOpen",
        "NotCancelling",
        "NotHeld",
        "NothingToRetry",
        "Park",
        "Patched",
        "Quarantined",
        "Recorded",
        "StaleAttempt",
        "Stop",
        "entry",
    ];
    assert_eq!(answers, BTreeSet::from(expected));
    // Only the first entry, which a command never gives, is missing.
    assert_eq!(kinds, (2..=11).chain(24..=26).collect());
}

#[test]
fn every_short_script_of_waits_and_forks_obeys_the_laws_and_meets_every_answer() {
    let mut answers = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    explore(&forking_alphabet(), DEPTH, |answer, entry| {
        answers.insert(answer);
        if let Some(entry) = entry {
            kinds.insert(crate::envelope::encode_block(std::slice::from_ref(entry)).unwrap()[0]);
        }
    });
    let expected = [
        "Accepted",
        "AlreadyRecorded",
        "Cancelling",
        "Ended",
        "Execute",
        "Fork",
        "Hold",
        "Judge",
        "LeftOpen",
        "NotCancelling",
        "NotHeld",
        "NothingToRetry",
        "Patched",
        "Quarantined",
        "Recorded",
        "StandsElsewhere",
        "Stop",
        "Wait",
        "entry",
    ];
    assert_eq!(answers, BTreeSet::from(expected));
    // Every kind but the first, and those that are about attempts and the end of code.
    let others = [4, 5, 7, 8, 26];
    let expected = (2..=26).filter(|kind| !others.contains(kind));
    assert_eq!(kinds, expected.collect());
}

fn by_people() -> Vec<EntryBody> {
    let retried = |steps| {
        EntryBody::Retried(Retried {
            reason: "mended".to_owned(),
            steps,
        })
    };
    vec![
        EntryBody::Paused(Paused {
            reason: "wait".to_owned(),
        }),
        EntryBody::Patched(Patched {
            branch: std::sync::Arc::from(""),
            patch: "new-way".to_owned(),
        }),
        retried(Vec::new()),
        retried(vec![step("a")]),
        retried(vec![step("b")]),
    ]
}

/// Bodies that fit some state and not others, whatever that state is.
fn bodies(at: Timestamp) -> Vec<EntryBody> {
    let soon = Timestamp::from_ms(at.as_ms() + 500);
    let past = Timestamp::from_ms(at.as_ms().saturating_sub(1));
    let (started, _) = begun();
    let mut bodies = vec![
        started[0].body.clone(),
        EntryBody::CancelRequested(CancelRequested {
            reason: "enough".to_owned(),
        }),
        EntryBody::RunCompleted(RunCompleted {
            output: payload_of(9),
        }),
        EntryBody::RunFailed(RunFailed {
            failure: boom(FailureClass::Terminal),
        }),
        EntryBody::RunCancelled,
        EntryBody::Quarantined(Quarantined { reason: unknown() }),
        EntryBody::Resumed,
    ];
    bodies.extend(by_people());
    for attempt in 0..=4 {
        bodies.push(EntryBody::Recovered(Recovered {
            step: None,
            attempt,
            alone: true,
        }));
        for retry_at in [soon, past] {
            bodies.push(EntryBody::AttemptFailed(AttemptFailed {
                attempt,
                failure: boom(FailureClass::Retryable),
                retry_at,
            }));
        }
    }
    for (name, kind, attempt) in [
        ("a", StepKind::Run, 1),
        ("a", StepKind::Run, 2),
        ("a", StepKind::Run, 3),
        ("a", StepKind::Transaction, 1),
        ("b", StepKind::Run, 1),
        ("b", StepKind::Run, 2),
        ("c", StepKind::Ulid, 0),
    ] {
        bodies.push(EntryBody::StepSucceeded(StepSucceeded {
            step: step(name),
            kind,
            attempt,
            output: payload_of(7),
            database: None,
        }));
        bodies.push(EntryBody::Recovered(Recovered {
            step: Some((step(name), kind)),
            attempt,
            alone: false,
        }));
        for retry_at in [Some(soon), Some(past), None] {
            bodies.push(EntryBody::StepFailed(StepFailed {
                step: step(name),
                kind,
                attempt,
                failure: boom(FailureClass::Retryable),
                retry_at,
            }));
        }
    }
    bodies
}

#[test]
fn every_entry_no_command_gives_is_refused_by_name() {
    let mut met: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut note = |illegal: &Illegal| {
        met.entry(illegal_name(illegal))
            .or_insert_with(|| illegal.to_string());
    };
    for (_, state) in explore(&alphabet(), DEPTH - 1, |_, _| {}) {
        let now = state.changed_at;
        let before = Timestamp::from_ms(now.as_ms().saturating_sub(1));
        let next = state.next_seq.0;
        let cases = bodies(now).into_iter().map(|body| (next, now, body));
        let misplaced = [(next - 1, now), (next + 1, now), (next, before)];
        let misplaced = misplaced.map(|(seq, at)| (seq, at, EntryBody::Resumed));
        for (seq, at, body) in cases.chain(misplaced) {
            let seq = Seq(seq);
            if let Err(illegal) = is_closed_for(&state, &Entry { seq, at, body }) {
                note(&illegal);
            }
        }
    }
    note(&fold(the_run(), []).unwrap_err());
    let (journal, _) = begun();
    let mut resumed = journal[0].clone();
    resumed.body = EntryBody::Resumed;
    note(&fold(the_run(), [&resumed]).unwrap_err());
    let mut text = String::new();
    for (name, message) in met {
        text.push_str(&format!("{name}: {message}\n"));
    }
    expect_test::expect![[r#"
        AfterEnd: entry 2 follows the end of the run, which is completed
        AttemptOutOfOrder: entry 1 is about attempt 2 of step a, attempt 1 is due
        BackInTime: entry 2 goes back in time, from 10000ms to 9999ms
        CancelledTwice: entry 2 asks again for a cancellation asked for before
        Empty: journal has no entries
        FailureOutOfOrder: entry 1 is failure 0 of workflow code, failure 1 is due
        KindDiffers: entry 2 records step a as another kind of call than before
        LeftOpen: entry 2 goes past step a, which has no result yet
        NotStarted: first entry is not the start of the run
        NothingToConclude: entry 1 concludes something that never began
        OutOfSequence: entry 0 follows where entry 1 belongs
        RecordedTwice: entry 2 records step a a second time
        StartedTwice: run is started again at entry 1
        WhileCancelling: entry 2 ends a run that is being cancelled in another way
        WhilePaused: entry 2 goes on with a paused run
        WhileQuarantined: entry 2 changes a quarantined run
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_journal_that_begins_at_another_number_is_refused() {
    let (mut journal, _) = begun();
    journal[0].seq = Seq(4);
    let refused = fold(the_run(), &journal).unwrap_err();
    assert_eq!(refused.to_string(), "entry 4 follows where entry 0 belongs");
}

#[test]
fn every_entry_about_waits_and_forks_that_no_command_gives_is_refused_by_name() {
    let mut met: BTreeMap<&'static str, String> = BTreeMap::new();
    for (_, state) in explore(&forking_alphabet(), DEPTH - 1, |_, _| {}) {
        let (seq, at) = (state.next_seq, state.changed_at);
        let places = 0..state.steps.len().max(1) as u8;
        let draws = (0..14_u8).flat_map(|what| places.clone().map(move |place| (what, place)));
        for (what, place) in draws {
            for particulars in 0..6_u8 {
                let draw = (what, place, particulars % 2, particulars / 2 + 3);
                let body = touching(&state, draw);
                if let Err(illegal) = is_closed_for(&state, &Entry { seq, at, body }) {
                    let name = illegal_name(&illegal);
                    met.entry(name).or_insert_with(|| illegal.to_string());
                }
            }
        }
    }
    let text: String = met
        .into_iter()
        .map(|(name, message)| format!("{name}: {message}\n"))
        .collect();
    expect_test::expect![[r#"
        AfterEnd: entry 2 follows the end of the run, which is cancelled
        EventTwice: entry 4 gives event e4 to the run a second time
        LeftOpen: entry 2 goes past step r, which has no result yet
        NotUnderWay: entry 2 is about step a, on a branch that is not under way
        RecordedTwice: entry 3 records step r a second time
        StandsElsewhere: entry 1 does not fit what step a stands at
        WhileCancelling: entry 2 ends a run that is being cancelled in another way
        WhilePaused: entry 2 goes on with a paused run
        WhileQuarantined: entry 2 changes a quarantined run
    "#]]
    .assert_eq(&text);
}
