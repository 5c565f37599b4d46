//! The routes by which another process reads the counters and works the switches.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::account::PaidCheckout;
use crate::calls::Calls;
use crate::cart::Cart;
use crate::resend::Mail;
use crate::switch::Switch;
use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/calls", get(calls))
        .route("/switch", post(switch))
        .route("/checkout", post(checkout))
        .route("/mails", get(mails))
        .route("/sheet", get(sheet))
        .route("/slack", get(slack))
}

async fn calls(State(world): State<Arc<World>>) -> Json<Calls> {
    Json(world.state().tally.snapshot())
}

async fn switch(State(world): State<Arc<World>>, Json(switch): Json<Switch>) -> StatusCode {
    world.set(switch);
    StatusCode::NO_CONTENT
}

async fn checkout(State(world): State<Arc<World>>, Json(cart): Json<Cart>) -> Json<PaidCheckout> {
    Json(world.state().stripe.pay(cart))
}

async fn mails(State(world): State<Arc<World>>) -> Json<Vec<Mail>> {
    Json(world.state().outbox.mails.clone())
}

async fn sheet(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({ "rows": world.state().sheet.orders() }))
}

async fn slack(State(world): State<Arc<World>>) -> Json<Vec<Value>> {
    Json(world.state().slack.clone())
}
