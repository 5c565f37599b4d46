//! The event's wire form and its silence about the customer.

use serde_json::json;

use super::*;

#[test]
fn an_event_with_every_field_keeps_its_names_on_the_wire() {
    let wire = json!({
        "orderId": "ord_1",
        "appOrigin": "https://swag.example",
        "stripeSessionId": "cs_1",
        "stripePaymentIntentId": "pi_1",
        "encrypted": {
            "customerEmail": "ada@customer.example",
            "customerName": "Ada",
            "customerPhone": "+15550100",
            "shipping": {
                "name": "Ada", "line1": "1 Way", "line2": null, "city": "Portland",
                "state": "OR", "postalCode": "97201", "country": "US",
            },
        },
        "amountTotal": 2800,
        "currency": "usd",
        "discount": { "code": "SALES-1", "amountCents": 100 },
        "lineItems": [{
            "description": "AAI Tee", "quantity": 1, "amountTotal": 2800, "priceId": "price_1",
            "productId": "aai-tee", "productName": "AAI Tee", "sku": "INN-AAI-TEE",
            "variantId": "var_aai-tee-grey-m", "size": "M", "color": "Grey",
        }],
        "metadata": { "orderId": "ord_1" },
    });
    let order: OrderPlaced = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(serde_json::to_value(order).unwrap(), wire);
}

#[test]
fn an_event_typed_by_hand_needs_only_id_amount_currency_and_items() {
    let wire = json!({
        "orderId": "ord_1", "amountTotal": 0, "currency": "usd",
        "lineItems": [{ "sku": "INN-AAI-TEE", "quantity": 1 }],
    });
    let order: OrderPlaced = serde_json::from_value(wire).unwrap();
    assert_eq!(order.encrypted, Customer::default());
    assert_eq!(order.line_items[0].name(), "");
}

#[test]
fn the_debug_text_of_an_order_names_no_person() {
    let order = crate::testing::order("ord_1");
    let shown = format!("{order:?} {:?}", order.encrypted.shipping);
    for personal in ["ada@", "Ada", "Analytical", "5550100", "97201"] {
        assert!(!shown.contains(personal), "{personal} in {shown}");
    }
}

#[test]
fn the_customer_is_called_by_name_then_recipient_then_mailbox() {
    let mut customer = Customer {
        customer_email: Some("ada.l@customer.example".to_owned()),
        customer_name: Some("Ada".to_owned()),
        customer_phone: None,
        shipping: Some(Shipping {
            name: Some("Byron".to_owned()),
            ..Shipping::default()
        }),
    };
    assert_eq!(customer.name(), "Ada");
    customer.customer_name = None;
    assert_eq!(customer.name(), "Byron");
    customer.shipping = None;
    assert_eq!(customer.name(), "ada.l");
    customer.customer_email = None;
    assert_eq!(customer.name(), "");
}
