//! How far a measurement is.

use serde::{Deserialize, Serialize};

/// What is under way, and how much of it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What is under way.
    pub(crate) what: String,
    /// How much is done.
    pub(crate) done: u64,
    /// Of how much; zero when nobody knows.
    pub(crate) of: u64,
}

impl Progress {
    /// Something that cannot be counted is under way.
    pub(crate) fn of_unknown(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            done: 0,
            of: 0,
        }
    }
}
