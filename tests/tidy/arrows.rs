//! The rooms and the arrows between them, which point down only.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use crate::{findings, manifests, tree};

/// A crate of ours: its folder, and what of ours it may lean on.
struct Room {
    package: &'static str,
    folder: &'static str,
    /// In its product code, and so in its tests as well.
    uses: &'static [&'static str],
    /// In its tests alone.
    tests_use: &'static [&'static str],
}

/// Every crate of the workspace. A new arrow is an architectural change: it is drawn and reasoned
/// in `docs/architecture.md` first.
const ROOMS: &[Room] = &[
    Room {
        package: "stepwell-core",
        folder: "crates/core",
        uses: &[],
        tests_use: &[],
    },
    Room {
        package: "stepwell-macros",
        folder: "crates/macros",
        uses: &[],
        tests_use: &[],
    },
    Room {
        package: "stepwell-commit-log",
        folder: "crates/commit-log",
        uses: &[],
        tests_use: &[],
    },
    Room {
        package: "stepwell-store",
        folder: "crates/store",
        uses: &["stepwell-core"],
        tests_use: &[],
    },
    Room {
        package: "stepwell-store-sled",
        folder: "crates/store-sled",
        uses: &["stepwell-core", "stepwell-store", "stepwell-commit-log"],
        tests_use: &["stepwell-testkit"],
    },
    Room {
        package: "stepwell",
        folder: "crates/sdk",
        uses: &["stepwell-core", "stepwell-macros"],
        tests_use: &[],
    },
    Room {
        package: "stepwell-engine",
        folder: "crates/engine",
        uses: &["stepwell-core", "stepwell-store", "stepwell"],
        tests_use: &[],
    },
    Room {
        package: "stepwell-server",
        folder: "crates/server",
        uses: &[
            "stepwell-core",
            "stepwell-store",
            "stepwell",
            "stepwell-engine",
        ],
        tests_use: &["stepwell-testkit"],
    },
    Room {
        package: "stepwell-cli",
        folder: "crates/cli",
        uses: &[
            "stepwell-core",
            "stepwell-store",
            "stepwell-store-sled",
            "stepwell",
            "stepwell-engine",
            "stepwell-server",
            "stepwell-swag-store",
            "stepwell-fakes",
        ],
        tests_use: &["stepwell-testkit"],
    },
    Room {
        package: "stepwell-testkit",
        folder: "crates/testkit",
        uses: &[
            "stepwell-core",
            "stepwell-store",
            "stepwell-commit-log",
            "stepwell",
            "stepwell-engine",
        ],
        tests_use: &[],
    },
    Room {
        package: "stepwell-swag-store",
        folder: "workflows/swag-store",
        uses: &["stepwell"],
        tests_use: &["stepwell-testkit", "stepwell-fakes"],
    },
    Room {
        package: "stepwell-bundle-sync",
        folder: "workflows/bundle-sync",
        uses: &["stepwell"],
        tests_use: &["stepwell-testkit"],
    },
    Room {
        package: "stepwell-fakes",
        folder: "workflows/fakes",
        uses: &[],
        tests_use: &[],
    },
    Room {
        package: "stepwell-example-domain-renewal",
        folder: "examples/domain-renewal",
        uses: &["stepwell"],
        tests_use: &["stepwell-testkit"],
    },
    Room {
        package: "stepwell-tests",
        folder: "tests",
        uses: &[
            "stepwell-core",
            "stepwell-store",
            "stepwell-commit-log",
            "stepwell-store-sled",
            "stepwell",
            "stepwell-engine",
            "stepwell-server",
            "stepwell-cli",
            "stepwell-testkit",
            "stepwell-swag-store",
            "stepwell-fakes",
        ],
        tests_use: &[],
    },
];

/// An edge between two crates of ours as cargo sees it.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    for_tests: bool,
}

fn edges(metadata: &Metadata) -> Vec<Edge> {
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut edges = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            if ours.contains(&*dependency.name) {
                edges.push(Edge {
                    from: package.name.to_string(),
                    to: dependency.name.clone(),
                    for_tests: dependency.kind == DependencyKind::Development,
                });
            }
        }
    }
    edges
}

/// Arrows of the table that no manifest draws.
fn unused(edges: &[Edge], rooms: &[Room]) -> Vec<String> {
    let drawn = |room: &Room, used: &str| {
        edges
            .iter()
            .any(|edge| edge.from == room.package && edge.to == used)
    };
    let mut findings = Vec::new();
    for room in rooms {
        for used in room.uses.iter().filter(|used| !drawn(room, used)) {
            findings.push(format!("{} does not use {used}", room.folder));
        }
    }
    findings
}

fn forbidden(edges: &[Edge], rooms: &[Room]) -> Vec<String> {
    let mut findings = Vec::new();
    for Edge {
        from,
        to,
        for_tests,
    } in edges
    {
        let Some(room) = rooms.iter().find(|room| room.package == from) else {
            continue; // A crate without a row is a finding of its own.
        };
        let allowed = room.uses.contains(&&**to) || *for_tests && room.tests_use.contains(&&**to);
        if !allowed {
            let kind = if *for_tests {
                "dev-dependency"
            } else {
                "dependency"
            };
            findings.push(format!("{}/Cargo.toml: {kind} on {to}", room.folder));
        }
    }
    findings
}

#[test]
fn arrows_between_crates_point_down_only() -> Result<()> {
    findings::none(
        forbidden(&edges(manifests::metadata()?), ROOMS),
        "cli → server → engine → sdk/store → core; testkit and fakes serve tests; a new arrow is \
         drawn in docs/architecture.md and in tests/tidy/arrows.rs, with its reason",
    )
}

#[test]
fn no_arrow_of_the_table_is_left_over() -> Result<()> {
    findings::none(
        unused(&edges(manifests::metadata()?), ROOMS),
        "take the arrow out of docs/architecture.md and tests/tidy/arrows.rs",
    )
}

#[test]
fn every_room_has_a_row_a_folder_and_a_line_in_the_architecture() -> Result<()> {
    let root = tree::root()?;
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for package in manifests::metadata()?.workspace_packages() {
        let folder = package
            .manifest_path
            .parent()
            .map(|folder| folder.as_std_path());
        let folder = folder.and_then(|folder| folder.strip_prefix(&root).ok());
        let folder = folder.map(|folder| folder.to_string_lossy().replace('\\', "/"));
        found.insert(package.name.to_string(), folder.unwrap_or_default());
    }
    let known = ROOMS
        .iter()
        .map(|room| (room.package.to_owned(), room.folder.to_owned()));
    assert_eq!(
        found,
        known.collect(),
        "the rows of tests/tidy/arrows.rs and the workspace differ"
    );

    let architecture = tree::files()?
        .iter()
        .find(|file| file.path == "docs/architecture.md");
    let text = architecture
        .and_then(|file| file.text.as_deref())
        .unwrap_or_default();
    let unnamed = ROOMS
        .iter()
        .filter(|room| !text.contains(&format!("`{}`", room.folder)));
    let unnamed = unnamed.map(|room| format!("`{}` does not stand there", room.folder));
    findings::none(
        unnamed.collect(),
        "docs/architecture.md says what each room owns",
    )
}

#[test]
fn no_arrow_in_the_table_closes_a_circle() {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = settled.len();
        for room in ROOMS {
            if room.uses.iter().all(|used| settled.contains(used)) {
                settled.insert(room.package);
            }
        }
        if settled.len() == before {
            break;
        }
    }
    let stuck: Vec<_> = ROOMS
        .iter()
        .filter(|room| !settled.contains(room.package))
        .collect();
    assert!(
        stuck.is_empty(),
        "{:?}",
        stuck.iter().map(|room| room.package).collect::<Vec<_>>()
    );
}

#[test]
fn an_arrow_upward_or_on_the_testkit_is_found() -> Result<()> {
    let edge = |from: &str, to: &str, for_tests| Edge {
        from: format!("stepwell-{from}"),
        to: format!("stepwell-{to}"),
        for_tests,
    };
    findings::count_is(&forbidden(&[edge("core", "store", false)], ROOMS), 1)?;
    findings::count_is(
        &forbidden(&[edge("swag-store", "testkit", false)], ROOMS),
        1,
    )?;
    findings::count_is(&forbidden(&[edge("swag-store", "testkit", true)], ROOMS), 0)?;
    // Below the testkit its types would be there twice.
    findings::count_is(&forbidden(&[edge("engine", "testkit", true)], ROOMS), 1)?;
    findings::count_is(&forbidden(&[edge("engine", "commit-log", false)], ROOMS), 1)?;
    let store = [Room {
        package: "stepwell-store",
        folder: "crates/store",
        uses: &["stepwell-core"],
        tests_use: &[],
    }];
    findings::count_is(&unused(&[edge("store", "core", false)], &store), 0)?;
    findings::count_is(&unused(&[edge("store", "commit-log", false)], &store), 1)
}
