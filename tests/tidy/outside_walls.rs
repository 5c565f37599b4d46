//! The outside walls of `deny.toml`, held without cargo-deny: who may lean on a guarded crate.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

use crate::{findings, tree};

/// Crates that must stay behind one room each, whatever else `deny.toml` says.
const GUARDED: &[&str] = &["sled", "bincode", "backoff", "axum", "sqlx"];

/// The crates with walls, and who may lean on each.
fn walls(deny: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let deny: Table = deny.parse().context("deny.toml is not TOML")?;
    let banned = deny
        .get("bans")
        .and_then(|bans| bans.get("deny"))
        .and_then(Value::as_array);
    let mut walls = BTreeMap::new();
    for ban in banned.context("deny.toml has no bans.deny")? {
        let named = ban.get("crate").and_then(Value::as_str);
        let named = named.with_context(|| format!("a ban without a crate: {ban:?}"))?;
        if ban.get("reason").and_then(Value::as_str).is_none() {
            bail!("the ban of {named} in deny.toml gives no reason");
        }
        let Some(wrappers) = ban.get("wrappers").and_then(Value::as_array) else {
            continue;
        };
        let wrappers = wrappers
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        walls.insert(named.to_owned(), wrappers);
    }
    Ok(walls)
}

/// Every direct dependency in the whole graph, tests and platforms included: by what is leaned
/// on, who leans.
fn leaning(lock: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let lock: Table = lock.parse().context("Cargo.lock is not TOML")?;
    let packages = lock.get("package").and_then(Value::as_array);
    let mut leaning: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages.context("Cargo.lock has no packages")? {
        let name = package
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let uses = package.get("dependencies").and_then(Value::as_array);
        for used in uses.into_iter().flatten().filter_map(Value::as_str) {
            // `name`, or `name version` where several versions are there.
            let used = used.split(' ').next().unwrap_or_default();
            leaning
                .entry(used.to_owned())
                .or_default()
                .push(name.to_owned());
        }
    }
    Ok(leaning)
}

fn breaches(
    walls: &BTreeMap<String, Vec<String>>,
    leaning: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (guarded, allowed) in walls {
        for leaner in leaning.get(guarded).into_iter().flatten() {
            // A crate's own sub-crates, such as sqlx-sqlite, are one thing with it.
            let of_itself = leaner.starts_with(&format!("{guarded}-"));
            if !of_itself && !allowed.iter().any(|name| name == leaner) {
                findings.push(format!("{leaner} leans on {guarded}; only {allowed:?} may"));
            }
        }
    }
    findings
}

fn text_of(path: &str) -> Result<&'static str> {
    let file = tree::files()?.iter().find(|file| file.path == path);
    file.and_then(|file| file.text.as_deref())
        .with_context(|| format!("{path} is missing"))
}

#[test]
fn guarded_crates_are_used_only_by_the_rooms_that_wrap_them() -> Result<()> {
    let walls = walls(text_of("deny.toml")?)?;
    let open: Vec<_> = GUARDED
        .iter()
        .filter(|name| !walls.contains_key(**name))
        .collect();
    assert!(open.is_empty(), "deny.toml has no wrappers for {open:?}");
    findings::none(
        breaches(&walls, &leaning(text_of("Cargo.lock")?)?),
        "each of these crates stays behind one module of ours; deny.toml lists who may use it",
    )
}

#[test]
fn a_second_user_of_a_guarded_crate_is_found() -> Result<()> {
    let deny = "[bans]\ndeny = [{ crate = \"sled\", wrappers = [\"a\"], reason = \"r\" }]";
    let walls = walls(deny)?;
    let lock = |user: &str| {
        let user = format!("[[package]]\nname = \"{user}\"\ndependencies = [\"sled 0.34.7\"]\n");
        leaning(&format!(
            "[[package]]\nname = \"a\"\ndependencies = [\"sled\"]\n{user}"
        ))
    };
    findings::count_is(&breaches(&walls, &lock("sled-macros")?), 0)?;
    findings::count_is(&breaches(&walls, &lock("b")?), 1)
}
