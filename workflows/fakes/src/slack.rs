//! The fake Slack: one incoming webhook that keeps what was posted.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use crate::calls::{Call, Service};
use crate::cuttable::Cut;
use crate::world::{World, idempotency_key};

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/webhook", post(receive))
}

async fn receive(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let posted: Option<Value> = serde_json::from_slice(&body).ok();
    let text = posted.as_ref().and_then(|posted| posted["text"].as_str());
    let call = Call {
        service: Service::Slack,
        operation: "webhook",
        subject: text.unwrap_or_default().to_owned(),
        idempotency_key: idempotency_key(&headers),
    };
    let act = move |state: &mut crate::world::State| match posted {
        Some(posted) => {
            state.slack.push(posted);
            "ok".into_response()
        }
        None => (StatusCode::BAD_REQUEST, "invalid_payload").into_response(),
    };
    world.answer(call, &cut, act).await
}
