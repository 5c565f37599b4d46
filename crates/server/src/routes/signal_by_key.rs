//! `POST /v1/workflows/{workflow}/keys/{key}/signals/{name}`: a signal to the run that was started
//! under a key, durable when answered.

use axum::extract::{Path, Request, State};
use stepwell::RunRef;

use super::signal::sent_data;
use super::{TakenUp, taken_up};
use crate::error::ApiError;
use crate::router::Api;

/// Answers 202 with the run the signal went to.
pub(crate) async fn signal(
    State(api): State<Api>,
    Path((workflow, key, name)): Path<(String, String, String)>,
    request: Request,
) -> TakenUp {
    let sent = sent_data(&api, request).await?;
    let named = RunRef::Key { workflow, key };
    let signalled = api.engine.signal(named, name, sent).await;
    taken_up(&api, signalled.map_err(ApiError::of_call)?).await
}
