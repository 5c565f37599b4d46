//! The one place that waits for another process: by looking again and again until a deadline.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often there is a look.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long anything may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something; `what` says what for.
pub(crate) async fn soon<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let found = async {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
    };
    timeout(PATIENCE, found)
        .await
        .with_context(|| format!("waited {} s in vain for {what}", PATIENCE.as_secs()))?
}
