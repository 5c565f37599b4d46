//! Names and numbers that identify things: one newtype each, so that none is taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use ulid::Ulid;

use crate::limits::STEP_NAME_BYTES;

/// The id of one run: a ULID, so ids sort by the time the run was created.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(u128);

impl RunId {
    /// From a ULID drawn by the caller; this crate draws none.
    #[must_use]
    pub const fn from_ulid(ulid: Ulid) -> Self {
        Self(ulid.0)
    }

    /// The sixteen bytes that stand in keys, most significant first, so keys sort as ids do.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`RunId::to_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` lets a table ask for a width.
        f.pad(Ulid(self.0).array_to_str(&mut [0; ulid::ULID_LEN]))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseRunIdError(text.to_owned());
        // Twenty-six characters hold 130 bits: a first one above 7 would be cut to another id.
        if !text.starts_with(|first: char| ('0'..='7').contains(&first)) {
            return Err(refused());
        }
        Ulid::from_string(text)
            .map(Self::from_ulid)
            .map_err(|_| refused())
    }
}

/// The text is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a run id: expected 26 characters of Crockford base 32")]
pub struct ParseRunIdError(pub String);

/// The id that dedupes an event: the sender's, or a ULID drawn at intake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Wraps an id already checked by intake.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The registered name of a workflow, such as `fulfill-order`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowName(Arc<str>);

impl WorkflowName {
    /// Wraps a name already checked by the registry.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkflowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of an entry in its run's journal, from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The number of a run's first entry.
    pub const FIRST: Self = Self(0);

    /// The number `count` entries further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A fencing token: a number that only grows; a commit with a stale one is refused.
///
/// In the embedded store it is the number of the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// Where a step stands in its run: branch, name, and which use of the name within the branch.
///
/// Readable in the journal as `name`, `name:2`, or `branch/name`; the root branch is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepAddress {
    /// Path of the parallel branch, empty for the workflow's own line.
    pub branch: Arc<str>,
    /// The name the author gave.
    pub name: Arc<str>,
    /// From 1, counting up when a name is used again in the same branch.
    pub nth: u32,
}

impl StepAddress {
    /// The `nth` use of `name` on the workflow's own line.
    ///
    /// # Errors
    /// When the name is empty, longer than [`STEP_NAME_BYTES`], or holds `/`, `:` or a control
    /// character, which would make addresses ambiguous or unreadable.
    pub fn root(name: &str, nth: u32) -> Result<Self, StepNameError> {
        Self::check_name(name)?;
        Ok(Self {
            branch: Arc::from(""),
            name: Arc::from(name),
            nth,
        })
    }

    fn check_name(name: &str) -> Result<(), StepNameError> {
        let ambiguous = |c: char| c == '/' || c == ':' || c.is_control();
        if name.is_empty() || name.len() > STEP_NAME_BYTES || name.contains(ambiguous) {
            return Err(StepNameError {
                name: name.chars().take(STEP_NAME_BYTES).collect(),
            });
        }
        Ok(())
    }
}

impl fmt::Display for StepAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.branch.is_empty() {
            write!(f, "{}/", self.branch)?;
        }
        f.write_str(&self.name)?;
        if self.nth > 1 {
            write!(f, ":{}", self.nth)?;
        }
        Ok(())
    }
}

impl fmt::Debug for StepAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A step was given a name that cannot stand in an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "step name {name:?} cannot be used: give 1 to {STEP_NAME_BYTES} bytes without '/', ':' or \
     control characters"
)]
pub struct StepNameError {
    /// The offending name, cut to the limit.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_reads_back_as_printed() {
        for bytes in [[0; 16], [0xff; 16], [7; 16]] {
            let run = RunId::from_bytes(bytes);
            assert_eq!(run.to_string().parse(), Ok(run));
        }
    }

    #[test]
    fn an_id_past_the_last_one_is_refused_and_not_cut_to_another() {
        for text in [
            "80000000000000000000000000",
            "Z0000000000000000000000000",
            "",
            "7",
        ] {
            assert_eq!(text.parse::<RunId>(), Err(ParseRunIdError(text.to_owned())));
        }
    }
}
