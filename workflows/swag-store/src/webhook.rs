//! `POST /api/webhooks/stripe`: a signed notice of a completed checkout becomes one event.

use std::future::Future;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use stepwell::{Client, SendError};
use thiserror::Error;

use crate::checkout_session::{CheckoutSession, StripeEvent};
use crate::event::OrderPlaced;
use crate::outward::CallError;
use crate::shop::Shop;
use crate::signature::{self, SignatureError};

/// The longest notice that is read, in bytes; Stripe's are a few kilobytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The one type of notice that means something to the shop.
const COMPLETED: &str = "checkout.session.completed";

#[derive(Clone)]
struct Endpoint {
    shop: Shop,
    client: Client,
}

/// The shop's routes. Events go to the engine behind `client`.
pub fn router(shop: Shop, client: Client) -> Router {
    Router::new()
        .route("/api/webhooks/stripe", post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Endpoint { shop, client })
}

/// What became of a notice that was believed.
enum Received {
    Sent,
    /// Nothing for us to do.
    Uninteresting,
    /// Another deployment of the shop on the same Stripe account took this order.
    Foreign,
}

/// Why a notice was not taken.
#[derive(Debug, Error)]
enum WebhookError {
    #[error("missing stripe-signature header")]
    Unsigned,
    #[error(transparent)]
    Forged(#[from] SignatureError),
    #[error("read the notice: no {what} at line {line}, column {column}")]
    Malformed {
        what: &'static str,
        line: usize,
        column: usize,
    },
    #[error("check the signature: STRIPE_WEBHOOK_SECRET is not set")]
    NotConfigured,
    #[error("list what was bought: {0}")]
    Stripe(#[from] CallError),
    #[error("send store/order.placed: {0}")]
    Send(#[from] SendError),
}

impl WebhookError {
    /// 4xx for what will be as wrong next time; 5xx so that Stripe delivers again.
    fn status(&self) -> StatusCode {
        match self {
            WebhookError::Unsigned | WebhookError::Forged(_) | WebhookError::Malformed { .. } => {
                StatusCode::BAD_REQUEST
            }
            WebhookError::NotConfigured | WebhookError::Stripe(_) | WebhookError::Send(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Line and column alone: what a decoder says may quote the customer.
    fn malformed(what: &'static str) -> impl Fn(serde_json::Error) -> WebhookError {
        move |error| WebhookError::Malformed {
            what,
            line: error.line(),
            column: error.column(),
        }
    }
}

async fn receive(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> Response {
    let Endpoint { shop, client } = endpoint;
    let send = |order: OrderPlaced, id: String| async move {
        client.send(&order, id).await.map(|_durable| ())
    };
    answer(accept(&shop, &headers, &body, send).await)
}

fn answer(received: Result<Received, WebhookError>) -> Response {
    match received {
        Ok(Received::Sent | Received::Uninteresting) => {
            Json(json!({ "received": true })).into_response()
        }
        Ok(Received::Foreign) => {
            Json(json!({ "received": true, "ignored": "foreign appOrigin" })).into_response()
        }
        Err(error) => {
            let status = error.status();
            tracing::warn!(status = status.as_u16(), %error, "stripe webhook refused");
            (status, Json(json!({ "error": error.to_string() }))).into_response()
        }
    }
}

/// Believes, reads and sends one notice; `send` resolves once the event is durable.
async fn accept<F>(
    shop: &Shop,
    headers: &HeaderMap,
    body: &[u8],
    send: impl FnOnce(OrderPlaced, String) -> F,
) -> Result<Received, WebhookError>
where
    F: Future<Output = Result<(), SendError>>,
{
    let header = headers
        .get("stripe-signature")
        .ok_or(WebhookError::Unsigned)?;
    let header = header.to_str().map_err(|_| SignatureError::Malformed)?;
    let secret = shop
        .webhook_secret
        .as_ref()
        .ok_or(WebhookError::NotConfigured)?;
    signature::verify(secret.expose(), header, body, now_s())?;

    let event: StripeEvent =
        serde_json::from_slice(body).map_err(WebhookError::malformed("stripe event"))?;
    if event.kind != COMPLETED {
        return Ok(Received::Uninteresting);
    }
    let session: CheckoutSession = serde_json::from_value(event.data.object)
        .map_err(WebhookError::malformed("checkout session"))?;
    if session
        .app_origin()
        .is_some_and(|origin| origin != shop.app_origin)
    {
        return Ok(Received::Foreign);
    }

    let items = shop.stripe.line_items(&session.id).await?;
    // The session names the event, so however often Stripe delivers, one run is started.
    let id = format!("order-placed-{}", session.id);
    // Crash here, or before the answer leaves: Stripe delivers again.
    send(session.into_order(&shop.app_origin, items), id).await?;
    Ok(Received::Sent)
}

fn now_s() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
