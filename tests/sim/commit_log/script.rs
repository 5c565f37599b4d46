//! Any script of writes, checkpoints, reopenings, kills, power cuts and errors keeps the promise.

use super::author::{Author, Move, Stopped};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::io::ErrorKind;
use stepwell_commit_log::AppendError;
use stepwell_testkit::disk::{Fault, SimDisk};

/// One line of a script.
#[derive(Clone, Copy, Debug)]
enum Line {
    Make(Move),
    /// The power goes, this many operations later; what survives is the seed's choice.
    PowerCut {
        after: u64,
        seed: u64,
    },
    /// The process dies, this many operations later.
    Kill {
        after: u64,
    },
    /// An operation fails, this many later, once or for ever.
    Error {
        after: u64,
        once: bool,
    },
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        12 => (0..20_000_usize).prop_map(|length| Line::Make(Move::Append(length))),
        4 => (0..200_usize).prop_map(|length| Line::Make(Move::Append(length))),
        3 => (0..4_u64).prop_map(|behind| Line::Make(Move::Checkpoint(behind))),
        1 => Just(Line::Make(Move::Reopen)),
        1 => Just(Line::Make(Move::Seal)),
        2 => (1..60_u64, any::<u64>()).prop_map(|(after, seed)| Line::PowerCut { after, seed }),
        1 => (1..60_u64).prop_map(|after| Line::Kill { after }),
        1 => (1..60_u64, any::<bool>()).prop_map(|(after, once)| Line::Error { after, once }),
    ]
}

/// What becomes of the disk once the fault that was set has struck.
#[derive(Clone, Copy)]
enum Sequel {
    Nothing,
    PowerCut(u64),
    Kill,
}

/// Plays a script; the author checks every opening against what was acknowledged.
fn play(lines: &[Line]) {
    let mut author = Author::new(SimDisk::new(1), 1);
    let mut sequel = Sequel::Nothing;
    author.create().expect("create");
    for &line in lines {
        let (after, fault) = match line {
            Line::Make(next) => {
                match author.make(next) {
                    Ok(()) | Err(Stopped::Write(AppendError::Full { .. })) => {}
                    Err(stopped) => {
                        stopped.refuse_corruption();
                        recover(&mut author, &mut sequel);
                    }
                }
                continue;
            }
            Line::PowerCut { after, seed } => {
                sequel = Sequel::PowerCut(seed);
                (after, Fault::Stop)
            }
            Line::Kill { after } => {
                sequel = Sequel::Kill;
                (after, Fault::Stop)
            }
            Line::Error { after, once } => {
                sequel = Sequel::Nothing;
                let kind = ErrorKind::Other;
                (
                    after,
                    if once {
                        Fault::Once(kind)
                    } else {
                        Fault::ForEver(kind)
                    },
                )
            }
        };
        author.disk.fail_at(author.disk.operations() + after, fault);
    }
    recover(&mut author, &mut sequel);
}

/// The process is gone; a next one opens the log.
fn recover(author: &mut Author, sequel: &mut Sequel) {
    author.log = None;
    author.disk.heal();
    match std::mem::replace(sequel, Sequel::Nothing) {
        Sequel::Nothing => {}
        Sequel::PowerCut(seed) => author.disk = author.disk.crash(seed),
        Sequel::Kill => author.disk = author.disk.kill(),
    }
    author.reopen().expect("open after a fault");
}

#[test]
fn any_script_keeps_what_was_acknowledged() {
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let outcome = runner.run(&proptest::collection::vec(line(), 1..80), |lines| {
        play(&lines);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
