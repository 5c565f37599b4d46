//! Tokens: fetched once, renewed when refused.

use stepwell_fakes::{Mode, Service, Switch};
use tempfile::tempdir;

use super::*;
use crate::testing::{config, fakes};

#[tokio::test]
async fn many_callers_at_once_fetch_one_token() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let config = config(&fakes, &dir, &[]);
    let outward = Outward::new(config.call_timeout, false).unwrap();
    let tokens = Tokens::new(config.sheet.unwrap().account, outward);
    let (a, b, c) = tokio::join!(tokens.bearer(), tokens.bearer(), tokens.bearer());
    let first = a.unwrap();
    assert_eq!([&first, &first], [&b.unwrap(), &c.unwrap()]);
    assert_eq!(fakes.calls().acted(Service::GoogleToken), 1);
}

#[tokio::test]
async fn a_token_is_forgotten_only_by_whoever_was_refused_with_it() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let config = config(&fakes, &dir, &[]);
    let outward = Outward::new(config.call_timeout, false).unwrap();
    let tokens = Tokens::new(config.sheet.unwrap().account, outward);
    let first = tokens.bearer().await.unwrap();
    tokens.forget(&first).await;
    let second = tokens.bearer().await.unwrap();
    assert_ne!(first, second);
    // A late refusal of the first token does not throw the second one away.
    tokens.forget(&first).await;
    assert_eq!(tokens.bearer().await.unwrap(), second);
}

#[tokio::test]
async fn a_failed_exchange_is_not_remembered() {
    let (fakes, dir) = (fakes().await, tempdir().unwrap());
    let config = config(&fakes, &dir, &[]);
    let outward = Outward::new(config.call_timeout, false).unwrap();
    let tokens = Tokens::new(config.sheet.unwrap().account, outward);
    let mode = Mode::Fail {
        status: 503,
        retry_after_s: None,
    };
    fakes.switch(Switch::new(Service::GoogleToken, mode).times(1));
    assert!(tokens.bearer().await.is_err());
    assert!(tokens.bearer().await.is_ok());
}
