//! Words for people, on standard error; standard output is for results alone.
//!
//! Once an engine logs JSON, its words go into the log as well: every line is an object then.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// Where words stand in the log; the log's filter lets them through whatever it says.
pub(crate) const TARGET: &str = "stepwell_cli::talk";

/// Whether the log is the place for words. Set once, before there are threads that speak.
static LOGGED: AtomicBool = AtomicBool::new(false);

/// Says one line.
pub fn say(line: Arguments<'_>) {
    if logged() {
        tracing::info!(target: TARGET, "{line}");
        return;
    }
    // Nobody listening is no reason to stop.
    drop(writeln!(stderr(), "{line}"));
}

/// Says what went wrong, and where more is written about it.
pub fn complain(failure: &Failure) {
    let (code, exit) = (failure.code(), failure.exit().number());
    if logged() {
        tracing::error!(target: TARGET, code, exit, "{failure}");
        return;
    }
    let name = if colours() {
        "\x1b[1;31merror\x1b[0m"
    } else {
        "error"
    };
    say(format_args!("{name}: {failure}"));
    say(format_args!(
        "  code {code} (docs/errors/{code}.md), exit {exit}"
    ));
}

/// From here on words are part of the log.
pub(crate) fn log_from_here() {
    LOGGED.store(true, Ordering::Relaxed);
}

/// Whether words are part of the log, where programs read them and nobody wants advice.
pub(crate) fn logged() -> bool {
    LOGGED.load(Ordering::Relaxed)
}

/// Whether standard error may be coloured: a terminal, and `NO_COLOR` unset or empty.
#[must_use]
pub fn colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
