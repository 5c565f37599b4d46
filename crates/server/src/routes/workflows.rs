//! `GET /v1/workflows`: what this engine can run.

use axum::Json;
use axum::extract::State;

use crate::router::Api;
use crate::wire::{ListJson, WorkflowJson};

pub(crate) async fn list(State(api): State<Api>) -> Json<ListJson<WorkflowJson>> {
    let workflows = api.engine.registry().workflows();
    let data = workflows
        .map(|workflow| WorkflowJson::from(&**workflow))
        .collect();
    Json(ListJson { data })
}
