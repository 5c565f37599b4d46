//! What a rule found, and how a test says so.

use anyhow::{Result, bail};

/// Succeeds when nothing was found; else fails with every finding and what the rule asks for.
pub(crate) fn none(findings: Vec<String>, rule: &str) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let count = findings.len();
    bail!(
        "{count} finding(s):\n  {}\nrule: {rule}",
        findings.join("\n  ")
    );
}

/// The findings of a rule over one made-up text, for the tests of the rules themselves.
pub(crate) fn count_is(findings: &[String], expected: usize) -> Result<()> {
    if findings.len() != expected {
        bail!("expected {expected} finding(s), got {findings:#?}");
    }
    Ok(())
}
