//! The schema, the constraints behind every rule, and times as texts.

use super::*;

#[test]
fn instants_compare_as_texts() {
    let texts = [0, 999, 1_767_225_600_000, 1_767_225_600_001].map(instant);
    assert!(texts.is_sorted());
    assert_eq!(texts[2], "2026-01-01T00:00:00.000Z");
    assert_eq!(now().len(), texts[2].len());
}

#[test]
fn an_id_is_made_of_all_its_parts_and_of_where_they_end() {
    let [one, other] = [["ab", "c"], ["a", "bc"]].map(|parts| derived_id(&parts));
    assert_ne!(one, other);
    assert_eq!(one, derived_id(&["ab", "c"]));
    assert_eq!(one.len(), 32);
}
