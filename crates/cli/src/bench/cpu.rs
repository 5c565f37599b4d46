//! Processor time of this process, as the kernel accounts it.

use std::time::Duration;

use anyhow::Context;

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
