//! What cargo knows of the workspace, and the lines every crate's manifest shares.

use std::sync::LazyLock;

use anyhow::{Context as _, Result, anyhow};
use cargo_metadata::{Metadata, MetadataCommand};
use toml::Table;

use crate::findings;
use crate::tree::{self, TextFile};

/// Asked once for all rules.
static METADATA: LazyLock<Result<Metadata, String>> =
    LazyLock::new(|| ask().map_err(|error| format!("{error:#}")));

/// Fields each crate takes from the workspace, so that they are said once.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// The crates of the workspace with what their manifests name; what that resolves to stands in
/// `Cargo.lock`, which takes no network to read.
pub(crate) fn metadata() -> Result<&'static Metadata> {
    METADATA.as_ref().map_err(|error| anyhow!("{error}"))
}

fn ask() -> Result<Metadata> {
    MetadataCommand::new()
        .current_dir(tree::root()?)
        .no_deps()
        .exec()
        .context("asking cargo for the workspace")
}

/// What is wrong with one crate's manifest.
fn wrong_with(file: &TextFile) -> Result<Vec<String>> {
    let path = &file.path;
    let manifest: Table = file.text.as_deref().unwrap_or_default().parse()?;
    let mut findings = Vec::new();
    let Some(package) = manifest.get("package").and_then(toml::Value::as_table) else {
        return Ok(vec![format!("{path}: no [package]")]);
    };
    for field in INHERITED {
        if !inherits(package.get(*field)) {
            findings.push(format!("{path}: write {field}.workspace = true"));
        }
    }
    if !inherits(manifest.get("lints")) {
        findings.push(format!("{path}: write [lints] workspace = true"));
    }
    let described = package.get("description").and_then(toml::Value::as_str);
    if !described.is_some_and(|text| text.ends_with('.')) {
        findings.push(format!(
            "{path}: say what the crate owns in a sentence as its description"
        ));
    }
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let listed = manifest.get(kind).and_then(toml::Value::as_table);
        for (name, dependency) in listed.into_iter().flatten() {
            if !inherits(Some(dependency)) {
                findings.push(format!("{path}: {name} names its own version: {kind} are versioned in the root manifest"));
            }
        }
    }
    Ok(findings)
}

fn inherits(value: Option<&toml::Value>) -> bool {
    let workspace = value.and_then(|value| value.get("workspace"));
    workspace.and_then(toml::Value::as_bool) == Some(true)
}

#[test]
fn every_crate_shares_lints_versions_and_edition_with_the_workspace() -> Result<()> {
    let mut findings = Vec::new();
    for file in tree::files()? {
        if file.name() == "Cargo.toml" && file.path != "Cargo.toml" {
            findings.extend(wrong_with(file)?);
        }
    }
    findings::none(
        findings,
        "one place for versions, lints and edition: the root Cargo.toml",
    )
}

#[test]
fn a_manifest_of_its_own_mind_is_found() -> Result<()> {
    let text = "[package]\nname = \"a\"\ndescription = \"A.\"\nversion = \"1.0.0\"\n\
                edition.workspace = true\nrust-version.workspace = true\n\
                license.workspace = true\npublish.workspace = true\n\
                [dependencies]\nserde = \"1\"\n";
    let manifest = crate::rust_source::sample("crates/a/Cargo.toml", text);
    findings::count_is(&wrong_with(&manifest)?, 3)
}
