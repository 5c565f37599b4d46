//! The words of a script: steps, outputs, failures, events, instants.

use std::sync::Arc;

use super::laws;
use crate::entry::{Awaited, Failure, FailureClass, StepKind, WaitOn};
use crate::ids::{EventId, EventOrder, RunId, StepAddress};
use crate::payload::Payload;
use crate::run::command::{Arrival, ChildOutcome};
use crate::time::Timestamp;

/// Every kind of call.
pub(super) const KINDS: [StepKind; 17] = [
    StepKind::Run,
    StepKind::Transaction,
    StepKind::Now,
    StepKind::Random,
    StepKind::Ulid,
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
];

/// The first word of `text`, and what follows it.
pub(super) fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// The step at the front of `text`, its kind included, and what follows it.
pub(super) fn split_step(text: &str) -> (&str, &str) {
    let (first, rest) = word(text);
    if parse_kind(first).is_none() {
        return (first, rest);
    }
    let second = rest.find(' ').unwrap_or(rest.len());
    let (step, rest) = text.split_at(first.len() + 1 + second);
    (step, rest.trim_start())
}

pub(super) fn parse_kind(word: &str) -> Option<StepKind> {
    KINDS.into_iter().find(|kind| kind.word() == word)
}

/// `[KIND] [BRANCH/]NAME[:NTH][#ATTEMPT]`
pub(super) fn parse_step(text: &str) -> (StepKind, StepAddress, Option<u32>) {
    let (kind, text) = match text.split_once(' ') {
        Some((kind, text)) => (parse_kind(kind).unwrap(), text),
        None => (StepKind::Run, text),
    };
    let (text, attempt) = match text.split_once('#') {
        Some((text, attempt)) => (text, Some(attempt.parse().unwrap())),
        None => (text, None),
    };
    (kind, parse_address(text), attempt)
}

/// `[BRANCH/]NAME[:NTH]`
pub(super) fn parse_address(text: &str) -> StepAddress {
    let (branch, text) = text.rsplit_once('/').unwrap_or(("", text));
    let (name, nth) = match text.split_once(':') {
        Some((name, nth)) => (name, nth.parse().unwrap()),
        None => (text, 1),
    };
    StepAddress {
        branch: Arc::from(branch),
        ..StepAddress::root(name, nth).unwrap()
    }
}

/// JSON as it stands, or `N bytes` of it.
pub(super) fn parse_output(text: &str) -> Payload {
    match text.strip_suffix(" bytes") {
        Some(bytes) => laws::payload_of(bytes.parse().unwrap()),
        None => Payload::from_json(text),
    }
}

/// `[CLASS] MESSAGE`, or `after=MS MESSAGE`; retryable where no class is given.
pub(super) fn parse_failure(text: &str) -> Failure {
    let (word, message) = word(text);
    let class = match word {
        "terminal" => FailureClass::Terminal,
        "timed-out" => FailureClass::TimedOut,
        "panicked" => FailureClass::Panicked,
        word => match word.strip_prefix("after=") {
            Some(ms) => FailureClass::RetryAfter {
                delay_ms: ms.parse().unwrap(),
            },
            None => return Failure::new(FailureClass::Retryable, text),
        },
    };
    Failure::new(class, message)
}

/// `ok OUTPUT`, or `fail FAILURE`; nothing where nothing is said.
pub(super) fn parse_result(text: &str) -> Option<Result<Payload, Failure>> {
    match word(text) {
        ("ok", output) => Some(Ok(parse_output(output))),
        ("fail", failure) => Some(Err(parse_failure(failure))),
        ("", _) => None,
        other => panic!("neither ok nor fail: {other:?}"),
    }
}

/// `NAME` or `NAME=KEY`
pub(super) fn parse_awaited(text: &str) -> Awaited {
    let (name, key) = text.split_once('=').unwrap_or((text, ""));
    Awaited {
        name: name.to_owned(),
        key: key.to_owned(),
    }
}

/// `instant`, `signal NAME`, `event NAME[=KEY]` or `judged NAME[=KEY]`
pub(super) fn parse_wait(text: &str) -> (WaitOn, &str) {
    let (what, rest) = word(text);
    let (name, after) = word(rest);
    match what {
        "instant" => (WaitOn::Until, rest),
        "signal" => {
            let name = name.to_owned();
            (WaitOn::Signal { name }, after)
        }
        "event" | "judged" => {
            let awaited = parse_awaited(name);
            let judged = what == "judged";
            (WaitOn::Event { awaited, judged }, after)
        }
        other => panic!("nothing to wait for: {other}"),
    }
}

/// `ID NAME[=KEY] DATA`, with an id such as `e4` for the fourth event of all.
pub(super) fn parse_arrival(text: &str) -> Arrival {
    let (event, rest) = word(text);
    let (awaited, data) = word(rest);
    let number = event.trim_start_matches(|c: char| !c.is_ascii_digit());
    Arrival {
        event: EventId::new(event),
        order: EventOrder {
            opening: 1,
            number: number.parse().unwrap(),
        },
        awaited: parse_awaited(awaited),
        data: parse_output(data),
    }
}

/// `completed OUTPUT`, `failed FAILURE`, `cancelled`
pub(super) fn parse_child_outcome(text: &str) -> ChildOutcome {
    match word(text) {
        ("completed", output) => ChildOutcome::Completed(parse_output(output)),
        ("failed", failure) => ChildOutcome::Failed(parse_failure(failure)),
        ("cancelled", _) => ChildOutcome::Cancelled,
        other => panic!("no such end of a child: {other:?}"),
    }
}

/// Another run, by a small number.
pub(super) fn parse_run(text: &str) -> RunId {
    RunId::from_bytes([text.parse().unwrap(); 16])
}

pub(super) fn parse_ms(text: &str) -> Timestamp {
    let ms = text.strip_suffix("ms").unwrap_or(text);
    Timestamp::from_ms(ms.parse().unwrap())
}
