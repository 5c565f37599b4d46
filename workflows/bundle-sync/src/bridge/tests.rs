//! What answers mean, what is signed, and the client over a real socket.

use super::signature::{HEADER, SignatureError, sign, verify};
use super::*;
use crate::secret::Secret;

const APP: AppName = AppName::AiHero;

fn message() -> Message {
    Message {
        id: "bundle/purchased:pur-1:ah-cohort".to_owned(),
        name: "bundle/purchased".to_owned(),
        body: r#"{"purchaseId":"pur-1","buyerEmail":"ada@buyer.example"}"#.to_owned(),
    }
}

fn secret() -> Secret {
    Secret::new("a secret of more than thirty-two bytes")
}

#[test]
fn an_answer_is_tried_again_held_or_final() {
    let verdict = |status| BridgeError::of_status(APP, status, None).verdict();
    for status in [408, 429, 500, 502, 503, 504, 599] {
        assert_eq!(verdict(status), Verdict::Retry, "{status}");
    }
    for status in [301, 401, 402, 403, 404, 405, 409, 410, 451] {
        assert_eq!(verdict(status), Verdict::Hold, "{status}");
    }
    for status in [400, 413, 415, 422] {
        assert_eq!(verdict(status), Verdict::Refuse, "{status}");
    }
    assert_eq!(BridgeError::NoAnswer { app: APP }.verdict(), Verdict::Retry);
    let not_configured = BridgeError::NotConfigured { app: APP };
    assert_eq!(not_configured.verdict(), Verdict::Hold);
    assert!(not_configured.to_string().contains("ai-hero"));
}

#[test]
fn the_same_message_is_the_same_bytes_with_its_id_in_them() {
    let bytes = message().to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(
        text,
        r#"{"id":"bundle/purchased:pur-1:ah-cohort","name":"bundle/purchased","data":{"purchaseId":"pur-1","buyerEmail":"ada@buyer.example"}}"#
    );
}

#[test]
fn only_who_holds_the_secret_signs_an_event_that_is_believed() {
    let body = message().to_bytes().unwrap();
    let header = sign(&secret(), &body);
    assert_eq!(verify(&secret(), &header, &body), Ok(()));
    let forged = sign(
        &Secret::new("another secret of thirty-two bytes and more"),
        &body,
    );
    assert_eq!(
        verify(&secret(), &forged, &body),
        Err(SignatureError::Mismatch)
    );
    let mut altered = body.clone();
    altered.push(b' ');
    assert_eq!(
        verify(&secret(), &header, &altered),
        Err(SignatureError::Mismatch)
    );
    for unsigned in ["", "v1=", "v1=00", "v2=abc", "nonsense"] {
        assert_eq!(
            verify(&secret(), unsigned, &body),
            Err(SignatureError::Malformed)
        );
    }
    let both = format!("{forged}, {header}");
    assert_eq!(verify(&secret(), &both, &body), Ok(()));
    assert!(HEADER.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
}

#[test]
fn a_secret_that_could_be_guessed_builds_no_bridge() {
    let settings = BridgeSettings {
        target: APP,
        base: "http://127.0.0.1:1".parse().unwrap(),
        event_key: None,
        secret: Secret::new("short"),
        timeout: Duration::from_secs(1),
    };
    let refused = HttpBridge::new(settings.clone());
    assert!(matches!(refused, Err(UnusableBridge::ShortSecret)));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("short"));
}
