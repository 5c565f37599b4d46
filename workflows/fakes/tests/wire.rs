//! The fakes over loopback: wire formats, counters, switches.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use stepwell_fakes::{
    Calls, Cart, CartItem, Fakes, Mail, Mode, ORDERS_SHEET_ID, ORDERS_SHEET_NAME, PaidCheckout,
    Service, Switch,
};

async fn start() -> (Fakes, Client) {
    let fakes = Fakes::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let client = Client::builder().tls_certs_only([]).build().unwrap();
    (fakes, client)
}

async fn get(fakes: &Fakes, client: &Client, path: &str) -> (StatusCode, Value) {
    let url = format!("{}{path}", fakes.url());
    let reply = client
        .get(url)
        .bearer_auth("sk_test_1")
        .send()
        .await
        .unwrap();
    (reply.status(), reply.json().await.unwrap())
}

fn mail(client: &Client, fakes: &Fakes, key: &str, subject: &str) -> reqwest::RequestBuilder {
    let body = json!({ "from": "a@shop.example", "to": ["b@customer.example"], "subject": subject, "html": "<p>" });
    let request = client.post(format!("{}/resend/emails", fakes.url()));
    request
        .bearer_auth("re_1")
        .header("Idempotency-Key", key)
        .json(&body)
}

#[tokio::test]
async fn a_paid_checkout_is_known_to_stripe_with_its_lines_and_payment() {
    let (fakes, client) = start().await;
    let items = vec![CartItem::tee("M").times(2), CartItem::socks()];
    let paid = fakes.pay(Cart {
        items,
        ..Cart::default()
    });
    let intent = paid.payment_intent_id.clone().unwrap();

    let (status, body) = get(
        &fakes,
        &client,
        &format!("/stripe/v1/payment_intents/{intent}"),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["status"], "succeeded");
    assert_eq!(body["amount"], 6_800);

    let session = &paid.session_id;
    let list = format!("/stripe/v1/checkout/sessions/{session}/line_items");
    let (_, first) = get(
        &fakes,
        &client,
        &format!("{list}?limit=1&expand[]=data.price.product"),
    )
    .await;
    assert_eq!(first["has_more"], true);
    let line = &first["data"][0];
    assert_eq!(line["quantity"], 2);
    assert_eq!(
        line["price"]["product"]["metadata"]["variantId"],
        "var_aai-tee-grey-m"
    );
    let after = line["id"].as_str().unwrap();
    let (_, second) = get(
        &fakes,
        &client,
        &format!("{list}?limit=1&starting_after={after}"),
    )
    .await;
    assert_eq!(second["has_more"], false);
    assert_eq!(second["data"][0]["price"]["product"], "prod_INN-STEP-SOCKS");

    let event: Value = serde_json::from_str(&paid.event).unwrap();
    assert_eq!(
        event["data"]["object"]["metadata"]["orderId"],
        paid.order_id.as_str()
    );
}

#[tokio::test]
async fn a_checkout_that_costs_nothing_has_no_payment() {
    let (fakes, _) = start().await;
    let discount = Some(("DEVREL-1".to_owned(), 2_800));
    let paid = fakes.pay(Cart {
        discount,
        ..Cart::default()
    });
    assert_eq!(paid.payment_intent_id, None);
}

#[tokio::test]
async fn ids_typed_by_hand_say_in_what_state_they_are() {
    let (fakes, client) = start().await;
    for (id, state) in [("pi_1", "succeeded"), ("pi_processing_1", "processing")] {
        let (_, body) = get(&fakes, &client, &format!("/stripe/v1/payment_intents/{id}")).await;
        assert_eq!(body["status"], state);
    }
    let (status, body) = get(&fakes, &client, "/stripe/v1/payment_intents/pi_missing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["code"], "resource_missing");
}

#[tokio::test]
async fn one_key_sends_one_mail_and_another_content_under_it_is_a_conflict() {
    let (fakes, client) = start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let reply = mail(&client, &fakes, "k1", "hello").send().await.unwrap();
        ids.push(reply.json::<Value>().await.unwrap()["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2]);
    let other = mail(&client, &fakes, "k1", "changed").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::CONFLICT);
    assert_eq!(fakes.mails().len(), 1);
    assert_eq!(fakes.calls().received(Service::Resend), 4);
}

#[tokio::test]
async fn a_dropped_reply_leaves_the_effect_and_no_answer() {
    let (fakes, client) = start().await;
    fakes.switch(Switch::new(Service::Resend, Mode::DropReply).times(1));
    let error = mail(&client, &fakes, "k1", "hello")
        .send()
        .await
        .unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
    assert_eq!(fakes.mails().len(), 1);
    let again = mail(&client, &fakes, "k1", "hello").send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(fakes.mails().len(), 1);
}

#[tokio::test]
async fn a_failing_service_answers_in_its_own_shape_and_does_not_act() {
    let (fakes, client) = start().await;
    let mode = Mode::Fail {
        status: 429,
        retry_after_s: Some(7),
    };
    fakes.switch(Switch::new(Service::Resend, mode).times(2));
    for _ in 0..2 {
        let reply = mail(&client, &fakes, "k1", "hello").send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(reply.headers()["retry-after"], "7");
        assert_eq!(reply.json::<Value>().await.unwrap()["statusCode"], 429);
    }
    assert_eq!(fakes.calls().acted(Service::Resend), 0);
    assert!(
        mail(&client, &fakes, "k1", "hello")
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    assert_eq!(fakes.calls().acted(Service::Resend), 1);
}

#[tokio::test]
async fn what_hangs_is_released_when_the_service_is_restored() {
    let (fakes, client) = start().await;
    fakes.switch(Switch::new(Service::Resend, Mode::Hang));
    let hanging = tokio::spawn(mail(&client, &fakes, "k1", "hello").send());
    while fakes.calls().received(Service::Resend) == 0 {
        tokio::task::yield_now().await;
    }
    fakes.restore(Service::Resend);
    let reply = hanging.await.unwrap().unwrap();
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(fakes.mails().is_empty());
}

#[tokio::test]
async fn a_slow_service_acts_and_answers() {
    let (fakes, client) = start().await;
    fakes.switch(Switch::new(Service::Resend, Mode::Slow { delay_ms: 1 }).times(1));
    let reply = mail(&client, &fakes, "k1", "hello").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(fakes.mails().len(), 1);
}

#[tokio::test]
async fn the_sheet_is_closed_to_those_without_a_token_of_its_own() {
    let (fakes, client) = start().await;
    let range = format!("/google/v4/spreadsheets/{ORDERS_SHEET_ID}/values/{ORDERS_SHEET_NAME}!A:A");
    let (status, body) = get(&fakes, &client, &range).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["error"]["status"], "UNAUTHENTICATED");
    let grant = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", "forged.by.nobody"),
    ];
    let token = client
        .post(format!("{}/google/token", fakes.url()))
        .form(&grant);
    let reply = token.send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        reply.json::<Value>().await.unwrap()["error"],
        "invalid_grant"
    );
}

#[tokio::test]
async fn another_process_steers_by_http() {
    let (fakes, client) = start().await;
    let control = |path: &str| format!("{}/_fakes/{path}", fakes.url());

    let switch = json!({ "service": "resend", "mode": "fail", "status": 503, "times": 1 });
    let reply = client
        .post(control("switch"))
        .json(&switch)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::NO_CONTENT);
    let failed = mail(&client, &fakes, "k1", "hello").send().await.unwrap();
    assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
    mail(&client, &fakes, "k1", "hello").send().await.unwrap();

    let cart = json!({ "orderId": "ord_http" });
    let paid = client
        .post(control("checkout"))
        .json(&cart)
        .send()
        .await
        .unwrap();
    assert_eq!(
        paid.json::<PaidCheckout>().await.unwrap().order_id,
        "ord_http"
    );

    let calls: Calls = client
        .get(control("calls"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mails: Vec<&_> = calls.of(Service::Resend).collect();
    assert_eq!((mails[0].received, mails[0].acted), (2, 1));
    assert_eq!(mails[0].idempotency_key.as_deref(), Some("k1"));
    let sent: Vec<Mail> = client
        .get(control("mails"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(sent.len(), 1);
}

#[tokio::test]
async fn slack_keeps_what_was_posted() {
    let (fakes, client) = start().await;
    let env = fakes.env();
    let (_, url) = env
        .iter()
        .find(|(name, _)| *name == "SLACK_WEBHOOK_URL")
        .unwrap();
    let reply = client
        .post(url)
        .json(&json!({ "text": "low stock" }))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.text().await.unwrap(), "ok");
    assert_eq!(fakes.slack_posts()[0]["text"], "low stock");
}

#[tokio::test]
async fn a_route_nobody_plays_is_said_to_be_missing() {
    let (fakes, client) = start().await;
    let (status, _) = get(&fakes, &client, "/stripe/v1/refunds").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
