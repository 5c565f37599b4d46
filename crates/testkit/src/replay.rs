//! New code over journals of production: which of them it no longer fits, and where.

use std::fmt;

use stepwell::Registry;
use stepwell_core::{EntryBody, RunId};
use stepwell_engine::{Exported, Verdict};

/// The journals that code does not fit. Its `Debug` is the same text, so that `unwrap` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatches {
    /// How many journals were replayed.
    pub journals: usize,
    /// Those that broke, in the order of the file.
    pub broken: Vec<Mismatch>,
}

/// One journal that code does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its line in the text, from 1.
    pub line: usize,
    /// The run and its workflow; `None` where the line is no exported journal.
    pub run: Option<(RunId, String)>,
    /// What is wrong, both sides named.
    pub what: String,
}

impl fmt::Display for Mismatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, all) = (self.broken.len(), self.journals);
        writeln!(f, "{broken} of {all} journals do not replay:")?;
        for Mismatch { line, run, what } in &self.broken {
            match run {
                Some((run, workflow)) => {
                    writeln!(f, "line {line}: run {run} of {workflow} {what}")?
                }
                None => writeln!(f, "line {line}: {what}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Mismatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Mismatches {}

/// Replays the code in `registry` over `exported`, which holds a journal a line, as
/// `stepwell journal export` writes them. Bodies are not called and nothing is written. The result
/// is how many journals fit.
///
/// An open run must ask for what is recorded, as far as that goes; one that has ended must come to
/// the end that is recorded.
///
/// # Errors
/// The journals that the code does not fit, and lines that are no exported journal.
pub fn replay(registry: &Registry, exported: &str) -> Result<usize, Mismatches> {
    let lines = exported.lines().enumerate();
    let lines = lines.filter(|(_, text)| !text.trim().is_empty());
    let mut mismatches = Mismatches {
        journals: 0,
        broken: Vec::new(),
    };
    for (at, text) in lines {
        mismatches.journals += 1;
        mismatches.broken.extend(broken(registry, at + 1, text));
    }
    if mismatches.broken.is_empty() {
        return Ok(mismatches.journals);
    }
    Err(mismatches)
}

fn broken(registry: &Registry, line: usize, text: &str) -> Option<Mismatch> {
    let exported = match Exported::from_json(text) {
        Ok(exported) => exported,
        Err(error) => {
            return Some(Mismatch {
                line,
                run: None,
                what: error.to_string(),
            });
        }
    };
    let workflow = match exported.entries.first().map(|entry| &entry.body) {
        Some(EntryBody::RunStarted(started)) => started.workflow.to_string(),
        Some(_) | None => "unknown".to_owned(),
    };
    match exported.check(registry) {
        Verdict::Fits { .. } => None,
        verdict => Some(Mismatch {
            line,
            run: Some((exported.run, workflow)),
            what: verdict.to_string(),
        }),
    }
}
