//! How deeply brackets nest, found by one pass over the bytes without recursion.

use super::{BodyError, malformed};

/// Refuses text whose brackets nest deeper than `limit`; says nothing of whether they match.
pub(super) fn check(text: &str, limit: usize) -> Result<(), BodyError> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((offset, byte)) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            // What an escape hides is never a closing quote.
            b'\\' if in_string => drop(bytes.next()),
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > limit {
                    let why = format!("nesting deeper than {limit}");
                    return Err(malformed(None, offset, &why));
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
