//! One mail for one key, and an order that goes on without one.

use stepwell_fakes::{Mode, Service, Switch};
use tempfile::tempdir;

use super::*;
use crate::testing::{config, fakes, order, shop, tee};

#[tokio::test]
async fn a_mail_names_the_order_its_items_and_where_to_follow_it() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let mail = shop(&fakes, &dir).await.mail;
    let confirmation = mail.confirm(&order("ord_1"), "run/step").await.unwrap();
    let sent = fakes.mails().remove(0);
    assert_eq!(confirmation.id.as_ref(), Some(&sent.id));
    assert_eq!(sent.to, ["ada@customer.example"]);
    assert_eq!(sent.idempotency_key.as_deref(), Some("run/step"));
    assert_eq!(sent.subject, "Order ord_1 confirmed");
    for part in [
        "<td>AAI Tee</td><td>1</td>",
        "$28.00 USD",
        "http://localhost:3000/orders/ord_1",
    ] {
        assert!(sent.html.contains(part), "{part} in {}", sent.html);
    }
}

#[tokio::test]
async fn a_lost_reply_and_a_replay_send_one_mail() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let mail = shop(&fakes, &dir).await.mail;
    fakes.switch(Switch::new(Service::Resend, Mode::DropReply).times(1));
    mail.confirm(&order("ord_1"), "run/step").await.unwrap_err();
    let confirmation = mail.confirm(&order("ord_1"), "run/step").await.unwrap();
    assert!(confirmation.sent);
    assert_eq!(fakes.mails().len(), 1);
    assert_eq!(fakes.calls().received(Service::Resend), 2);
}

#[tokio::test]
async fn what_is_not_set_is_named_and_nobody_is_called() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let both = ["RESEND_API_KEY", "ORDER_EMAIL_FROM"];
    for (unset, skipped) in [
        (&both[..], "RESEND_API_KEY + ORDER_EMAIL_FROM"),
        (&both[1..], both[1]),
    ] {
        let shop = crate::Shop::connect(config(&fakes, &dir, unset))
            .await
            .unwrap();
        let confirmation = shop
            .mail
            .confirm(&order("ord_1"), "run/step")
            .await
            .unwrap();
        assert_eq!(confirmation.skipped.as_deref(), Some(skipped));
        assert!(!confirmation.sent);
    }
    let mut nobody = order("ord_1");
    nobody.encrypted.customer_email = None;
    let shop = shop(&fakes, &dir).await;
    let confirmation = shop.mail.confirm(&nobody, "run/step").await.unwrap();
    assert_eq!(confirmation.skipped.as_deref(), Some("customerEmail"));
    assert_eq!(fakes.calls().received(Service::Resend), 0);
}

#[tokio::test]
async fn a_refused_mail_says_its_status_and_nothing_of_the_reply() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let mail = shop(&fakes, &dir).await.mail;
    let mode = Mode::Fail {
        status: 422,
        retry_after_s: None,
    };
    fakes.switch(Switch::new(Service::Resend, mode));
    let error = mail.confirm(&order("ord_1"), "run/step").await.unwrap_err();
    assert_eq!(error.to_string(), "call resend: it refused with 422");
    let given_up = Confirmation::given_up(&error);
    let recorded = serde_json::to_value(given_up).unwrap();
    let expected =
        serde_json::json!({ "sent": false, "error": "call resend: it refused with 422" });
    assert_eq!(recorded, expected);
}

#[test]
fn names_cannot_become_markup() {
    let mut order = order("<ord>&1");
    order.line_items = vec![tee("M", 1)];
    order.line_items[0].product_name = Some("<script>alert('\"')</script>".to_owned());
    let html = html(&order, "https://swag.example");
    assert!(
        !html.contains("<script>") && !html.contains("<ord>"),
        "{html}"
    );
    assert!(
        html.contains("&lt;script&gt;alert(&#39;&quot;&#39;)"),
        "{html}"
    );
    assert!(html.contains("&lt;ord&gt;&amp;1"), "{html}");
}
