//! Requests to many runs on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::run::RunStatus;
use stepwell_engine::{BulkAsk, BulkPage, Looked};

use crate::error::{ApiError, ErrorBody};

/// Runs an answer names for each of the two: those that took the request and those that did not.
const NAMED_MAX: usize = 10;

/// What became of a request to many runs, one page of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkJson {
    /// What was asked: `cancel`, `kill`, `pause`, `resume` or `retry`.
    pub action: String,
    /// Whether nothing was asked, and this only says what would be.
    pub dry_run: bool,
    /// How many runs it was for.
    pub matched: u64,
    /// How many took it, or would.
    pub taken: u64,
    /// How many did not, or would not.
    pub refused: u64,
    /// The first runs that took it, or would.
    pub first_taken: Vec<BulkRunJson>,
    /// The first runs that did not, with the reason.
    pub first_refused: Vec<BulkRunJson>,
    /// Where the next page begins; `null` on the last one.
    pub cursor: Option<String>,
}

/// A run a request was for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRunJson {
    /// Its id.
    pub id: String,
    /// Its workflow; `null` when there is no such run.
    pub workflow: Option<String>,
    /// Its status before it was asked; `null` when there is no such run.
    pub status: Option<RunStatus>,
    /// Why it was not asked.
    pub error: Option<ErrorBody>,
}

impl BulkJson {
    /// What `page` says of `ask`.
    #[must_use]
    pub fn of(ask: &BulkAsk, page: BulkPage) -> Self {
        let mut told = Self {
            action: ask.request.word().to_owned(),
            dry_run: ask.dry_run,
            matched: 0,
            taken: 0,
            refused: 0,
            first_taken: Vec::new(),
            first_refused: Vec::new(),
            cursor: page.next.map(|run| run.to_string()),
        };
        for looked in page.runs {
            told.count(BulkRunJson::from(looked));
        }
        told
    }

    /// Adds the next page.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        self.matched += next.matched;
        self.taken += next.taken;
        self.refused += next.refused;
        self.first_taken.extend(next.first_taken);
        self.first_taken.truncate(NAMED_MAX);
        self.first_refused.extend(next.first_refused);
        self.first_refused.truncate(NAMED_MAX);
        self.cursor = next.cursor;
        self
    }

    fn count(&mut self, run: BulkRunJson) {
        self.matched += 1;
        let (count, first) = if run.error.is_none() {
            (&mut self.taken, &mut self.first_taken)
        } else {
            (&mut self.refused, &mut self.first_refused)
        };
        *count += 1;
        if first.len() < NAMED_MAX {
            first.push(run);
        }
    }
}

impl From<Looked> for BulkRunJson {
    fn from(looked: Looked) -> Self {
        let head = looked.head;
        let error = looked.refused.map(ApiError::from);
        Self {
            id: looked.run.to_string(),
            workflow: head.as_ref().map(|head| head.workflow.to_string()),
            status: head.as_ref().map(|head| head.status),
            error: error.map(|error| error.report().error),
        }
    }
}
