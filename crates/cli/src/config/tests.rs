//! What settings are taken and what is said of others.

use super::*;

fn from_file(text: &str) -> Result<ServeArgs, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stepwell.toml");
    std::fs::write(&path, text).unwrap();
    read_file(&path)
}

fn checked(args: ServeArgs) -> Result<Config, Failure> {
    args.check("default-data", None, None)
}

#[test]
fn without_any_setting_the_documented_defaults_hold() {
    let config = checked(ServeArgs::default()).unwrap();
    assert_eq!(config.data, PathBuf::from("default-data"));
    assert_eq!(
        (config.bind.to_string().as_str(), config.port),
        ("127.0.0.1", 8288)
    );
    assert_eq!(config.drain_limit, Duration::from_secs(30));
    assert_eq!(config.engine.retry, RetryPolicy::default());
    assert_eq!(
        config.engine.attempt_timeout,
        Options::default().attempt_timeout
    );
    assert_eq!(config.engine.event_bytes_max, EVENT_BYTES_DEFAULT);
    assert!(config.event_keys.is_empty() && config.operator_token.is_none());
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let file = from_file("port = 1000\nretries = 7\nevent_keys = [\"a\", \"b\"]\n").unwrap();
    let flags = ServeArgs {
        port: Some(2_000),
        ..ServeArgs::default()
    };
    let config = checked(flags.or(file)).unwrap();
    assert_eq!(config.port, 2_000);
    assert_eq!(config.engine.retry.attempts_max, 8);
    assert_eq!(config.event_keys, ["a", "b"]);
}

#[test]
fn secrets_from_the_environment_win_over_the_file() {
    let file = from_file("event_keys = [\"a\"]\noperator_token = \"t\"\n").unwrap();
    let config = file
        .check("d", Some("x, y".to_owned()), Some("u".to_owned()))
        .unwrap();
    assert_eq!(config.event_keys, ["x", "y"]);
    assert_eq!(config.operator_token.as_deref(), Some("u"));
}

#[test]
fn a_wrong_setting_is_refused_by_name() {
    for (text, expected) in [
        ("prot = 1", "line 1: unknown field `prot`"),
        ("retries = 1\nport = \"x\"", "line 2: invalid type"),
        ("port = 1\nport = 2", "line 2: duplicate key"),
    ] {
        let said = from_file(text).unwrap_err().to_string();
        assert!(said.contains(expected), "{text:?} said: {said}");
    }
    let large = ServeArgs {
        event_bytes_max: Some(4 << 20),
        ..ServeArgs::default()
    };
    let said = checked(large).unwrap_err().to_string();
    assert_eq!(
        said,
        "event-bytes-max is 4194304: give a number from 1024 to 3145728"
    );
}

#[test]
fn a_refused_secret_is_not_quoted() {
    for text in [
        "event_keys = [\"hush hush\"]",
        "operator_token = \"hush hush\"",
    ] {
        let said = checked(from_file(text).unwrap()).unwrap_err().to_string();
        assert!(!said.contains("hush"), "{said}");
    }
    let said = from_file("operator_token = \"hush")
        .unwrap_err()
        .to_string();
    assert!(!said.contains("hush"), "{said}");
}
