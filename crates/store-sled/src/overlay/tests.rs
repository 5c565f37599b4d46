//! The overlay as small scripts: what is let in, what is refused, what is taken back.

use stepwell_core::{EventId, Fence, RunId, Seq};
use stepwell_store::{CommitError, Seen};

use super::{Conditions, Look, Overlay, Position};

const FENCE: Fence = Fence(3);

fn overlay(keys_max: usize) -> Overlay {
    Overlay::new(FENCE, 0, keys_max)
}

fn run(nth: u8) -> RunId {
    RunId::from_bytes([nth; 16])
}

fn events(seen: u64, ids: &[&'static str]) -> Conditions {
    Conditions {
        fence: FENCE,
        seen: Seen(seen),
        events: ids.iter().copied().map(EventId::new).collect(),
        appends: Vec::new(),
    }
}

fn append(nth: u8, expected: u64, look: Option<(u64, u64)>) -> Conditions {
    Conditions {
        fence: FENCE,
        seen: Seen(0),
        events: Vec::new(),
        appends: vec![Position {
            run: run(nth),
            expected: Seq(expected),
            next: Seq(expected + 1),
            look: look.map(|(next, seen)| Look {
                next: Seq(next),
                seen: Seen(seen),
            }),
        }],
    }
}

fn exists(id: &'static str) -> Result<(), CommitError> {
    let id = EventId::new(id);
    Err(CommitError::EventExists { id })
}

fn elsewhere(nth: u8, expected: u64) -> Result<(), CommitError> {
    Err(CommitError::OutOfSequence {
        run: run(nth),
        expected: Seq(expected),
    })
}

#[test]
fn a_key_is_known_from_the_commit_that_wrote_it_on() {
    let mut overlay = overlay(10);
    assert_eq!(overlay.check(1, &events(0, &["a"])), Ok(()));
    assert_eq!(overlay.check(1, &events(9, &["a"])), exists("a"));
    assert_eq!(overlay.check(1, &append(1, 0, Some((0, 0)))), Ok(()));
    assert_eq!(overlay.check(1, &append(1, 1, None)), Ok(()));
    assert_eq!(overlay.check(2, &append(1, 1, None)), elsewhere(1, 1));
    assert_eq!(overlay.check(2, &append(1, 3, None)), elsewhere(1, 3));
    assert!(overlay.knows(run(1)) && !overlay.knows(run(2)));
}

#[test]
fn another_fence_is_refused_before_anything_else() {
    let mut overlay = overlay(10);
    let mut asked = events(0, &["a"]);
    asked.fence = Fence(2);
    let fenced = CommitError::Fenced {
        current: FENCE,
        found: Fence(2),
    };
    assert_eq!(overlay.check(1, &asked), Err(fenced));
    assert_eq!(overlay.check(1, &events(0, &["a"])), Ok(()));
}

#[test]
fn a_refused_commit_leaves_nothing_behind() {
    let mut overlay = overlay(10);
    assert_eq!(overlay.check(1, &events(0, &["a"])), Ok(()));
    assert_eq!(overlay.check(1, &events(0, &["b", "c", "a"])), exists("a"));
    assert_eq!(overlay.check(1, &events(0, &["d", "d"])), exists("d"));
    let mut both = append(1, 0, Some((0, 0)));
    both.appends.extend(append(2, 4, Some((0, 0))).appends);
    assert_eq!(overlay.check(1, &both), elsewhere(2, 4));
    assert!(!overlay.knows(run(1)));
    assert_eq!(overlay.check(1, &events(0, &["b", "c", "d"])), Ok(()));
}

#[test]
fn what_was_not_written_is_taken_back_and_what_was_written_stays() {
    let mut overlay = overlay(10);
    assert_eq!(overlay.check(1, &append(1, 0, Some((0, 0)))), Ok(()));
    assert_eq!(overlay.check(1, &events(0, &["a"])), Ok(()));
    overlay.keep();
    assert_eq!(overlay.check(2, &append(1, 1, None)), Ok(()));
    assert_eq!(overlay.check(2, &append(1, 2, None)), Ok(()));
    assert_eq!(overlay.check(2, &append(2, 0, Some((0, 0)))), Ok(()));
    assert_eq!(overlay.check(2, &events(0, &["b"])), Ok(()));
    overlay.forget();
    assert_eq!(overlay.check(2, &append(1, 1, None)), Ok(()));
    assert_eq!(overlay.check(2, &events(0, &["a"])), exists("a"));
    assert_eq!(overlay.check(2, &events(0, &["b"])), Ok(()));
    assert!(!overlay.knows(run(2)));
}

#[test]
fn a_key_leaves_only_when_settled_and_then_old_looks_are_stale() {
    let mut overlay = overlay(1);
    for (number, id) in [(1, "a"), (2, "b"), (3, "c")] {
        assert_eq!(overlay.check(number, &events(0, &[id])), Ok(()));
        overlay.keep();
    }
    overlay.evict(0);
    assert_eq!(overlay.check(4, &events(9, &["a"])), exists("a"));
    overlay.evict(1);
    // Whoever looked before record 1 was settled did not see "a".
    assert_eq!(
        overlay.check(4, &events(0, &["a"])),
        Err(CommitError::Stale)
    );
    assert_eq!(
        overlay.check(4, &events(0, &["z"])),
        Err(CommitError::Stale)
    );
    assert_eq!(overlay.check(4, &events(1, &["z"])), Ok(()));
    assert_eq!(overlay.check(4, &events(9, &["b"])), exists("b"));
}

#[test]
fn a_run_written_again_stays_and_one_that_left_needs_a_fresh_look() {
    let mut overlay = overlay(1);
    assert_eq!(overlay.check(1, &append(1, 0, Some((0, 0)))), Ok(()));
    assert_eq!(overlay.check(2, &append(2, 0, Some((0, 0)))), Ok(()));
    assert_eq!(overlay.check(3, &append(1, 1, None)), Ok(()));
    overlay.keep();
    overlay.evict(3);
    assert!(overlay.knows(run(1)) && !overlay.knows(run(2)));
    assert_eq!(
        overlay.check(4, &append(2, 1, None)),
        Err(CommitError::Stale)
    );
    let old = append(2, 1, Some((1, 1)));
    assert_eq!(overlay.check(4, &old), Err(CommitError::Stale));
    let fresh = |next| append(2, 1, Some((next, 3)));
    assert_eq!(overlay.check(4, &fresh(0)), elsewhere(2, 1));
    assert_eq!(overlay.check(4, &fresh(1)), Ok(()));
}
