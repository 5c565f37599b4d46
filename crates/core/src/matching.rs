//! What an event is matched by: the value of the field its type declares as key.

use serde_json::Value;

/// The text of the field at `path` of `data`, dots leading into nested objects.
///
/// Text stands for itself, whole numbers and truth values for their JSON text. Anything else, a
/// fraction included, is no key: two senders may write it differently.
#[must_use]
pub fn key_text(data: &Value, path: &str) -> Option<String> {
    let field = path.split('.').try_fold(data, |at, part| at.get(part))?;
    match field {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Number(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_text_a_whole_number_or_a_flag_and_nothing_else() {
        let data = serde_json::json!({
            "id": "o-1", "n": 7, "paid": true, "half": 0.5, "none": null, "list": [1],
            "order": { "id": "o-2" },
        });
        let text = |path| key_text(&data, path);
        assert_eq!(text("id").as_deref(), Some("o-1"));
        assert_eq!(text("n").as_deref(), Some("7"));
        assert_eq!(text("paid").as_deref(), Some("true"));
        assert_eq!(text("order.id").as_deref(), Some("o-2"));
        for no_key in ["half", "none", "list", "order", "missing", "id.more", ""] {
            assert_eq!(text(no_key), None, "{no_key}");
        }
    }
}
