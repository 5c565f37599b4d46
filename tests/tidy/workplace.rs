//! The project speaks of itself alone: no machine it was written on, no notes to its writers.

use anyhow::Result;

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// Texts that stand in no file, each in two halves so that this one does not break its own rule.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/Us", "ers/", "a path of one machine"),
    ("/bash", "_jobs", "a path of one machine"),
    ("crates", ".io", "a host packages come from"),
    ("pypi", ".org", "a host packages come from"),
    ("npm", "js.org", "a host packages come from"),
    ("house", "-style", "a page that is not in the tree"),
    ("design", ".md", "a page that is not in the tree"),
    ("semantics", ".md", "a page that is not in the tree"),
    ("reliability", ".md", "a page that is not in the tree"),
    ("TO", "DO", "a note to a writer: do it, or leave it out"),
    ("FIX", "ME", "a note to a writer: do it, or leave it out"),
    ("as an ", "AI", "a voice that is not the project's"),
    ("Cla", "ude", "a voice that is not the project's"),
    ("Anth", "ropic", "a voice that is not the project's"),
    ("Chat", "GPT", "a voice that is not the project's"),
];

/// Files a tool writes in its own words.
const WRITTEN_BY_TOOLS: &[&str] = &["Cargo.lock"];

fn foreign(file: &TextFile) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (begin, end, why) in FOREIGN {
            let text = format!("{begin}{end}");
            if line.contains(&text) {
                findings.push(format!("{}:{number}: `{text}` is {why}", file.path));
            }
        }
    }
    findings
}

#[test]
fn no_file_speaks_of_where_it_was_written() -> Result<()> {
    let files = tree::files()?.iter();
    let files = files.filter(|file| !WRITTEN_BY_TOOLS.contains(&&*file.path));
    let findings = files.flat_map(foreign).collect();
    findings::none(
        findings,
        "say what the project does, to somebody who has only the project",
    )
}

#[test]
fn a_path_of_one_machine_is_found() -> Result<()> {
    let text = format!("cd {}{}main\n", "/wo", "rk/");
    findings::count_is(&foreign(&rust_source::sample("docs/a.md", &text)), 1)
}
