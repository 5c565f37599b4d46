//! `GET /v1/events/{id}/runs`: the runs an event started.

use axum::Json;
use axum::extract::{Path, State};
use stepwell_core::EventId;

use crate::error::ApiError;
use crate::router::Api;
use crate::wire::{EventRunJson, ListJson};

pub(crate) async fn list(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<ListJson<EventRunJson>>, ApiError> {
    let id = EventId::new(id);
    let runs = api.engine.operator().runs_of_event(id.clone()).await?;
    let runs = runs.ok_or(ApiError::NoSuchEvent { id })?;
    let data = runs.into_iter().map(EventRunJson::from).collect();
    Ok(Json(ListJson { data }))
}
