//! Processor time of this process, as the kernel accounts it.

use std::time::Duration;

use anyhow::Context;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Kernel ticks a second in `/proc`: fixed by Linux's interface to programs.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads so far, to a hundredth of a second.
///
/// # Errors
/// When `/proc/self/stat` cannot be read.
pub(crate) fn used() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")
        .context("/proc/self/stat cannot be read, so processor time is not known")?;
    // The second field is the program's name in parentheses and may hold anything.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let ticks = |index: usize| {
        let field = fields.split_whitespace().nth(index);
        field.and_then(|text| text.parse::<u64>().ok())
    };
    // Counted from behind the name: user time is the twelfth field, system time the next.
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .context("/proc/self/stat does not have the expected fields")?;
    Ok(Duration::from_millis(
        (user + system) * 1_000 / TICKS_PER_SECOND,
    ))
}

/// User and system time so far, to the microsecond.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Of all threads.
    pub(crate) process: Duration,
    /// Of the calling thread.
    pub(crate) thread: Duration,
}

/// What the process and the calling thread used so far.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn used_exactly() -> anyhow::Result<Used> {
    Ok(Used {
        process: used_by(UsageWho::RUSAGE_SELF)?,
        thread: used_by(UsageWho::RUSAGE_THREAD)?,
    })
}

fn used_by(who: UsageWho) -> anyhow::Result<Duration> {
    let usage = getrusage(who).context("processor time is not known")?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(us).unwrap_or_default()))
}
