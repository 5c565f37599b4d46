//! Words for people, on standard error; standard output is for results alone.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write, stderr};

use crate::failure::Failure;

/// Says one line.
pub fn say(line: Arguments<'_>) {
    // Nobody listening is no reason to stop.
    drop(writeln!(stderr(), "{line}"));
}

/// Says what went wrong, and where more is written about it.
pub fn complain(failure: &Failure) {
    let (name, plain) = if colours() {
        ("\x1b[1;31merror\x1b[0m", "")
    } else {
        ("error", "")
    };
    say(format_args!("{name}: {failure}{plain}"));
    let (code, exit) = (failure.code(), failure.exit().number());
    say(format_args!(
        "  code {code} (docs/errors/{code}.md), exit {exit}"
    ));
}

/// Whether standard error may be coloured: a terminal, and `NO_COLOR` unset or empty.
#[must_use]
pub fn colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
