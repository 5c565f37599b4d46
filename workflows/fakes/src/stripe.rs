//! The fake Stripe: an account in which customers have paid, told over Stripe's own wire.
//!
//! A cart and `pay` stand for the customer at the checkout page. An id nobody registered is
//! answered as well, so that an event typed by hand works: the word after `pi_` is the intent's
//! state (`pi_processing_1`, `pi_canceled_1`, …), `pi_missing…` and `cs_missing…` do not exist, any
//! other intent has succeeded, any other session holds one tee.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::calls::{Call, Service};
use crate::cart::CartItem;
use crate::cuttable::Cut;
use crate::world::{World, bearer, idempotency_key};

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v1/payment_intents/{id}", get(retrieve))
        .route("/v1/checkout/sessions/{id}/line_items", get(line_items))
}

async fn retrieve(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let call = call("payment_intents.retrieve", &id, &headers);
    let authorised = has_secret_key(&headers);
    let act = move |state: &mut crate::world::State| {
        if !authorised {
            return unauthorised();
        }
        let Some(intent) = state.stripe.intent(&id) else {
            let said = format!("No such payment_intent: '{id}'");
            return error(
                StatusCode::NOT_FOUND,
                "invalid_request_error",
                Some("resource_missing"),
                &said,
            );
        };
        let received = if intent.status == "succeeded" {
            intent.amount
        } else {
            0
        };
        Json(json!({
            "id": intent.id,
            "object": "payment_intent",
            "amount": intent.amount,
            "amount_capturable": 0,
            "amount_received": received,
            "capture_method": "automatic_async",
            "created": 1_700_000_000,
            "currency": intent.currency,
            "livemode": false,
            "metadata": {},
            "payment_method_types": ["card"],
            "status": intent.status,
        }))
        .into_response()
    };
    world.answer(call, &cut, act).await
}

async fn line_items(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let call = call("checkout.sessions.list_line_items", &id, &headers);
    let authorised = has_secret_key(&headers);
    let page = Page::read(query.as_deref().unwrap_or_default());
    let act = move |state: &mut crate::world::State| {
        if !authorised {
            return unauthorised();
        }
        let Some(items) = state.stripe.items(&id) else {
            let said = format!("No such checkout session: '{id}'");
            return error(
                StatusCode::NOT_FOUND,
                "invalid_request_error",
                Some("resource_missing"),
                &said,
            );
        };
        Json(page.of(&id, &items)).into_response()
    };
    world.answer(call, &cut, act).await
}

/// What a list request asked for.
struct Page {
    limit: usize,
    starting_after: Option<String>,
    expand_product: bool,
}

impl Page {
    fn read(query: &str) -> Page {
        let mut page = Page {
            limit: 10,
            starting_after: None,
            expand_product: false,
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let expand = name.starts_with("expand");
            if name == "limit" {
                page.limit = value.parse().unwrap_or(10).clamp(1, 100);
            } else if name == "starting_after" {
                page.starting_after = Some(value.to_owned());
            } else if expand && value == "data.price.product" {
                page.expand_product = true;
            }
        }
        page
    }

    fn of(&self, session: &str, items: &[CartItem]) -> Value {
        let after = self.starting_after.as_deref();
        let start = (0..items.len())
            .find(|at| Some(line_id(session, *at).as_str()) == after)
            .map_or(0, |at| at + 1);
        let end = items.len().min(start + self.limit);
        let lines = (start..end).map(|at| self.line(session, at, &items[at]));
        json!({
            "object": "list",
            "data": lines.collect::<Vec<_>>(),
            "has_more": end < items.len(),
            "url": format!("/v1/checkout/sessions/{session}/line_items"),
        })
    }

    fn line(&self, session: &str, at: usize, item: &CartItem) -> Value {
        let product_id = format!("prod_{}", item.sku.as_deref().unwrap_or("UNLISTED"));
        let known = [
            ("productId", &item.product_id),
            ("sku", &item.sku),
            ("variantId", &item.variant_id),
            ("size", &item.size),
            ("color", &item.color),
        ];
        let metadata: BTreeMap<_, _> = known
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
            .collect();
        let product = if self.expand_product {
            json!({ "id": product_id, "object": "product", "active": false, "metadata": metadata, "name": item.name })
        } else {
            json!(product_id)
        };
        json!({
            "id": line_id(session, at),
            "object": "item",
            "amount_discount": 0,
            "amount_subtotal": item.total(),
            "amount_tax": 0,
            "amount_total": item.total(),
            "currency": "usd",
            "description": item.name,
            "price": {
                "id": format!("price_{}", item.variant_id.as_deref().unwrap_or("unlisted")),
                "object": "price",
                "currency": "usd",
                "product": product,
                "type": "one_time",
                "unit_amount": item.unit_cents,
            },
            "quantity": item.quantity,
        })
    }
}

fn line_id(session: &str, at: usize) -> String {
    format!("li_{session}_{at}")
}

fn call(operation: &'static str, subject: &str, headers: &HeaderMap) -> Call {
    Call {
        service: Service::Stripe,
        operation,
        subject: subject.to_owned(),
        idempotency_key: idempotency_key(headers),
    }
}

fn has_secret_key(headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|key| key.starts_with("sk_") || key.starts_with("rk_"))
}

fn unauthorised() -> Response {
    let said = "You did not provide an API key.";
    error(
        StatusCode::UNAUTHORIZED,
        "invalid_request_error",
        None,
        said,
    )
}

/// Stripe's error object.
pub(crate) fn error(status: StatusCode, kind: &str, code: Option<&str>, said: &str) -> Response {
    let mut error = json!({ "message": said, "type": kind });
    if let Some(code) = code {
        error["code"] = json!(code);
    }
    (status, Json(json!({ "error": error }))).into_response()
}
