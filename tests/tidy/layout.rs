//! Where files may stand, how they begin and how long they grow.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// Above this many lines a file of product code is cut, tests apart.
const WALL: usize = 800;

/// Up to this many lines a file is comfortable; more than one in ten above is a house too full.
const COMFORTABLE: usize = 400;

/// Files at the root, each for a reason everybody knows. A folder ends with a slash.
const AT_ROOT: &[&str] = &[
    ".ci/",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "changelog.d/",
    "clippy.toml",
    "crates/",
    "deny.toml",
    "docs/",
    "examples/",
    "justfile",
    "rustfmt.toml",
    "tests/",
    "verify",
    "workflows/",
];

/// What a folder may hold, by ending; a bare name is a file of that name. The first match counts.
const HOLDS: &[(&str, &[&str])] = &[
    (".ci/", &["run"]),
    ("changelog.d/", &["md"]),
    ("docs/", &["md", "svg"]),
    (
        "tests/fixtures/",
        &["bin", "hex", "json", "jsonl", "md", "toml", "txt"],
    ),
    (
        "tests/",
        &[
            "Cargo.toml",
            "rs",
            "c",
            "json",
            "md",
            "proptest-regressions",
            "sh",
            "txt",
        ],
    ),
    ("crates/core/proptest-regressions/", &["txt"]),
    ("crates/sdk/tests/compile_fail/", &["rs", "stderr"]),
    (
        "crates/",
        &[
            "Cargo.toml",
            "clippy.toml",
            "css",
            "html",
            "js",
            "json",
            "md",
            "rs",
            "toml",
        ],
    ),
    ("examples/", &["Cargo.toml", "rs"]),
    (
        "workflows/",
        &["Cargo.toml", "json", "md", "rs", "sql", "toml"],
    ),
];

fn stray(file: &TextFile) -> Option<String> {
    let path = &file.path;
    let top = path
        .split_once('/')
        .map_or_else(|| path.clone(), |(top, _)| format!("{top}/"));
    if !AT_ROOT.contains(&&*top) {
        return Some(format!("{path}: nothing of that name belongs at the root"));
    }
    let (folder, held) = HOLDS.iter().find(|(folder, _)| path.starts_with(folder))?;
    let fits = held.contains(&file.name()) || file.extension().is_some_and(|e| held.contains(&e));
    (!fits).then(|| format!("{path}: {folder} holds {held:?} only"))
}

fn misbegun(file: &TextFile) -> Option<String> {
    let first = file
        .text
        .as_deref()
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default();
    let sentence = first
        .strip_prefix("//! ")
        .is_some_and(|text| !text.trim().is_empty());
    (!sentence).then(|| format!("{}:1: begins with `{first}`", file.path))
}

/// Whether a file holds tests alone, which may be long.
fn is_for_tests(file: &TextFile) -> bool {
    let path = &file.path;
    path.starts_with("tests/") || path.contains("/tests/") || file.name() == "tests.rs"
}

#[test]
fn every_file_stands_where_its_kind_belongs() -> Result<()> {
    let strays = tree::files()?.iter().filter_map(stray).collect();
    findings::none(
        strays,
        "a place for each kind of file: tests/tidy/layout.rs lists them",
    )
}

#[test]
fn every_rust_file_begins_with_the_sentence_of_its_purpose() -> Result<()> {
    let misbegun = tree::rust_files()?.filter_map(misbegun).collect();
    findings::none(
        misbegun,
        "line one is `//!` and one sentence; attributes come after it",
    )
}

#[test]
fn no_file_of_product_code_grows_beyond_the_wall() -> Result<()> {
    let mut tall = Vec::new();
    let mut crowded = Vec::new();
    let mut all = 0;
    for file in tree::rust_files()?.filter(|file| !is_for_tests(file)) {
        all += 1;
        let lines = file.lines().count();
        if lines > WALL {
            tall.push(format!("{}: {lines} lines", file.path));
        }
        if lines > COMFORTABLE {
            crowded.push(format!("{}: {lines} lines", file.path));
        }
    }
    findings::none(
        tall,
        "800 lines is the wall: control flow in the parent, leaves in children",
    )?;
    if crowded.len() * 10 > all {
        findings::none(crowded, "at most one file in ten is longer than 400 lines")?;
    }
    Ok(())
}

#[test]
fn no_two_folders_of_docs_say_the_same_name() -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut twice = Vec::new();
    for file in tree::files()?
        .iter()
        .filter(|file| file.path.starts_with("docs/"))
    {
        if file.name() != "README.md" && !seen.insert(file.name()) {
            twice.push(format!(
                "{}: a page of that name stands elsewhere",
                file.path
            ));
        }
    }
    findings::none(twice, "one page per thing")
}

#[test]
fn a_stray_file_and_a_missing_purpose_are_found() {
    let file = |path| rust_source::sample(path, "use std::fs;\n");
    assert!(stray(&file("notes.md")).is_some());
    assert!(stray(&file("docs/plan.txt")).is_some());
    assert!(stray(&file("crates/core/src/lib.rs")).is_none());
    assert!(stray(&file("verify")).is_none());
    assert!(misbegun(&file("crates/core/src/lib.rs")).is_some());
}
