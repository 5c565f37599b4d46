//! Only the commit log acknowledges: no other code syncs, but where this table says why.

use anyhow::Result;

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// Calls that ask the disk to keep something.
const SYNCS: &[&str] = &[
    "sync_data",
    "sync_all",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "syncfs",
];

/// Where product code may sync, and what the sync is for.
const MAY_SYNC: &[(&str, &str)] = &[
    ("crates/commit-log/src/", "the promise itself"),
    (
        "crates/store-sled/src/sled_table.rs",
        "the checkpoint's barrier: only lets segments go",
    ),
    (
        "crates/store-sled/src/directory.rs",
        "names of a data directory, before it holds anything",
    ),
    (
        "crates/store-sled/src/seal.rs",
        "sled's files before the seal that vouches for them",
    ),
    (
        "crates/cli/src/bench/bare.rs",
        "the bare loop the engine is measured beside: keeps nothing",
    ),
];

/// Calls that sync nothing and have hung, so that nobody leans on them.
const NEVER: &[&str] = &["flush_async"];

fn is_product_code(file: &TextFile) -> bool {
    let path = &file.path;
    !path.starts_with("tests/") && !path.contains("/tests/") && file.name() != "tests.rs"
}

fn misplaced(file: &TextFile) -> Result<Vec<String>> {
    let path = &file.path;
    let mut findings = Vec::new();
    if !MAY_SYNC.iter().any(|(under, _)| path.starts_with(under)) {
        for (line, name) in rust_source::calls(file, SYNCS)? {
            findings.push(format!("{path}:{line}: {name}()"));
        }
    }
    for (line, name) in rust_source::calls(file, NEVER)? {
        findings.push(format!("{path}:{line}: {name}() is never called"));
    }
    Ok(findings)
}

#[test]
fn only_the_commit_log_syncs_a_promise() -> Result<()> {
    let mut findings = Vec::new();
    for file in tree::rust_files()?.filter(|file| is_product_code(file)) {
        findings.extend(misplaced(file)?);
    }
    findings::none(
        findings,
        "what must survive goes through the commit log; any other sync stands in \
         tests/tidy/durability.rs with what it is for",
    )
}

#[test]
fn every_place_that_may_sync_does() -> Result<()> {
    let mut idle = Vec::new();
    for (under, _) in MAY_SYNC {
        let mut calls = 0;
        for file in tree::rust_files()?.filter(|file| file.path.starts_with(under)) {
            calls += rust_source::calls(file, SYNCS)?.len();
        }
        if calls == 0 {
            idle.push(format!("{under}: nothing there syncs"));
        }
    }
    findings::none(idle, "take it out of MAY_SYNC")
}

#[test]
fn a_sync_in_the_engine_is_found() -> Result<()> {
    let text = "fn keep(file: &File) { file.sync_all() }";
    findings::count_is(
        &misplaced(&rust_source::sample("crates/engine/src/a.rs", text))?,
        1,
    )?;
    findings::count_is(
        &misplaced(&rust_source::sample("crates/commit-log/src/a.rs", text))?,
        0,
    )?;
    let text = "fn a(tree: &Tree) { tree.flush_async() }";
    findings::count_is(
        &misplaced(&rust_source::sample("crates/commit-log/src/a.rs", text))?,
        1,
    )
}
