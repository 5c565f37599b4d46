//! A payment is confirmed when Stripe has the money, and not before.

use stepwell_fakes::{PaymentIntent, Service};
use tempfile::tempdir;

use super::*;
use crate::testing::{fakes, order, shop};

fn intent(id: &str, status: &str) -> PaymentIntent {
    PaymentIntent {
        id: id.to_owned(),
        status: status.to_owned(),
        amount: 4_200,
        currency: "eur".to_owned(),
    }
}

#[tokio::test]
async fn a_payment_that_succeeded_is_recorded_as_stripe_has_it() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let stripe = shop(&fakes, &dir).await.stripe;
    fakes.put_payment_intent(intent("pi_ord_1", "succeeded"));
    let payment = stripe.capture(&order("ord_1"), "run/step").await.unwrap();
    let expected = serde_json::json!({
        "paymentIntentId": "pi_ord_1", "status": "succeeded", "amount": 4200, "currency": "eur",
    });
    assert_eq!(serde_json::to_value(payment).unwrap(), expected);
    let calls = fakes.calls();
    let call = calls.of(Service::Stripe).next().unwrap();
    assert_eq!(call.subject, "pi_ord_1");
    assert_eq!(call.idempotency_key.as_deref(), Some("run/step"));
}

#[tokio::test]
async fn a_payment_in_any_other_state_is_asked_for_again() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let stripe = shop(&fakes, &dir).await.stripe;
    for status in [
        "processing",
        "requires_payment_method",
        "requires_action",
        "canceled",
    ] {
        fakes.put_payment_intent(intent("pi_ord_1", status));
        let error = stripe.capture(&order("ord_1"), "key").await.unwrap_err();
        assert_eq!(error.retry(), Retry::Later, "{status}");
        assert!(
            error.to_string().contains(&format!("pi_ord_1 is {status}")),
            "{error}"
        );
    }
    fakes.put_payment_intent(intent("pi_ord_1", "succeeded"));
    assert!(stripe.capture(&order("ord_1"), "key").await.is_ok());
}

#[tokio::test]
async fn an_order_without_a_payment_is_mocked_and_nobody_is_called() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let stripe = shop(&fakes, &dir).await.stripe;
    let mut free = order("ord_1");
    free.stripe_payment_intent_id = None;
    free.amount_total = 0;
    let payment = stripe.capture(&free, "key").await.unwrap();
    let expected = serde_json::json!({ "status": "mocked", "amount": 0, "currency": "usd" });
    assert_eq!(serde_json::to_value(payment).unwrap(), expected);
    assert_eq!(fakes.calls().received(Service::Stripe), 0);
}

#[tokio::test]
async fn a_payment_stripe_does_not_know_is_final() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let stripe = shop(&fakes, &dir).await.stripe;
    let mut order = order("ord_1");
    order.stripe_payment_intent_id = Some("pi_missing_1".to_owned());
    let error = stripe.capture(&order, "key").await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.to_string(),
        "call stripe: it refused with 404 (resource_missing)"
    );
}
