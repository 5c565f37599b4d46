//! Long scripts nobody would write, and journals nobody wrote.

use std::sync::Arc;

use proptest::prelude::*;

use super::guided::{Draw, guided, touching};
use super::laws::{begun, is_closed_for, obey, payload_of, policy, unknown};
use super::script::the_run;
use crate::entry::{
    AttemptFailed, CancelRequested, Entry, EntryBody, Failure, FailureClass, Quarantined,
    Recovered, RunCompleted, RunFailed, StepFailed, StepKind, StepSucceeded,
};
use crate::ids::{Seq, StepAddress};
use crate::run::command::{Command, Ended, FinishStep, Mark, StartStep};
use crate::run::state::RunState;
use crate::run::{Illegal, fold};
use crate::time::Timestamp;

/// Few enough steps that scripts keep meeting the same ones.
fn steps() -> impl Strategy<Value = StepAddress> {
    let names = prop::sample::select(vec!["a", "b", "c"]);
    let branches = prop::sample::select(vec!["", "", "left"]);
    (names, branches, 1..3_u32).prop_map(|(name, branch, nth)| StepAddress {
        branch: Arc::from(branch),
        ..StepAddress::root(name, nth).unwrap()
    })
}

fn kinds() -> impl Strategy<Value = StepKind> {
    prop_oneof![
        8 => Just(StepKind::Run),
        1 => Just(StepKind::Transaction),
        1 => Just(StepKind::Now),
    ]
}

fn classes() -> impl Strategy<Value = FailureClass> {
    prop_oneof![
        Just(FailureClass::Retryable),
        Just(FailureClass::Terminal),
        Just(FailureClass::TimedOut),
        Just(FailureClass::Panicked),
        (0..5_000_u64).prop_map(|delay_ms| FailureClass::RetryAfter { delay_ms }),
    ]
}

fn failures() -> impl Strategy<Value = Failure> {
    let spent = prop::option::weighted(0.2, steps());
    (classes(), "[a-z]{0,12}", spent).prop_map(|(class, message, step)| Failure {
        step,
        ..Failure::new(class, message)
    })
}

fn commands() -> impl Strategy<Value = Command> {
    let ask = (steps(), kinds(), 0..4_usize).prop_map(|(step, kind, position)| {
        Command::StartStep(StartStep {
            step,
            kind,
            position,
            subject: None,
        })
    });
    let result = prop_oneof![
        (2..40_usize).prop_map(|bytes| Ok(payload_of(bytes))),
        failures().prop_map(Err),
    ];
    let finish = (steps(), kinds(), 1..4_u32, result, 1..6_u32).prop_map(
        |(step, kind, attempt, result, attempts_max)| {
            Command::FinishStep(FinishStep {
                step,
                kind,
                attempt,
                result,
                policy: policy(attempts_max),
                database: None,
            })
        },
    );
    let mark = (
        prop::option::of((steps(), kinds())),
        1..4_u32,
        0..40_u64,
        any::<bool>(),
    )
        .prop_map(|(step, attempt, seq, alone)| {
            Command::Recover(Mark {
                step,
                attempt,
                seq: Seq(seq),
                alone,
            })
        });
    let ended = prop_oneof![
        (2..9_usize).prop_map(|bytes| Ended::Returned(payload_of(bytes))),
        failures().prop_map(Ended::Failed),
    ];
    let end = (ended, 0..4_usize, 1..6_u32).prop_map(|(ended, passed, attempts_max)| {
        Command::FinishRun {
            ended,
            passed,
            policy: policy(attempts_max),
        }
    });
    let cancel = Just(Command::RequestCancel {
        reason: "enough".to_owned(),
    });
    prop_oneof![
        8 => ask,
        12 => finish,
        4 => mark,
        3 => end,
        1 => cancel,
        1 => Just(Command::ConcludeCancel),
        1 => Just(Command::Quarantine(unknown())),
        3 => Just(Command::Resume),
        1 => (0..3_usize).prop_map(patch),
        1 => Just(Command::Pause { reason: "wait".to_owned() }),
        3 => Just(Command::Retry { reason: "mended".to_owned() }),
    ]
}

fn patch(position: usize) -> Command {
    Command::Patch {
        branch: Arc::from(""),
        patch: "new-way".to_owned(),
        position,
    }
}

/// A clock that mostly goes on and sometimes jumps back.
fn jumps() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..3_000_i64, 1 => 0..200_000_i64, 1 => -5_000..0_i64]
}

fn scripts() -> impl Strategy<Value = Vec<(Command, i64)>> {
    prop::collection::vec((commands(), jumps()), 0..40)
}

/// Entries of every kind, most of which fit nowhere.
fn bodies() -> impl Strategy<Value = EntryBody> {
    let output = || (2..40_usize).prop_map(payload_of);
    // Instants relative to the entry are set where the entry is placed.
    let due = || prop::option::of((0..4_000_u64).prop_map(Timestamp::from_ms));
    let plain = || "[a-z]{0,9}".prop_map(|message| Failure::new(FailureClass::Retryable, message));
    prop_oneof![
        6 => (steps(), kinds(), 1..4_u32, output()).prop_map(|(step, kind, attempt, output)| {
            EntryBody::StepSucceeded(StepSucceeded { step, kind, attempt, output, database: None })
        }),
        6 => (steps(), kinds(), 1..4_u32, plain(), due()).prop_map(
            |(step, kind, attempt, failure, retry_at)| {
                EntryBody::StepFailed(StepFailed { step, kind, attempt, failure, retry_at })
            }
        ),
        3 => (prop::option::of((steps(), kinds())), 1..4_u32, any::<bool>()).prop_map(
            |(step, attempt, alone)| EntryBody::Recovered(Recovered { step, attempt, alone })
        ),
        3 => (1..4_u32, plain(), 0..4_000_u64).prop_map(|(attempt, failure, ms)| {
            let retry_at = Timestamp::from_ms(ms);
            EntryBody::AttemptFailed(AttemptFailed { attempt, failure, retry_at })
        }),
        1 => Just(EntryBody::CancelRequested(CancelRequested { reason: String::new() })),
        1 => output().prop_map(|output| EntryBody::RunCompleted(RunCompleted { output })),
        1 => plain().prop_map(|failure| EntryBody::RunFailed(RunFailed { failure })),
        1 => Just(EntryBody::RunCancelled),
        1 => Just(EntryBody::Quarantined(Quarantined { reason: unknown() })),
        1 => Just(EntryBody::Resumed),
    ]
}

/// `body` with its instants counted from `at`.
fn dated(body: EntryBody, at: Timestamp) -> EntryBody {
    let from = |ms: Timestamp| Timestamp::from_ms((at.as_ms() + ms.as_ms()).saturating_sub(100));
    match body {
        EntryBody::StepFailed(fields) => EntryBody::StepFailed(StepFailed {
            retry_at: fields.retry_at.map(from),
            ..fields
        }),
        EntryBody::AttemptFailed(fields) => EntryBody::AttemptFailed(AttemptFailed {
            retry_at: from(fields.retry_at),
            ..fields
        }),
        EntryBody::RunStarted(_)
        | EntryBody::StepSucceeded(_)
        | EntryBody::Recovered(_)
        | EntryBody::CancelRequested(_)
        | EntryBody::RunCompleted(_)
        | EntryBody::RunFailed(_)
        | EntryBody::RunCancelled
        | EntryBody::Quarantined(_)
        | EntryBody::Resumed
        | EntryBody::WaitStarted(_)
        | EntryBody::WaitTimedOut(_)
        | EntryBody::EventOffered(_)
        | EntryBody::EventReceived(_)
        | EntryBody::EventRejected(_)
        | EntryBody::SignalReceived(_)
        | EntryBody::ChildStarted(_)
        | EntryBody::ForkStarted(_)
        | EntryBody::BranchEnded(_)
        | EntryBody::UndoStarted(_)
        | EntryBody::RunContinued(_)
        | EntryBody::RunKilled(_)
        | EntryBody::Patched(_)
        | EntryBody::Paused(_)
        | EntryBody::Retried(_) => body,
    }
}

/// The journal `script` leaves behind, every law held on the way.
fn journal_of(script: Vec<(Command, i64)>) -> Vec<Entry> {
    let (mut journal, mut state) = begun();
    let mut clock_ms = 0_u64;
    for (command, jump) in script {
        clock_ms = clock_ms.saturating_add_signed(jump);
        let now = Timestamp::from_ms(clock_ms);
        // A refusal leaves the run as it was, which `decide` cannot help: it borrows it.
        drop(obey(&mut journal, &mut state, command, now));
    }
    journal
}

/// A script of fitting commands among blind ones, with a clock.
fn deep_scripts() -> impl Strategy<Value = Vec<(Option<Command>, Draw, i64)>> {
    let command = prop::option::weighted(0.02, commands());
    prop::collection::vec((command, any::<Draw>(), jumps()), 0..60)
}

/// The state a script of fitting commands ends in, and how many of them were taken.
fn deep(script: Vec<(Option<Command>, Draw, i64)>) -> (Vec<Entry>, RunState) {
    let (mut journal, mut state) = begun();
    let mut clock_ms = 0_u64;
    for (blind, draw, jump) in script {
        clock_ms = clock_ms.saturating_add_signed(jump);
        let command = blind.unwrap_or_else(|| guided(&state, draw));
        let now = Timestamp::from_ms(clock_ms);
        drop(obey(&mut journal, &mut state, command, now));
    }
    (journal, state)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_deep_script_obeys_the_laws_and_takes_only_what_fits(
        script in deep_scripts(), strays in prop::collection::vec(any::<Draw>(), 24)
    ) {
        let (_, state) = deep(script);
        for draw in strays {
            let (seq, at) = (state.next_seq, state.changed_at);
            let body = touching(&state, draw);
            drop(is_closed_for(&state, &Entry { seq, at, body }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_generated_script_obeys_the_laws(script in scripts()) {
        let journal = journal_of(script);
        let times: Vec<Timestamp> = journal.iter().map(|entry| entry.at).collect();
        prop_assert!(times.is_sorted(), "time goes back in {times:?}");
        let mut settled = std::collections::BTreeSet::new();
        for entry in &journal {
            if let EntryBody::StepSucceeded(fields) = &entry.body {
                prop_assert!(settled.insert(fields.step.clone()), "{} twice", fields.step);
            }
        }
    }

    #[test]
    fn every_generated_journal_is_taken_as_far_as_commands_could_have_written_it(
        bodies in prop::collection::vec((bodies(), 0..3_000_u64), 1..40)
    ) {
        let (_, mut state) = begun();
        for (body, pause_ms) in bodies {
            let at = Timestamp::from_ms(state.changed_at.as_ms() + pause_ms);
            let entry = Entry { seq: state.next_seq, at, body: dated(body, at) };
            if let Ok(after) = is_closed_for(&state, &entry) {
                state = after;
            }
        }
    }

    #[test]
    fn a_journal_with_an_entry_lost_doubled_or_moved_is_refused_by_number(
        script in scripts(), at in any::<prop::sample::Index>(), harm in 0..3_u8
    ) {
        let mut journal = journal_of(script);
        prop_assume!(journal.len() >= 3);
        let at = 1 + at.index(journal.len() - 2);
        match harm {
            0 => drop(journal.remove(at)),
            1 => journal.insert(at, journal[at].clone()),
            _ => journal.swap(at, at + 1),
        }
        let refused = fold(the_run(), &journal).unwrap_err();
        prop_assert!(matches!(refused, Illegal::OutOfSequence { .. }), "{refused}");
    }
}
