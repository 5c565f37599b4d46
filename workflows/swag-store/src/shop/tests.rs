//! The bodies of the steps: what they record, when they fail, what they survive.

use serde_json::{Value, json};
use stepwell::{RunId, StepAddress};
use stepwell_fakes::{Mode, Service, Switch};
use tempfile::tempdir;

use super::*;
use crate::testing::{config, fakes, order, shop};

fn attempt(step: &str, number: u32) -> Attempt {
    let run = RunId::from_bytes([7; 16]);
    Attempt::new(run, StepAddress::root(step, 1).unwrap(), number)
}

fn mail_attempt(number: u32) -> Attempt {
    attempt("send-confirmation", number)
}

fn recorded(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[tokio::test]
async fn a_mail_is_tried_again_and_given_up_with_the_last_attempt() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    let mode = Mode::Fail {
        status: 503,
        retry_after_s: Some(3_600),
    };
    fakes.switch(Switch::new(Service::Resend, mode));
    for number in 1..=MAIL_RETRIES {
        let error = shop
            .confirm(&order("ord_1"), &mail_attempt(number))
            .await
            .unwrap_err();
        assert!(!error.is_terminal(), "{error:?}");
        // The packing does not wait an hour because the mail provider would like that.
        assert!(format!("{error:?}").starts_with("retryable"), "{error:?}");
    }
    let last = shop
        .confirm(&order("ord_1"), &mail_attempt(MAIL_RETRIES + 1))
        .await
        .unwrap();
    let error = "call resend: it answered 503: try again later";
    assert_eq!(recorded(&last), json!({ "sent": false, "error": error }));
}

#[tokio::test]
async fn a_refused_mail_is_given_up_at_once() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    let mode = Mode::Fail {
        status: 401,
        retry_after_s: None,
    };
    fakes.switch(Switch::new(Service::Resend, mode));
    let first = shop
        .confirm(&order("ord_1"), &mail_attempt(1))
        .await
        .unwrap();
    let error = "call resend: it refused with 401";
    assert_eq!(recorded(&first), json!({ "sent": false, "error": error }));
    assert_eq!(fakes.calls().received(Service::Resend), 1);
}

#[tokio::test]
async fn every_attempt_at_the_mail_sends_the_same_one() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    fakes.switch(Switch::new(Service::Resend, Mode::DropReply).times(1));
    shop.confirm(&order("ord_1"), &mail_attempt(1))
        .await
        .unwrap_err();
    let second = shop
        .confirm(&order("ord_1"), &mail_attempt(2))
        .await
        .unwrap();
    assert!(second.sent);
    assert_eq!(fakes.mails().len(), 1);
}

#[tokio::test]
async fn a_final_refusal_of_the_payment_is_terminal_and_a_pending_one_is_not() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    for (payment, terminal) in [("pi_missing_1", true), ("pi_processing_1", false)] {
        let mut order = order("ord_1");
        order.stripe_payment_intent_id = Some(payment.to_owned());
        let error = shop
            .capture(&order, &attempt("capture-payment", 1))
            .await
            .unwrap_err();
        assert_eq!(error.is_terminal(), terminal, "{error:?}");
    }
}

#[tokio::test]
async fn an_order_is_in_the_database_before_the_sheet_is_asked() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    let mode = Mode::Fail {
        status: 503,
        retry_after_s: None,
    };
    fakes.switch(Switch::new(Service::Sheets, mode).times(1));
    shop.record(&order("ord_1")).await.unwrap_err();
    let orders: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders")
        .fetch_one(shop.db.pool())
        .await
        .unwrap();
    assert_eq!(orders, 1);
    assert!(fakes.sheet_rows().is_empty());
}

#[tokio::test]
async fn a_replay_of_the_record_leaves_one_row_in_both_places() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    fakes.switch(
        Switch::new(Service::Sheets, Mode::DropReply)
            .on("values.append")
            .times(1),
    );
    shop.record(&order("ord_1")).await.unwrap_err();
    let second = recorded(&shop.record(&order("ord_1")).await.unwrap());
    assert_eq!(second["appended"], false);
    assert_eq!(second["updatedRange"], "Orders!A2:P2");
    let third = recorded(&shop.record(&order("ord_1")).await.unwrap());
    assert_eq!(third["updatedRange"], second["updatedRange"]);
    let created_at: Vec<String> = sqlx::query_scalar("SELECT created_at FROM orders")
        .fetch_all(shop.db.pool())
        .await
        .unwrap();
    let rows = fakes.sheet_rows();
    assert_eq!((rows.len(), created_at.len()), (1, 1));
    assert_eq!(
        rows[0][1], created_at[0],
        "sheet and database name the same moment"
    );
}

#[tokio::test]
async fn without_a_sheet_the_record_says_what_is_not_set() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = Shop::connect(config(&fakes, &dir, &["ORDERS_SHEET_ID"]))
        .await
        .unwrap();
    let output = shop.record(&order("ord_1")).await.unwrap();
    let read_back: Recorded = serde_json::from_value(recorded(&output)).unwrap();
    assert_eq!(read_back, output);
    let mut output = recorded(&output);
    output["recordedAt"].take();
    assert_eq!(
        output,
        json!({ "recordedAt": null, "skipped": "ORDERS_SHEET_ID" })
    );
}

#[tokio::test]
async fn a_recorded_append_reads_back_as_it_was_written() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    let output = shop.record(&order("ord_1")).await.unwrap();
    let read_back: Recorded = serde_json::from_value(recorded(&output)).unwrap();
    assert_eq!(read_back, output);
}

#[tokio::test]
async fn no_output_of_a_step_names_a_person() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let shop = shop(&fakes, &dir).await;
    let order = order("ord_1");
    let payment = shop
        .capture(&order, &attempt("capture-payment", 1))
        .await
        .unwrap();
    let confirmation = shop.confirm(&order, &mail_attempt(1)).await.unwrap();
    let record = shop.record(&order).await.unwrap();
    let outputs = [
        recorded(&payment),
        recorded(&confirmation),
        recorded(&record),
    ];
    let outputs = json!(outputs).to_string();
    for personal in ["ada@", "Ada", "Analytical", "5550100", "97201", "Portland"] {
        assert!(!outputs.contains(personal), "{personal} in {outputs}");
    }
}

#[tokio::test]
async fn the_shop_opens_the_same_database_again_and_again() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let first = shop(&fakes, &dir).await;
    first.record(&order("ord_1")).await.unwrap();
    first.db.pool().close().await;
    let second = shop(&fakes, &dir).await;
    let orders: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders")
        .fetch_one(second.db.pool())
        .await
        .unwrap();
    assert_eq!(orders, 1);
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let nowhere = dir.path().join("no/such/dir");
    let mut config = config(&fakes, &dir, &[]);
    config.database = config.database.filename(nowhere.join("shop.db"));
    let error = Shop::connect(config).await.unwrap_err().to_string();
    assert!(error.contains("no/such/dir/shop.db"), "{error}");
}
