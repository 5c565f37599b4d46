//! Every error a person can meet has a code and a page, the compiler's errors included.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use syn::visit::{self, Visit};

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// Where the pages stand, one a code; `README.md` there is their table of contents.
const PAGES: &str = "docs/errors/";

/// Where errors that people meet get their codes: in `fn code(&self) -> &'static str`, or beside
/// the exit code, as `Exit::Locked, "store-locked"`, or in a field `code: "failed"`.
const FACES: &[&str] = &["crates/server/src/", "crates/cli/src/"];

/// The mistakes that must not compile, and the page that sets each beside its mend.
const MISTAKES: &str = "crates/sdk/tests/compile_fail/";

/// See [`MISTAKES`]: a section for each, named like the file.
const MENDS: &str = "docs/compile-errors.md";

/// The codes of the methods named `code` that take `self` and return `&'static str`.
#[derive(Default)]
struct Codes {
    inside: bool,
    found: Vec<String>,
}

impl<'ast> Visit<'ast> for Codes {
    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        let signature = &method.sig;
        let returns_text = matches!(&signature.output, syn::ReturnType::Type(_, returned)
            if matches!(&**returned, syn::Type::Reference(reference)
                if reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")));
        let names_codes =
            signature.ident == "code" && signature.receiver().is_some() && returns_text;
        let outer = std::mem::replace(&mut self.inside, names_codes);
        visit::visit_impl_item_fn(self, method);
        self.inside = outer;
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {
        // A doc comment is text in an attribute, and no code.
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        if self.inside {
            self.found.push(text.value());
        }
    }
}

/// The codes a file gives.
fn codes(file: &TextFile) -> Result<Vec<String>> {
    let mut codes = Codes::default();
    codes.visit_file(&rust_source::items(file)?);
    let mut found = codes.found;
    let words: Vec<String> = rust_source::tokens(file)?
        .iter()
        .map(ToString::to_string)
        .collect();
    for (at, word) in words.iter().enumerate() {
        let before: Vec<&str> = words
            .iter()
            .take(at)
            .rev()
            .take(5)
            .map(|word| &**word)
            .collect();
        let given = matches!(before[..], [",", _, ":", ":", "Exit"] | [":", "code", ..]);
        let text = word
            .strip_prefix('"')
            .and_then(|word| word.strip_suffix('"'));
        if let Some(text) = text.filter(|_| given) {
            found.push(text.to_owned());
        }
    }
    Ok(found)
}

/// What differs between the codes that exist and the pages that exist.
fn differences(codes: &BTreeMap<String, String>, pages: &[&TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for (code, given_in) in codes {
        let path = format!("{PAGES}{code}.md");
        let page = pages.iter().find(|page| page.path == path);
        match page.map(|page| page.text.as_deref().unwrap_or_default()) {
            None => findings.push(format!("{given_in}: code `{code}` has no page {path}")),
            Some(text) if !text.starts_with(&format!("# {code}")) => {
                findings.push(format!("{path}: does not begin with `# {code}`"));
            }
            Some(_) => {}
        }
        let kebab = code
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter == '-');
        if !kebab {
            findings.push(format!(
                "{given_in}: code `{code}` is not lowercase-with-hyphens"
            ));
        }
    }
    for page in pages {
        let code = page.name().strip_suffix(".md").unwrap_or(page.name());
        if !codes.contains_key(code) && code != "README" {
            findings.push(format!("{}: no error has this code", page.path));
        }
    }
    findings
}

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() -> Result<()> {
    let mut found = BTreeMap::new();
    for file in tree::rust_files()? {
        if FACES.iter().any(|face| file.path.starts_with(face)) && file.name() != "tests.rs" {
            found.extend(
                codes(file)?
                    .into_iter()
                    .map(|code| (code, file.path.clone())),
            );
        }
    }
    assert!(
        !found.is_empty(),
        "no `fn code(&self) -> &'static str` under {FACES:?}"
    );
    let pages = tree::files()?
        .iter()
        .filter(|file| file.path.starts_with(PAGES));
    findings::none(
        differences(&found, &pages.collect::<Vec<_>>()),
        "one page a code: what happened, what became of the request, what to do",
    )
}

/// What differs between the mistakes, the pinned answers and the sections of the page.
fn unmended(mistakes: &[&TextFile], page: &str) -> Vec<String> {
    let stem = |file: &TextFile| file.name().split('.').next().unwrap_or_default().to_owned();
    let sections: BTreeSet<&str> = page
        .lines()
        .filter_map(|l| l.strip_prefix("### "))
        .collect();
    let mut findings = Vec::new();
    for file in mistakes.iter().filter(|file| file.is_rust()) {
        let name = stem(file);
        let pinned = mistakes
            .iter()
            .any(|other| !other.is_rust() && stem(other) == name);
        if !pinned {
            findings.push(format!("{}: no .stderr beside it", file.path));
        }
        if !sections.contains(&*name) {
            findings.push(format!("{}: no section `### {name}` in {MENDS}", file.path));
        }
    }
    for section in sections {
        if !mistakes
            .iter()
            .any(|file| file.is_rust() && stem(file) == section)
        {
            findings.push(format!("{MENDS}: no mistake is called {section}"));
        }
    }
    for file in mistakes.iter().filter(|file| !file.is_rust()) {
        if !mistakes
            .iter()
            .any(|other| other.is_rust() && stem(other) == stem(file))
        {
            findings.push(format!("{}: the answer to no mistake", file.path));
        }
    }
    findings
}

#[test]
fn every_mistake_that_must_not_compile_is_explained_beside_its_mend() -> Result<()> {
    let files = tree::files()?;
    let mistakes: Vec<_> = files
        .iter()
        .filter(|file| file.path.starts_with(MISTAKES))
        .collect();
    let page = files.iter().find(|file| file.path == MENDS);
    let page = page
        .and_then(|page| page.text.as_deref())
        .unwrap_or_default();
    findings::none(
        unmended(&mistakes, page),
        "a mistake has its pinned answer and its section in the page",
    )
}

#[test]
fn an_unexplained_mistake_is_found() -> Result<()> {
    let mistake = rust_source::sample("crates/sdk/tests/compile_fail/a.rs", "");
    let answer = rust_source::sample("crates/sdk/tests/compile_fail/a.stderr", "");
    findings::count_is(&unmended(&[&mistake, &answer], "### a\n"), 0)?;
    findings::count_is(&unmended(&[&mistake], "### b\n"), 3)
}

#[test]
fn a_code_without_a_page_and_a_page_without_a_code_are_found() -> Result<()> {
    let text = "impl E { /// The code.\n fn code(&self) -> &'static str { match self { Self::A => \"busy\" } }\n\
                fn other(&self) -> &'static str { \"nothing\" } }";
    let found = codes(&rust_source::sample("crates/server/src/error.rs", text))?;
    assert_eq!(found, ["busy"]);
    let text = "fn a() { said(Exit::Locked, \"store-locked\", \"sentence\"); \
                match b { C => (Exit::Usage, \"usage\") } F { code: \"failed\".to_owned() } }";
    let found = codes(&rust_source::sample("crates/cli/src/failure.rs", text))?;
    assert_eq!(found, ["store-locked", "usage", "failed"]);
    let codes = BTreeMap::from([("busy".to_owned(), "crates/server/src/error.rs".to_owned())]);
    let right = rust_source::sample("docs/errors/busy.md", "# busy\n");
    let wrong = rust_source::sample("docs/errors/idle.md", "# idle\n");
    findings::count_is(&differences(&codes, &[&right]), 0)?;
    findings::count_is(&differences(&codes, &[]), 1)?;
    findings::count_is(&differences(&codes, &[&right, &wrong]), 1)
}
