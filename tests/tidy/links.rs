//! A page may point only at what is there.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// The targets of the Markdown links of a page, with their lines; code blocks are left out.
fn targets(file: &TextFile) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for after in line.split("](").skip(1) {
            if let Some((target, _)) = after.split_once(')') {
                targets.push((number, target));
            }
        }
    }
    targets
}

/// From `docs/errors/busy.md`, `../a.md#b` leads to `docs/a.md`; `None` leads out of the tree.
pub(crate) fn resolve(page: &str, target: &str) -> Option<String> {
    let target = target.split_once('#').map_or(target, |(path, _)| path);
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn broken(file: &TextFile, known: &BTreeSet<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, target) in targets(file) {
        if target.contains("://") || target.starts_with('#') || target.starts_with("mailto:") {
            continue;
        }
        let there = resolve(&file.path, target).is_some_and(|path| known.contains(&*path));
        if !there {
            findings.push(format!("{}:{number}: {target} is not there", file.path));
        }
    }
    findings
}

#[test]
fn every_link_between_pages_leads_somewhere() -> Result<()> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for file in tree::files()? {
        let mut path = &*file.path;
        known.insert(path);
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder);
            path = folder;
        }
    }
    let pages = tree::files()?
        .iter()
        .filter(|file| file.extension() == Some("md"));
    let findings = pages.flat_map(|page| broken(page, &known)).collect();
    findings::none(
        findings,
        "point at what is there, from where the page stands",
    )
}

#[test]
fn a_link_to_nowhere_is_found_and_one_to_the_web_is_left_alone() -> Result<()> {
    let known = BTreeSet::from(["docs/a.md", "docs/errors"]);
    let text =
        "[a](../a.md#x) [b](https://example.com) [c](#here)\n```\n[d](no.md)\n```\n[e](e.md)";
    let page = rust_source::sample("docs/errors/busy.md", text);
    findings::count_is(&broken(&page, &known), 1)
}
