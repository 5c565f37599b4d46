//! Saying in one line what must hold.

use std::fmt::Display;

use stepwell::Error;

/// Nothing when `holds`; an error that says what broke when not.
///
/// ```
/// use stepwell_testkit::ensure;
///
/// let charges = 2;
/// let broken = ensure(charges == 1, format_args!("{charges} charges for one order"));
/// assert_eq!(broken.unwrap_err().to_string(), "2 charges for one order");
/// ```
///
/// # Errors
/// `broken` as the message, when it does not hold.
pub fn ensure(holds: bool, broken: impl Display) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(Error::terminal(broken))
}

/// Ends the test with `why`.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
pub(crate) fn broken(why: impl Display) -> ! {
    panic!("{why}")
}
