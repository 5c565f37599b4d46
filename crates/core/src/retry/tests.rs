//! The arithmetic of waiting.

use super::*;

fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

fn exact() -> RetryPolicy {
    RetryPolicy {
        attempts_max: 6,
        initial_ms: 1_000,
        max_ms: 5_000,
        jitter_percent: 0,
    }
}

#[test]
fn waits_double_until_the_longest_wait() {
    let waits: Vec<u128> = (1..6)
        .filter_map(|n| exact().delay_after(FailureClass::Retryable, n, run(), None))
        .map(|d| d.as_millis())
        .collect();
    assert_eq!(waits, [1_000, 2_000, 4_000, 5_000, 5_000]);
}

#[test]
fn the_last_allowed_failure_is_final() {
    assert!(
        exact()
            .delay_after(FailureClass::Retryable, 5, run(), None)
            .is_some()
    );
    assert!(
        exact()
            .delay_after(FailureClass::Retryable, 6, run(), None)
            .is_none()
    );
    assert!(
        exact()
            .delay_after(FailureClass::TimedOut, u32::MAX, run(), None)
            .is_none()
    );
}

#[test]
fn a_terminal_failure_is_final_at_once() {
    assert!(
        exact()
            .delay_after(FailureClass::Terminal, 1, run(), None)
            .is_none()
    );
}

#[test]
fn a_wait_asked_for_is_honoured_up_to_a_day() {
    let ask = |delay_ms| {
        exact()
            .delay_after(FailureClass::RetryAfter { delay_ms }, 1, run(), None)
            .unwrap()
    };
    assert_eq!(ask(7_000).as_millis(), 7_000);
    assert_eq!(ask(u64::MAX).as_millis(), u128::from(RETRY_AFTER_MS_MAX));
}

#[test]
fn jitter_is_the_same_for_the_same_attempt_and_differs_between_runs() {
    let policy = RetryPolicy {
        jitter_percent: 20,
        ..exact()
    };
    let step = StepAddress::root("pay", 1).unwrap();
    let of = |byte: u8| {
        let run = RunId::from_bytes([byte; 16]);
        policy
            .delay_after(FailureClass::Retryable, 1, run, Some(&step))
            .unwrap()
    };
    assert_eq!(of(1), of(1));
    let spread: std::collections::BTreeSet<_> = (0..50).map(of).collect();
    assert!(
        spread.len() > 10,
        "fifty runs came back at {} instants",
        spread.len()
    );
    assert!(
        spread
            .iter()
            .all(|d| (1_000..=1_200).contains(&d.as_millis()))
    );
}
