//! How tests behave: none is switched off, none waits for time to pass, none expects a panic.

use anyhow::Result;
use syn::visit::{self, Visit};

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// Attributes no test carries.
const BANNED_ATTRIBUTES: &[(&str, &str)] = &[
    (
        "ignore",
        "a test that does not run rots: mend it or delete it",
    ),
    ("should_panic", "name the error instead"),
];

/// Calls that make a test as slow as the clock, or as unsure.
const SLEEPS: &[&str] = &["sleep", "sleep_ms", "sleep_until"];

/// Files of tests, and folders of them, that wait for another process, which nothing but time and looking can do, or
/// that sleep on a paused clock, which takes no time; and workflows whose sleep is what is tested.
const MAY_SLEEP: &[(&str, &str)] = &[
    (
        "crates/testkit/tests/",
        "every test there runs on a clock of its own, where sleeping takes no time",
    ),
    (
        "tests/e2e_workflows.rs",
        "a workflow sleeps, durably, and no test waits for it longer than it must",
    ),
    (
        "tests/sim/",
        "a test there that waits runs on a paused clock, where sleeping takes no time",
    ),
    (
        "tests/sim/simulation/",
        "every seed there runs on a paused clock, where sleeping takes no time",
    ),
    (
        "tests/sim/engine/passing.rs",
        "trouble there passes on a paused clock, where sleeping takes no time",
    ),
    (
        "crates/testkit/src/sim_store.rs",
        "a disk is slow there on a paused clock, where sleeping takes no time",
    ),
];

/// Whether every line of a file belongs to tests.
fn is_all_tests(file: &TextFile) -> bool {
    let path = &file.path;
    path.starts_with("tests/") || path.contains("/tests/") || file.name() == "tests.rs"
}

/// The line ranges of modules compiled for tests alone and of test functions.
#[derive(Default)]
struct TestSpans(Vec<std::ops::RangeInclusive<usize>>);

impl TestSpans {
    fn note(&mut self, attributes: &[syn::Attribute], item: &impl syn::spanned::Spanned) {
        let for_tests = attributes.iter().any(|attribute| {
            let path = attribute.path();
            let last = path
                .segments
                .last()
                .map(|segment| segment.ident.to_string());
            let only_in_tests = path.is_ident("cfg")
                && attribute
                    .meta
                    .require_list()
                    .is_ok_and(|list| list.tokens.to_string() == "test");
            only_in_tests || last.as_deref() == Some("test")
        });
        if for_tests {
            let span = item.span();
            self.0.push(span.start().line..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for TestSpans {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.note(&item.attrs, item);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.attrs, item);
        visit::visit_item_fn(self, item);
    }
}

fn ill_mannered(file: &TextFile) -> Result<Vec<String>> {
    let path = &file.path;
    let mut findings = Vec::new();
    for (line, name) in rust_source::attributes(file)? {
        if let Some((name, why)) = BANNED_ATTRIBUTES.iter().find(|(banned, _)| *banned == name) {
            findings.push(format!("{path}:{line}: #[{name}]: {why}"));
        }
    }
    let mut spans = TestSpans::default();
    spans.visit_file(&rust_source::items(file)?);
    let in_tests =
        |line: usize| is_all_tests(file) || spans.0.iter().any(|span| span.contains(&line));
    for (line, name) in rust_source::calls(file, SLEEPS)? {
        if in_tests(line)
            && !MAY_SLEEP
                .iter()
                .any(|(forgiven, _)| path.starts_with(forgiven))
        {
            findings.push(format!(
                "{path}:{line}: {name}(): wait for what is to happen"
            ));
        }
    }
    Ok(findings)
}

#[test]
fn no_test_is_switched_off_sleeps_or_expects_a_panic() -> Result<()> {
    let mut findings = Vec::new();
    for file in tree::rust_files()? {
        findings.extend(ill_mannered(file)?);
    }
    findings::none(
        findings,
        "tests run always, take no time on purpose, and name their errors",
    )
}

#[test]
fn every_file_forgiven_for_sleeping_still_sleeps() -> Result<()> {
    let mut idle = Vec::new();
    for (forgiven, _) in MAY_SLEEP {
        let mut sleeps = 0;
        for file in tree::files()? {
            if file.path.starts_with(forgiven) && file.path.ends_with(".rs") {
                sleeps += rust_source::calls(file, SLEEPS)?.len();
            }
        }
        if sleeps == 0 {
            idle.push(format!("{forgiven}: does not sleep"));
        }
    }
    findings::none(idle, "take it out of MAY_SLEEP")
}

#[test]
fn sleeping_in_a_test_is_found_and_sleeping_in_product_code_is_not() -> Result<()> {
    let product = "fn retry() { std::thread::sleep(a); }";
    let inside = format!("{product}\n#[cfg(test)]\nmod tests {{ fn b() {{ sleep(c); }} }}\n");
    let test = format!("#[tokio::test]\nasync {product}\n");
    let at = |text: &str| ill_mannered(&rust_source::sample("crates/a/src/b.rs", text));
    findings::count_is(&at(product)?, 0)?;
    findings::count_is(&at(&inside)?, 1)?;
    findings::count_is(&at(&test)?, 1)?;
    findings::count_is(
        &ill_mannered(&rust_source::sample("tests/e2e/a.rs", product))?,
        1,
    )?;
    findings::count_is(&at("#[test]\n#[ignore]\n#[should_panic]\nfn a() {}")?, 2)
}
