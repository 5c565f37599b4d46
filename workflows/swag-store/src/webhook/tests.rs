//! The webhook as Stripe sees it: what is believed, what is sent, what is answered.

use std::cell::RefCell;
use std::ffi::OsString;

use axum::body::to_bytes;
use serde_json::Value;
use stepwell_fakes::{Cart, CartItem, Fakes, Mode, STRIPE_WEBHOOK_SECRET, Service, Switch};
use tempfile::TempDir;

use super::*;
use crate::Config;

/// A shop, the world around it, and an engine that only remembers what it was sent.
struct Scene {
    fakes: Fakes,
    shop: Shop,
    sent: RefCell<Vec<(OrderPlaced, String)>>,
    engine_is_up: bool,
    _dir: TempDir,
}

impl Scene {
    async fn new() -> Scene {
        Scene::without(&[]).await
    }

    async fn without(unset: &[&str]) -> Scene {
        let fakes = crate::testing::fakes().await;
        let dir = tempfile::tempdir().unwrap();
        let mut env = fakes.env();
        env.push(("APP_ORIGIN", "https://swag.example/".to_owned()));
        env.retain(|(name, _)| !unset.contains(name));
        let lookup = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let shop = Shop::connect(Config::read(dir.path(), lookup).unwrap())
            .await
            .unwrap();
        Scene {
            fakes,
            shop,
            sent: RefCell::default(),
            engine_is_up: true,
            _dir: dir,
        }
    }

    async fn deliver(&self, body: &str, signature: Option<&str>) -> (StatusCode, Value) {
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert("stripe-signature", signature.parse().unwrap());
        }
        let send = |order: OrderPlaced, id: String| async move {
            if !self.engine_is_up {
                return Err(SendError::ShuttingDown);
            }
            self.sent.borrow_mut().push((order, id));
            Ok(())
        };
        let reply = answer(accept(&self.shop, &headers, body.as_bytes(), send).await);
        let status = reply.status();
        let body = to_bytes(reply.into_body(), 65_536).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn deliver_signed(&self, body: &str) -> (StatusCode, Value) {
        let signature = signature::sign(STRIPE_WEBHOOK_SECRET, body.as_bytes(), now_s());
        self.deliver(body, Some(&signature)).await
    }

    fn sent(&self) -> Vec<(OrderPlaced, String)> {
        self.sent.borrow().clone()
    }
}

#[tokio::test]
async fn a_completed_checkout_becomes_one_event_with_every_field() {
    let scene = Scene::new().await;
    let items = vec![CartItem::tee("M").times(2), CartItem::socks()];
    let app_origin = Some("https://swag.example".to_owned());
    let paid = scene.fakes.pay(Cart {
        items,
        app_origin,
        ..Cart::default()
    });
    let reply = scene.deliver_signed(&paid.event).await;
    assert_eq!(reply, (StatusCode::OK, json!({ "received": true })));

    let [(order, id)] = scene.sent().try_into().unwrap();
    assert_eq!(id, format!("order-placed-{}", paid.session_id));
    assert_eq!(order.order_id, paid.order_id);
    assert_eq!(order.app_origin.as_deref(), Some("https://swag.example"));
    assert_eq!(order.stripe_payment_intent_id, paid.payment_intent_id);
    assert_eq!(order.amount_total, 6_800);
    assert_eq!(order.line_items.len(), 2);
    assert_eq!(
        order.line_items[0].variant_id.as_deref(),
        Some("var_aai-tee-grey-m")
    );
    assert_eq!(order.line_items[0].quantity, 2);
    assert_eq!(
        order.encrypted.customer_email.as_deref(),
        Some("ada@customer.example")
    );
}

#[tokio::test]
async fn a_signature_made_by_the_other_side_is_believed() {
    let scene = Scene::new().await;
    let paid = scene.fakes.pay(Cart::default());
    let (status, _) = scene.deliver(&paid.event, Some(&paid.signature)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(scene.sent().len(), 1);
}

#[tokio::test]
async fn a_session_of_many_lines_is_read_page_by_page() {
    let scene = Scene::new().await;
    let items = vec![CartItem::socks(); 230];
    let paid = scene.fakes.pay(Cart {
        items,
        ..Cart::default()
    });
    scene.deliver_signed(&paid.event).await;
    assert_eq!(scene.sent()[0].0.line_items.len(), 230);
    assert_eq!(scene.fakes.calls().received(Service::Stripe), 3);
}

#[tokio::test]
async fn every_delivery_of_a_session_sends_the_same_event_under_the_same_id() {
    let scene = Scene::new().await;
    let paid = scene.fakes.pay(Cart::default());
    for _ in 0..5 {
        assert_eq!(scene.deliver_signed(&paid.event).await.0, StatusCode::OK);
    }
    let sent = scene.sent();
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|event| *event == sent[0]));
}

#[tokio::test]
async fn what_is_not_signed_by_stripe_starts_nothing() {
    let scene = Scene::new().await;
    let body = scene.fakes.pay(Cart::default()).event;
    let good = signature::sign(STRIPE_WEBHOOK_SECRET, body.as_bytes(), now_s());
    let old = signature::sign(STRIPE_WEBHOOK_SECRET, body.as_bytes(), now_s() - 301);
    let other = signature::sign("whsec_other", body.as_bytes(), now_s());
    let altered = body.replace("usd", "eur");
    for (sent, signature, says) in [
        (&body, None, "missing stripe-signature"),
        (&body, Some(""), "read the stripe-signature"),
        (&body, Some("nonsense"), "read the stripe-signature"),
        (&body, Some(other.as_str()), "no v1 signature fits"),
        (&body, Some(old.as_str()), "more than the 300 s allowed"),
        (&altered, Some(good.as_str()), "no v1 signature fits"),
    ] {
        let (status, reply) = scene.deliver(sent, signature).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{signature:?}");
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains(says), "{says} in {error}");
    }
    assert!(scene.sent().is_empty());
    assert_eq!(scene.fakes.calls().received(Service::Stripe), 0);
}

#[tokio::test]
async fn other_notices_are_received_and_left_alone() {
    let scene = Scene::new().await;
    for kind in [
        "charge.refunded",
        "payment_intent.succeeded",
        "checkout.session.expired",
    ] {
        let body = json!({ "id": "evt_1", "type": kind, "data": { "object": {} } }).to_string();
        let reply = scene.deliver_signed(&body).await;
        assert_eq!(
            reply,
            (StatusCode::OK, json!({ "received": true })),
            "{kind}"
        );
    }
    assert!(scene.sent().is_empty());
}

#[tokio::test]
async fn an_order_of_another_deployment_is_ignored() {
    let scene = Scene::new().await;
    let theirs = Some("https://preview.example".to_owned());
    let paid = scene.fakes.pay(Cart {
        app_origin: theirs,
        ..Cart::default()
    });
    let reply = scene.deliver_signed(&paid.event).await;
    let expected = json!({ "received": true, "ignored": "foreign appOrigin" });
    assert_eq!(reply, (StatusCode::OK, expected));
    assert!(scene.sent().is_empty());

    let ours = Some("https://swag.example/".to_owned());
    let paid = scene.fakes.pay(Cart {
        app_origin: ours,
        ..Cart::default()
    });
    scene.deliver_signed(&paid.event).await;
    assert_eq!(scene.sent().len(), 1);
}

#[tokio::test]
async fn trouble_downstream_is_a_500_so_that_stripe_delivers_again() {
    let scene = Scene::new().await;
    let paid = scene.fakes.pay(Cart::default());
    let mode = Mode::Fail {
        status: 503,
        retry_after_s: None,
    };
    scene
        .fakes
        .switch(Switch::new(Service::Stripe, mode).times(1));
    assert_eq!(
        scene.deliver_signed(&paid.event).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert!(scene.sent().is_empty());
    assert_eq!(scene.deliver_signed(&paid.event).await.0, StatusCode::OK);

    let down = Scene {
        engine_is_up: false,
        ..Scene::new().await
    };
    let paid = down.fakes.pay(Cart::default());
    let (status, reply) = down.deliver_signed(&paid.event).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        reply["error"],
        "send store/order.placed: engine is shutting down"
    );
}

#[tokio::test]
async fn without_a_secret_nothing_is_believed() {
    let scene = Scene::without(&["STRIPE_WEBHOOK_SECRET"]).await;
    let paid = scene.fakes.pay(Cart::default());
    let (status, reply) = scene.deliver_signed(&paid.event).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        reply["error"]
            .as_str()
            .unwrap()
            .contains("STRIPE_WEBHOOK_SECRET")
    );
}

#[tokio::test]
async fn a_genuine_notice_that_makes_no_sense_is_refused_without_quoting_it() {
    let scene = Scene::new().await;
    for body in [
        "ada@customer.example".to_owned(),
        r#"{"type":"ada@customer.example"}"#.to_owned(),
        json!({ "type": "checkout.session.completed", "data": { "object": { "id": { "ada@": 1 } } } })
            .to_string(),
    ] {
        let (status, reply) = scene.deliver_signed(&body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(!reply.to_string().contains("ada@"), "{reply}");
    }
    assert!(scene.sent().is_empty());
}
