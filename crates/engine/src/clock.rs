//! The engine's clock: the one place that reads the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stepwell_core::Timestamp;
use tokio::time::Instant;

/// Where instants come from.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's wall clock.
    Wall,
    /// A fixed beginning plus the runtime's own time, which tests may pause and advance.
    Virtual {
        /// The instant at `origin`.
        begin: Timestamp,
        /// The runtime's time then.
        origin: Instant,
    },
}

impl Clock {
    /// A clock that starts at `begin` and follows the runtime's time.
    #[must_use]
    pub fn virtual_from(begin: Timestamp) -> Self {
        Self::Virtual {
            begin,
            origin: Instant::now(),
        }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Wall => {
                // A clock before 1970 reads as 1970: journals order by sequence, not by time.
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp::ZERO.after(since)
            }
            Self::Virtual { begin, origin } => begin.after(origin.elapsed()),
        }
    }

    /// Whether it is the machine's, which somebody may set: waits for it are cut up.
    #[must_use]
    pub fn is_wall(&self) -> bool {
        matches!(self, Self::Wall)
    }

    /// `wait`, or the longest part of it after which the clock is to be looked at again.
    pub(crate) fn at_most(&self, wait: Duration, part: Duration) -> Duration {
        if self.is_wall() { wait.min(part) } else { wait }
    }

    /// How long until `at`; zero when it is past.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now())
    }
}
