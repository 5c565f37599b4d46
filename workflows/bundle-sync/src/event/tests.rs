//! Payloads on the wire, the ids of events, and what is not believed.

use serde_json::{Value, json};

use super::*;

fn envelope() -> Envelope {
    Envelope {
        version: VERSION,
        source_app: AppName::TotalTypescript,
        emitted_at: "2026-01-01T00:00:00.000Z".to_owned(),
    }
}

fn purchased() -> BundlePurchased {
    BundlePurchased {
        envelope: envelope(),
        purchase_id: "pur-1".to_owned(),
        buyer_email: Email::new("Ada@Buyer.example"),
        linked_user_id: None,
        source_user_id: Some("tt-ada".to_owned()),
        bundle_product_id: "tt_bundle".to_owned(),
        target_product_id: "ah-cohort".to_owned(),
        buyer_name: None,
        purchased_at: "2026-01-01T00:00:00Z".to_owned(),
        purchase_status: "Valid".to_owned(),
        cross_app_sync_id: "sync-1".to_owned(),
    }
}

fn changed(field: &str, value: Value) -> Result<(), BadEvent> {
    let mut payload = serde_json::to_value(purchased()).unwrap();
    payload[field] = value;
    serde_json::from_value::<BundlePurchased>(payload)
        .unwrap()
        .check()
}

#[test]
fn a_purchase_crosses_with_the_names_the_two_apps_agreed_on() {
    let payload = serde_json::to_value(purchased()).unwrap();
    let expected = json!({
        "version": 1,
        "sourceApp": "total-typescript",
        "emittedAt": "2026-01-01T00:00:00.000Z",
        "purchaseId": "pur-1",
        "buyerEmail": "Ada@Buyer.example",
        "sourceUserId": "tt-ada",
        "bundleProductId": "tt_bundle",
        "targetProductId": "ah-cohort",
        "purchasedAt": "2026-01-01T00:00:00Z",
        "purchaseStatus": "Valid",
        "crossAppSyncId": "sync-1",
    });
    assert_eq!(payload, expected);
    assert_eq!(purchased().id(), "bundle/purchased:pur-1:ah-cohort");
}

#[test]
fn a_field_that_breaks_its_rule_is_named_and_not_shown() {
    assert_eq!(changed("buyerEmail", "ada@buyer.example".into()), Ok(()));
    let long = "a".repeat(192);
    let broken: [(&str, Value); 9] = [
        ("version", 2.into()),
        ("emittedAt", "yesterday".into()),
        ("purchaseId", "".into()),
        ("purchaseId", long.into()),
        ("targetProductId", "two words".into()),
        ("buyerEmail", "no address".into()),
        ("purchasedAt", "2026-13-01".into()),
        ("purchaseStatus", "Refunded".into()),
        ("linkedUserId", "\n".into()),
    ];
    for (field, value) in broken {
        let shown = value.to_string();
        let bad = changed(field, value).unwrap_err();
        assert_eq!(bad.field, field);
        assert!(shown.len() < 4 || !bad.to_string().contains(&shown));
    }
}

#[test]
fn an_address_is_compared_trimmed_and_in_lower_case_with_dots_and_plus_kept() {
    let same = [" A.B+c@X.example ", "a.b+c@x.example"];
    let [one, other] = same.map(|address| Email::new(address).normalised());
    assert_eq!(one, other);
    let [dotless, plain] = ["ab+c@x.example", "a.b@x.example"].map(Email::new);
    assert_ne!(dotless.normalised(), one);
    assert_ne!(plain.normalised(), one);
}

#[test]
fn no_debug_text_holds_an_address() {
    assert!(!format!("{:?}", purchased()).contains('@'));
}
