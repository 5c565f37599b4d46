//! `POST /v1/workflows/{workflow}/keys/{key}/signals/{name}`: a signal to the run that was started
//! under a key, durable when answered.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use stepwell::RunRef;

use super::signal::{accepted, sent_data};
use crate::error::ApiError;
use crate::router::Api;
use crate::wire::RunJson;

/// Answers 202 with the run the signal went to.
pub(crate) async fn signal(
    State(api): State<Api>,
    Path((workflow, key, name)): Path<(String, String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<RunJson>), ApiError> {
    let sent = sent_data(&api, request).await?;
    let named = RunRef::Key { workflow, key };
    let signalled = api.engine.signal(named, name, sent).await;
    accepted(&api, signalled.map_err(ApiError::of_call)?).await
}
