//! What travels: the server's own types, so that nothing inside can change the API by accident.
//!
//! A client decodes with the same types the server encodes with; the CLI shows a store that no
//! engine has open in exactly this shape as well. Fields that have no value are `null`, so that
//! every object of a kind has the same keys; instants are RFC 3339 in UTC with milliseconds.

mod bulk;
mod event;
mod fork;
mod health;
mod journal;
mod raw;
mod run;
mod step_kind;
mod store;
mod time;
mod workflow;

pub use bulk::{BulkJson, BulkRunJson};
pub use event::{EventJson, EventRunJson, SentJson};
pub use fork::{AgainJson, ForkJson};
pub use health::HealthJson;
pub use journal::{EntryJson, EntryKind, JournalJson};
pub use raw::Raw;
pub use run::{
    CancelJson, FailureJson, ForkedFromJson, InFlightJson, PauseJson, RunJson, RunListJson,
    StartedJson, WaitJson, WaitKind,
};
pub use step_kind::StepJsonKind;
pub use store::{StoreFormatsJson, StoreJson};
pub use time::Instant;
pub use workflow::{CronJson, WorkflowJson};

use serde::{Deserialize, Serialize};

/// A list under the key `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListJson<T> {
    /// Its members.
    pub data: Vec<T>,
}
