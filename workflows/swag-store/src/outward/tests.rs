//! What a reply means for the step that asked.

use stepwell_fakes::{Mode, Service, Switch};
use tempfile::tempdir;

use super::*;
use crate::testing::{config, fakes, order, shop};

#[tokio::test]
async fn a_reply_says_whether_another_attempt_may_help() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    let seven = Some(Duration::from_secs(7));
    for (status, retry_after, expected) in [
        (429, seven, Retry::After(Duration::from_secs(7))),
        (429, None, Retry::Later),
        (409, None, Retry::Later),
        (408, None, Retry::Later),
        (500, None, Retry::Later),
        (503, seven, Retry::After(Duration::from_secs(7))),
        (400, None, Retry::Never),
        (401, None, Retry::Never),
        (404, seven, Retry::Never),
        (302, None, Retry::Never),
    ] {
        let retry_after_s = retry_after.map(|wait| wait.as_secs());
        fakes.switch(
            Switch::new(
                Service::Stripe,
                Mode::Fail {
                    status,
                    retry_after_s,
                },
            )
            .times(1),
        );
        let error = shop
            .stripe
            .capture(&order("ord_1"), "key")
            .await
            .unwrap_err();
        assert_eq!(error.retry(), expected, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_lost_reply_a_hanging_and_an_absent_service_are_tried_again() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let mut config = config(&fakes, &dir, &[]);
    config.call_timeout = Duration::from_millis(50);
    let absent = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for mode in [Some(Mode::DropReply), Some(Mode::Hang), None] {
        match mode {
            Some(mode) => fakes.switch(Switch::new(Service::Stripe, mode).times(1)),
            None => config.stripe.api_base = Url::parse(&format!("http://{absent}")).unwrap(),
        }
        let shop = crate::Shop::connect(config.clone()).await.unwrap();
        let error = shop
            .stripe
            .capture(&order("ord_1"), "key")
            .await
            .unwrap_err();
        assert_eq!(error.retry(), Retry::Later, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("call stripe: no reply: "), "{text}");
        assert!(!text.contains("http://"), "{text}");
    }
}

#[tokio::test]
async fn a_missing_key_is_named_and_may_be_set_before_the_next_attempt() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let config = config(&fakes, &dir, &["STRIPE_SECRET_KEY"]);
    let shop = crate::Shop::connect(config).await.unwrap();
    let error = shop
        .stripe
        .capture(&order("ord_1"), "key")
        .await
        .unwrap_err();
    assert_eq!(error.retry(), Retry::Later);
    assert!(error.to_string().contains("STRIPE_SECRET_KEY"), "{error}");
}

#[test]
fn patience_is_asked_for_in_seconds_or_as_a_date_and_has_a_bound() {
    let asked = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(asked("3"), Some(Duration::from_secs(3)));
    assert_eq!(asked("999999"), Some(RETRY_AFTER_MAX));
    assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    assert_eq!(
        asked("Wed, 21 Oct 2065 07:28:00 GMT"),
        Some(RETRY_AFTER_MAX)
    );
    assert_eq!(asked("soon"), None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

#[test]
fn only_a_plain_word_of_an_error_reply_is_repeated() {
    for (body, expected) in [
        (
            serde_json::json!({ "error": { "code": "resource_missing", "message": "ada@x" } }),
            Some("resource_missing"),
        ),
        (
            serde_json::json!({ "error": { "code": 404, "status": "NOT_FOUND" } }),
            Some("NOT_FOUND"),
        ),
        (
            serde_json::json!({ "error": "invalid_grant", "error_description": "ada@x" }),
            Some("invalid_grant"),
        ),
        (
            serde_json::json!({ "name": "validation_error" }),
            Some("validation_error"),
        ),
        (
            serde_json::json!({ "error": "no mailbox ada@customer.example" }),
            None,
        ),
        (serde_json::json!({ "name": "x".repeat(65) }), None),
        (serde_json::json!([]), None),
    ] {
        assert_eq!(code(&body).as_deref(), expected, "{body}");
    }
}

#[test]
fn path_segments_cannot_break_out() {
    let base = Url::parse("http://127.0.0.1:1/stripe/").unwrap();
    let url = below(&base, &["v1", "payment_intents", "../x?y=1#z"]);
    assert_eq!(
        url.as_str(),
        "http://127.0.0.1:1/stripe/v1/payment_intents/..%2Fx%3Fy=1%23z"
    );
}
