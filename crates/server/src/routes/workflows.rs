//! `GET /v1/workflows`: what this engine can run.

use axum::Json;
use axum::extract::State;
use stepwell_engine::Clock;

use crate::router::Api;
use crate::wire::{ListJson, WorkflowJson};

pub(crate) async fn list(State(api): State<Api>) -> Json<ListJson<WorkflowJson>> {
    let (workflows, now) = (api.engine.registry().workflows(), Clock::Wall.now());
    let data = workflows
        .map(|workflow| WorkflowJson::of(&**workflow, now))
        .collect();
    Json(ListJson { data })
}
