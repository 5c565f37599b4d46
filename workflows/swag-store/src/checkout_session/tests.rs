//! From Stripe's words to ours.

use serde_json::json;
use stepwell_fakes::{Cart, CartItem};

use super::*;
use crate::testing::fakes;

const HERE: &str = "https://swag.example";

fn session(value: Value) -> CheckoutSession {
    serde_json::from_value(value).unwrap()
}

fn order(value: Value) -> OrderPlaced {
    session(value).into_order(HERE, Vec::new())
}

#[tokio::test]
async fn a_whole_session_fills_the_whole_event() {
    let fakes = fakes().await;
    let paid = fakes.pay(Cart {
        order_id: Some("ord_1".to_owned()),
        session_id: Some("cs_1".to_owned()),
        items: vec![CartItem::tee("M").times(2)],
        discount: Some(("SALES-1".to_owned(), 500)),
        ..Cart::default()
    });
    let event: StripeEvent = serde_json::from_str(&paid.event).unwrap();
    assert_eq!(event.kind, "checkout.session.completed");
    let order = order(event.data.object);
    assert_eq!(order.order_id, "ord_1");
    assert_eq!(order.app_origin.as_deref(), Some(HERE));
    assert_eq!(order.stripe_session_id.as_deref(), Some("cs_1"));
    assert_eq!(order.stripe_payment_intent_id, paid.payment_intent_id);
    assert_eq!(order.amount_total, 5_100);
    assert_eq!(order.currency, "usd");
    let discount = order.discount.unwrap();
    assert_eq!(
        (discount.code.as_str(), discount.amount_cents),
        ("SALES-1", 500)
    );
    assert_eq!(order.metadata["discountCode"], "SALES-1");
    let customer = order.encrypted;
    assert_eq!(
        customer.customer_email.as_deref(),
        Some("ada@customer.example")
    );
    assert_eq!(customer.customer_name.as_deref(), Some("Ada Example"));
    assert_eq!(customer.customer_phone.as_deref(), Some("+15550100"));
    let shipping = customer.shipping.unwrap();
    assert_eq!(shipping.line2.as_deref(), Some("Engine Room"));
    assert_eq!(shipping.postal_code.as_deref(), Some("97201"));
}

#[test]
fn a_bare_session_names_the_order_after_itself() {
    let order = order(json!({ "id": "cs_1" }));
    assert_eq!(order.order_id, "cs_1");
    assert_eq!(order.stripe_payment_intent_id, None);
    assert_eq!(order.discount, None);
    assert_eq!(order.encrypted, Customer::default());
}

#[test]
fn a_payment_may_be_an_id_or_an_object() {
    for payment in [
        json!("pi_1"),
        json!({ "id": "pi_1", "object": "payment_intent" }),
    ] {
        let order = order(json!({ "id": "cs_1", "payment_intent": payment }));
        assert_eq!(order.stripe_payment_intent_id.as_deref(), Some("pi_1"));
    }
    assert_eq!(
        order(json!({ "id": "cs_1", "payment_intent": null })).stripe_payment_intent_id,
        None
    );
}

#[test]
fn the_customer_falls_back_to_what_the_session_knows() {
    let order = order(json!({
        "id": "cs_1",
        "customer_email": "early@customer.example",
        "customer_details": { "email": null, "name": null, "phone": null },
        "collected_information": { "shipping_details": { "name": "Recipient", "address": null } },
    }));
    assert_eq!(
        order.encrypted.customer_email.as_deref(),
        Some("early@customer.example")
    );
    assert_eq!(order.encrypted.customer_name.as_deref(), Some("Recipient"));
}

#[test]
fn a_discount_is_worth_what_stripe_took_off_else_what_was_reckoned() {
    let metadata = json!({ "discountCode": "SALES-1", "discountAmountCents": "700" });
    let worth = |details: Value| {
        let session = json!({ "id": "cs_1", "metadata": metadata, "total_details": details });
        order(session).discount.unwrap().amount_cents
    };
    assert_eq!(worth(json!({ "amount_discount": 650 })), 650);
    assert_eq!(worth(json!({ "amount_discount": null })), 700);
    assert_eq!(worth(Value::Null), 700);
    assert_eq!(
        order(json!({ "id": "cs_1", "metadata": { "discountCode": "" } })).discount,
        None
    );
}

#[test]
fn a_line_takes_its_goods_from_the_products_metadata() {
    let item: StripeLineItem = serde_json::from_value(json!({
        "id": "li_1", "description": "Tee", "quantity": 2, "amount_total": 5600,
        "price": { "id": "price_1", "product": {
            "id": "prod_1", "name": "AAI Tee",
            "metadata": { "productId": "aai-tee", "sku": "S", "variantId": "v", "size": "M", "color": "" },
        } },
    }))
    .unwrap();
    let line = item.into_line();
    assert_eq!(line.product_name.as_deref(), Some("AAI Tee"));
    assert_eq!(line.product_id.as_deref(), Some("aai-tee"));
    assert_eq!(line.variant_id.as_deref(), Some("v"));
    assert_eq!(line.color, None, "an empty value says nothing");
    assert_eq!((line.quantity, line.amount_total), (2, 5_600));
}

#[test]
fn a_line_whose_product_was_not_expanded_still_has_its_id() {
    let wire = json!({ "id": "li_1", "price": { "id": "price_1", "product": "prod_1" } });
    let item: StripeLineItem = serde_json::from_value(wire).unwrap();
    let line = item.into_line();
    assert_eq!(line.product_id.as_deref(), Some("prod_1"));
    assert_eq!(line.quantity, 1);
}
