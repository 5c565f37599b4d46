//! `GET /v1/events/{id}`: a stored event.

use axum::Json;
use axum::extract::{Path, State};
use stepwell_core::EventId;

use crate::error::ApiError;
use crate::router::Api;
use crate::wire::EventJson;

pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<EventJson>, ApiError> {
    let id = EventId::new(id);
    let row = api.engine.operator().event(id.clone()).await?;
    let row = row.ok_or(ApiError::NoSuchEvent { id })?;
    Ok(Json(row.into()))
}
