//! `crates/core` is pure: same inputs, same bytes, on every machine and every replay.

use anyhow::Result;

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// The pure crate's product code.
const PURE: &str = "crates/core/src/";

/// Names that bring the world in, and what they would bring.
const IMPURE: &[(&str, &str)] = &[
    ("SystemTime", "a clock: time is an argument"),
    ("Instant", "a clock: time is an argument"),
    ("HashMap", "hash order: use BTreeMap"),
    ("HashSet", "hash order: use BTreeSet"),
    ("RandomState", "randomness"),
    (
        "rand",
        "randomness: jitter is a hash of run, step and attempt",
    ),
    ("async", "async: the shell waits, core decides"),
    ("await", "async: the shell waits, core decides"),
    ("tokio", "a runtime"),
    ("thread", "threads"),
    ("File", "I/O"),
    ("fs", "I/O"),
    ("net", "I/O"),
    ("env", "settings: they are arguments"),
    ("thread_local", "hidden state"),
    ("static", "hidden state"),
    ("Mutex", "hidden state"),
    ("RefCell", "hidden state"),
    ("Cell", "hidden state"),
    ("f32", "rounding that differs: count in integers"),
    ("f64", "rounding that differs: count in integers"),
];

/// Lints that `crates/core` must deny at its top, so that a new entry kind breaks the build.
const DENIED: &[&str] = &["wildcard_enum_match_arm"];

fn impure(file: &TextFile) -> Result<Vec<String>> {
    let found = rust_source::idents(file)?
        .into_iter()
        .filter_map(|(line, ident)| {
            let (name, brings) = IMPURE.iter().find(|(name, _)| *name == ident)?;
            Some(format!("{}:{line}: `{name}` brings {brings}", file.path))
        });
    Ok(found.collect())
}

fn is_pure_code(file: &TextFile) -> bool {
    let path = &file.path;
    path.starts_with(PURE) && !path.contains("/tests/") && file.name() != "tests.rs"
}

#[test]
fn core_knows_no_clock_no_chance_no_io_and_no_hash_order() -> Result<()> {
    let mut findings = Vec::new();
    for file in tree::rust_files()?.filter(|file| is_pure_code(file)) {
        findings.extend(impure(file)?);
    }
    findings::none(
        findings,
        "what core needs of the world is handed to it as an argument",
    )
}

#[test]
fn core_denies_a_wildcard_over_its_own_enums() -> Result<()> {
    let lib = tree::rust_files()?.find(|file| file.path == "crates/core/src/lib.rs");
    let idents = lib
        .map(rust_source::idents)
        .transpose()?
        .unwrap_or_default();
    let missing = DENIED
        .iter()
        .filter(|lint| !idents.iter().any(|(_, ident)| ident == *lint));
    let missing = missing.map(|lint| format!("{PURE}lib.rs: deny clippy::{lint}"));
    findings::none(
        missing.collect(),
        "a new entry kind must break the build where it matters",
    )
}

#[test]
fn a_hash_map_in_core_is_found_and_one_in_a_comment_is_not() -> Result<()> {
    let text = "//! No HashMap, no Instant.\nuse std::collections::HashMap;\n\
                fn word() -> &'static str { \"env\" }\n";
    findings::count_is(
        &impure(&rust_source::sample("crates/core/src/a.rs", text))?,
        1,
    )
}
