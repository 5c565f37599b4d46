//! `demo`: exit 0, the journal, the call counts.

use serde_json::Value;

use crate::cli_stage::{ended, printed};

#[test]
fn the_demo_fulfils_its_order_through_two_kills() {
    let output = ended(&["demo"]);
    let text = printed(&output);
    for part in [
        "step-succeeded",
        "record-to-sheet",
        "recovered",
        "payment_intents.retrieve",
        "RECEIVED",
    ] {
        assert!(text.contains(part), "demo does not show {part}:\n{text}");
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("killed with SIGKILL").count(), 2, "{told}");
    assert!(
        !told.contains('\x1b') && !text.contains('\x1b'),
        "colours in a pipe"
    );
}

#[test]
fn the_demo_tells_programs_what_held() {
    let text = printed(&ended(&["demo", "-o", "json"]));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["status"], "completed");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 10);
    assert!(
        checks.iter().all(|check| check["holds"] == true),
        "{checks:#?}"
    );
}
