//! The engine's health on the wire.

use serde::{Deserialize, Serialize};
use stepwell_engine::Health;

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthJson {
    /// `ok`, `draining` or `failed`.
    pub status: String,
    /// Whether events are accepted and runs driven.
    pub ready: bool,
    /// What stopped the store, if anything did.
    pub failure: Option<String>,
    /// Runs queued or driven.
    pub ready_runs: usize,
    /// Runs driven.
    pub driven_runs: usize,
    /// Bytes of commits not yet durable.
    pub queued_bytes: u64,
    /// Bytes durable in the log and not yet settled behind it.
    pub unsettled_bytes: u64,
    /// Commits made durable since the start.
    pub commits: u64,
    /// Syncs of the log since the start; each covers every commit that waited.
    pub syncs: u64,
    /// Bytes written to the log since the start.
    pub log_bytes: u64,
    /// The version of the binary.
    pub version: String,
}

impl HealthJson {
    /// The health of an engine run by a binary of `version`.
    #[must_use]
    pub fn of(health: Health, version: &str) -> Self {
        let status = match (&health.failure, health.draining) {
            (Some(_), _) => "failed",
            (None, true) => "draining",
            (None, false) => "ok",
        };
        Self {
            status: status.to_owned(),
            ready: health.ready,
            failure: health.failure,
            ready_runs: health.ready_runs,
            driven_runs: health.driven_runs,
            queued_bytes: health.pressure.queued_bytes,
            unsettled_bytes: health.pressure.unsettled_bytes,
            commits: health.pressure.commits,
            syncs: health.pressure.syncs,
            log_bytes: health.pressure.log_bytes,
            version: version.to_owned(),
        }
    }
}
