//! What the settings accept, and that they keep to themselves what they refuse.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;

/// A value no message may repeat.
const CANARY: &str = "canary-5f3a";

fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let known: BTreeMap<&str, &str> = pairs.iter().copied().collect();
    Config::read(Path::new("/data"), |name| {
        known.get(name).map(OsString::from)
    })
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    read(pairs).unwrap_err().to_string()
}

async fn key_file() -> String {
    let fakes = crate::testing::fakes().await;
    let env = fakes.env();
    let found = env
        .into_iter()
        .find(|(name, _)| *name == "GOOGLE_SERVICE_ACCOUNT_JSON");
    found.unwrap().1
}

#[test]
fn with_nothing_set_the_shop_knows_where_everything_is() {
    let config = read(&[]).unwrap();
    assert_eq!(
        config.database.get_filename(),
        Path::new("/data/swag-store.db")
    );
    assert_eq!(config.app_origin, "http://localhost:3000");
    assert_eq!(config.stripe.api_base.as_str(), "https://api.stripe.com/");
    assert_eq!(config.mail.api_base.as_str(), "https://api.resend.com/");
    assert!(config.stripe.secret_key.is_none() && config.sheet.is_none());
    assert!(
        !config.needs_tls(),
        "nobody outside is called without credentials"
    );
}

#[test]
fn empty_and_blank_values_count_as_unset() {
    let config = read(&[
        ("STRIPE_SECRET_KEY", ""),
        ("RESEND_API_KEY", "  "),
        ("DATABASE_URL", "\n"),
    ]);
    let config = config.unwrap();
    assert!(config.stripe.secret_key.is_none() && config.mail.api_key.is_none());
}

#[test]
fn the_apps_address_loses_its_trailing_slash_and_prefers_its_own_name() {
    let both = [
        ("APP_ORIGIN", "https://a.example/"),
        ("NEXT_PUBLIC_APP_URL", "https://b.example"),
    ];
    assert_eq!(read(&both).unwrap().app_origin, "https://a.example");
    assert_eq!(read(&both[1..]).unwrap().app_origin, "https://b.example");
}

#[test]
fn a_broken_value_is_named_and_never_shown() {
    let broken = [
        ("STRIPE_API_BASE", "ftp://canary-5f3a"),
        ("STRIPE_API_BASE", "canary-5f3a"),
        ("STRIPE_SECRET_KEY", "sk_test canary-5f3a"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_ü-canary-5f3a"),
        ("RESEND_API_KEY", "re_\u{7f}canary-5f3a"),
        ("RESEND_API_BASE", "https://ada:canary-5f3a@mail.example"),
        ("SHEETS_API_BASE", "canary-5f3a"),
        ("APP_ORIGIN", "canary-5f3a"),
        ("NEXT_PUBLIC_APP_URL", "mailto:canary-5f3a"),
        ("DATABASE_URL", "postgres://user:canary-5f3a@host/shop"),
        ("DATABASE_URL", "sqlite:shop.db?canary-5f3a=1"),
        ("DATABASE_URL", "sqlite::memory:#canary-5f3a"),
        ("GOOGLE_SERVICE_ACCOUNT_JSON", "canary-5f3a"),
        (
            "GOOGLE_SERVICE_ACCOUNT_JSON",
            r#"{"client_email":"canary-5f3a"}"#,
        ),
        (
            "GOOGLE_SERVICE_ACCOUNT_JSON",
            r#"{"client_email":"a","private_key":"canary-5f3a"}"#,
        ),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "/nowhere/canary-5f3a.json",
        ),
    ];
    for (name, value) in broken {
        let message = refusal(&[(name, value)]);
        assert!(message.contains(name), "{name} in {message}");
        assert!(!message.contains(CANARY), "{message}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_named() {
    let bytes = OsString::from_vec(vec![b's', b'k', 0xff]);
    let lookup = |name: &str| (name == "STRIPE_SECRET_KEY").then(|| bytes.clone());
    let error = Config::read(Path::new("/data"), lookup).unwrap_err();
    assert!(error.to_string().contains("STRIPE_SECRET_KEY"), "{error}");
}

#[test]
fn a_sheet_without_credentials_is_refused_at_the_start() {
    let message = refusal(&[("ORDERS_SHEET_ID", "canary-5f3a")]);
    assert!(message.contains("GOOGLE_SERVICE_ACCOUNT_JSON"), "{message}");
    assert!(message.contains("ORDERS_SHEET_ID needs it"), "{message}");
    assert!(!message.contains(CANARY), "{message}");
}

#[tokio::test]
async fn a_service_account_is_taken_as_json_in_base64_and_from_a_file() {
    let json = key_file().await;
    let packed = BASE64.encode(&json);
    let wrapped = format!("{}\n{}", &packed[..100], &packed[100..]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &json).unwrap();
    let path = file.path().to_str().unwrap();
    for (name, value) in [
        ("GOOGLE_SERVICE_ACCOUNT_JSON", json.as_str()),
        ("GOOGLE_SERVICE_ACCOUNT_JSON", packed.as_str()),
        ("GOOGLE_SERVICE_ACCOUNT_JSON", wrapped.as_str()),
        ("GOOGLE_APPLICATION_CREDENTIALS", path),
    ] {
        let config = read(&[("ORDERS_SHEET_ID", "sheet"), (name, value)]).unwrap();
        assert_eq!(config.sheet.unwrap().tab, "Sheet1");
    }
}

#[tokio::test]
async fn a_key_whose_frame_is_whole_and_whose_inside_is_not_is_refused() {
    let json = key_file().await;
    let mut file: serde_json::Value = serde_json::from_str(&json).unwrap();
    let pem = file["private_key"].as_str().unwrap();
    let line = pem.lines().nth(5).unwrap();
    let broken = pem.replace(line, &line.chars().rev().collect::<String>());
    file["private_key"] = broken.into();
    let message = refusal(&[("GOOGLE_SERVICE_ACCOUNT_JSON", &file.to_string())]);
    assert!(message.contains("GOOGLE_SERVICE_ACCOUNT_JSON"), "{message}");
    assert!(!message.contains("PRIVATE"), "{message}");
}

#[tokio::test]
async fn the_debug_text_of_the_settings_holds_no_secret() {
    let json = key_file().await;
    let config = read(&[
        ("STRIPE_SECRET_KEY", "sk_canary-5f3a"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_canary-5f3a"),
        ("RESEND_API_KEY", "re_canary-5f3a"),
        ("GOOGLE_SERVICE_ACCOUNT_JSON", &json),
        ("ORDERS_SHEET_ID", "sheet"),
    ]);
    let config = config.unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains("gserviceaccount"), "{shown}");
    assert!(config.needs_tls());
}
