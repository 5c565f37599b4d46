//! Changes of code under runs, and repair by people, on the real engine.

mod checking;
mod forking;
mod patches;
mod pausing;
mod retrying;
mod versions;

use std::time::Duration;

use stepwell::SendError;
use stepwell_core::RunId;
use stepwell_core::run::RunStatus;
use stepwell_engine::{Engine, OperateError};

/// What a request that could not be stored means to whoever acts: the engine is gone.
fn gone(error: &OperateError) -> SendError {
    SendError::Unavailable {
        why: error.to_string(),
    }
}

/// Looks every virtual second until the run is one of what is wanted; an error once the engine has
/// failed.
async fn comes_to(
    engine: &Engine,
    run: RunId,
    wanted: &[RunStatus],
) -> Result<RunStatus, SendError> {
    for _ in 0..86_400 {
        if let Some(why) = engine.health().failure {
            return Err(SendError::Unavailable { why });
        }
        let view = engine.operator().run(run).await.unwrap().unwrap();
        if wanted.contains(&view.head.status) {
            return Ok(view.head.status);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("run {run} never came to be one of {wanted:?}")
}
