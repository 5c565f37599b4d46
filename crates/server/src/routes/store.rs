//! `GET /v1/store`: what the engine's store is.

use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::router::Api;
use crate::wire::StoreJson;

pub(crate) async fn show(State(api): State<Api>) -> Result<Json<StoreJson>, ApiError> {
    let look = api.settings.store.clone().ok_or(ApiError::NoSuchRoute)?;
    // Its files are measured, which blocks on the disk.
    let looked = tokio::task::spawn_blocking(move || look.look()).await;
    Ok(Json(looked.map_err(|_| ApiError::ShuttingDown)??))
}
