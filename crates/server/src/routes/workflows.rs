//! `GET /v1/workflows`: what this engine can run.

use axum::Json;
use axum::extract::State;
use stepwell_engine::Clock;

use crate::router::Api;
use crate::wire::{ListJson, WorkflowJson};

pub(crate) async fn list(State(api): State<Api>) -> Json<ListJson<WorkflowJson>> {
    let now = Clock::Wall.now();
    let data = WorkflowJson::all_of(api.engine.registry(), now);
    Json(ListJson { data })
}
