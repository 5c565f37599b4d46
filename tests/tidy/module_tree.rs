//! Every Rust file is part of some crate: a file no module names is dead and nobody is told.

use std::collections::BTreeSet;

use anyhow::Result;
use syn::visit::{self, Visit};

use crate::tree::{self, TextFile};
use crate::{findings, links, manifests, rust_source};

/// Files that are compiled one by one by a test, not as part of a crate.
const COMPILED_ALONE: &str = "crates/sdk/tests/compile_fail/";

/// The modules a file names that stand in files of their own.
#[derive(Default)]
struct Children {
    inside: Vec<String>,
    /// By name, as paths below the file's own folder of modules.
    named: Vec<String>,
    /// By `#[path]`, relative to where the file stands.
    placed: Vec<String>,
}

impl<'ast> Visit<'ast> for Children {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inside.push(item.ident.to_string());
        if item.content.is_none() {
            match item.attrs.iter().find_map(placed_at) {
                Some(path) => self.placed.push(path),
                None => self.named.push(self.inside.join("/")),
            }
        }
        visit::visit_item_mod(self, item);
        self.inside.pop();
    }
}

/// The text of a `#[path = "…"]`.
fn placed_at(attribute: &syn::Attribute) -> Option<String> {
    let named = attribute.meta.require_name_value().ok()?;
    match &named.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) if named.path.is_ident("path") => Some(text.value()),
        _ => None,
    }
}

/// The paths a file's child modules must have, given where the file stands.
fn children(file: &TextFile, is_root: bool) -> Result<Vec<String>> {
    let mut found = Children::default();
    found.visit_file(&rust_source::items(file)?);
    let stem = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let beside = stem.rsplit_once('/').map_or("", |(parent, _)| parent);
    let below = if is_root { beside } else { stem };
    let named = found
        .named
        .iter()
        .map(|child| format!("{below}/{child}.rs"));
    let placed = found
        .placed
        .iter()
        .filter_map(|path| links::resolve(&file.path, path));
    Ok(named.chain(placed).collect())
}

/// Where the crates begin: the source of every target cargo knows.
fn roots() -> Result<Vec<String>> {
    let root = tree::root()?;
    let packages = manifests::metadata()?.workspace_packages();
    let targets = packages.iter().flat_map(|package| &package.targets);
    let mut paths = Vec::new();
    for target in targets {
        // Two packages may build one `main.rs`: written `tests/../crates/cli/src/main.rs`.
        let path = target.src_path.as_std_path().canonicalize()?;
        if let Ok(path) = path.strip_prefix(root.canonicalize()?) {
            paths.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(paths)
}

#[test]
fn every_rust_file_is_named_by_a_module() -> Result<()> {
    let files: Vec<_> = tree::rust_files()?.collect();
    let roots = roots()?;
    let mut open = roots.clone();
    let mut reached = BTreeSet::new();
    while let Some(path) = open.pop() {
        let Some(file) = files.iter().find(|file| file.path == path) else {
            continue;
        };
        if reached.insert(path) {
            open.extend(children(file, roots.contains(&file.path))?);
        }
    }
    let dead = files
        .iter()
        .filter(|file| !reached.contains(&file.path) && !file.path.starts_with(COMPILED_ALONE));
    let dead = dead.map(|file| format!("{}: no `mod` leads here", file.path));
    findings::none(
        dead.collect(),
        "name it with `mod` in its parent, or delete it",
    )
}

#[test]
fn a_modules_children_stand_in_the_folder_of_its_name() -> Result<()> {
    let text = "mod a;\nmod b { mod c; }\nmod d {}\n";
    let of_root = children(&rust_source::sample("crates/x/src/lib.rs", text), true)?;
    assert_eq!(of_root, ["crates/x/src/a.rs", "crates/x/src/b/c.rs"]);
    let of_module = children(&rust_source::sample("crates/x/src/y.rs", text), false)?;
    assert_eq!(of_module, ["crates/x/src/y/a.rs", "crates/x/src/y/b/c.rs"]);
    let placed = rust_source::sample("tests/e2e/x.rs", "#[path = \"../faults/a.rs\"]\nmod a;");
    assert_eq!(children(&placed, false)?, ["tests/faults/a.rs"]);
    Ok(())
}
