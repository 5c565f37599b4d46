//! `GET /health`: whether the engine takes events and drives runs. Open to everybody.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::router::Api;
use crate::wire::HealthJson;

/// Answers 200 when ready, 503 otherwise, with the same body.
pub(crate) async fn show(State(api): State<Api>) -> (StatusCode, Json<HealthJson>) {
    let health = HealthJson::of(api.engine.health(), env!("CARGO_PKG_VERSION"));
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}
