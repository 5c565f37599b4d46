//! What a check found: of each run, of each version of a workflow, and in all.

use std::collections::BTreeMap;

use serde::Serialize;
use stepwell_core::run::RunStatus;
use stepwell_engine::Verdict;

use crate::output::Table;

/// What was found of one run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Found {
    /// The run.
    pub(super) run: String,
    /// Its workflow.
    pub(super) workflow: String,
    /// The version of the code it began with.
    pub(super) version: u32,
    /// Its status; `null` for an exported journal.
    pub(super) status: Option<RunStatus>,
    /// What a replay came to.
    pub(super) verdict: Word,
    /// How many recorded results the code was given, when it fits.
    pub(super) results: Option<usize>,
    /// What the journal holds where they part.
    pub(super) recorded: Option<String>,
    /// What the code does there instead.
    pub(super) attempted: Option<String>,
    /// The verdict in words, unless it fits.
    pub(super) why: Option<String>,
}

/// A verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Word {
    /// The run goes on.
    Fits,
    /// The run would be quarantined.
    Breaks,
    /// Nobody knows beyond a place.
    Unchecked,
    /// It cannot be replayed.
    Unreadable,
}

impl Found {
    pub(super) fn of(
        run: String,
        workflow: String,
        version: u32,
        status: Option<RunStatus>,
        verdict: &Verdict,
    ) -> Self {
        let why = Some(verdict.to_string());
        let bare = Self {
            run,
            workflow,
            version,
            status,
            verdict: Word::Breaks,
            results: None,
            recorded: None,
            attempted: None,
            why,
        };
        match verdict {
            Verdict::Fits { results } => Self {
                verdict: Word::Fits,
                results: Some(*results),
                why: None,
                ..bare
            },
            Verdict::Breaks {
                recorded,
                attempted,
            } => Self {
                recorded: Some(recorded.clone()),
                attempted: Some(attempted.clone()),
                ..bare
            },
            Verdict::NoCode(_) => bare,
            Verdict::Unchecked { .. } => Self {
                verdict: Word::Unchecked,
                ..bare
            },
            Verdict::Unreadable { .. } => Self {
                verdict: Word::Unreadable,
                ..bare
            },
        }
    }
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Findings {
    /// Runs looked at.
    pub(super) checked: u64,
    /// Those that go on.
    pub(super) fitting: u64,
    /// Those that would be quarantined.
    pub(super) breaking: u64,
    /// Those of which it cannot be said.
    pub(super) unknown: u64,
    /// The same of each version of each workflow.
    workflows: Vec<OfVersion>,
    /// Every run.
    runs: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct OfVersion {
    workflow: String,
    version: u32,
    checked: u64,
    fitting: u64,
    breaking: u64,
    unknown: u64,
}

impl Findings {
    pub(super) fn note(&mut self, found: Found) {
        let same =
            |of: &&mut OfVersion| of.workflow == found.workflow && of.version == found.version;
        let of = match self.workflows.iter_mut().find(same) {
            Some(of) => of,
            None => {
                self.workflows.push(OfVersion {
                    workflow: found.workflow.clone(),
                    version: found.version,
                    checked: 0,
                    fitting: 0,
                    breaking: 0,
                    unknown: 0,
                });
                self.workflows
                    .sort_by(|a, b| (&a.workflow, a.version).cmp(&(&b.workflow, b.version)));
                return self.note(found);
            }
        };
        let (whole, part) = match found.verdict {
            Word::Fits => (&mut self.fitting, &mut of.fitting),
            Word::Breaks => (&mut self.breaking, &mut of.breaking),
            Word::Unchecked | Word::Unreadable => (&mut self.unknown, &mut of.unknown),
        };
        *whole += 1;
        *part += 1;
        self.checked += 1;
        of.checked += 1;
        self.runs.push(found);
    }

    /// The ids of the runs that break.
    pub(super) fn ids(&self) -> String {
        let breaking = self.runs.iter().filter(|run| run.verdict == Word::Breaks);
        breaking.map(|found| format!("{}\n", found.run)).collect()
    }

    /// Counts, then every run that is not known to fit, those that break first.
    pub(super) fn text(&self) -> String {
        if self.checked == 0 {
            return "no open run: every binary fits\n".to_owned();
        }
        let mut counts = Table::new(&["workflow", "version", "runs", "fit", "break", "unknown"]);
        for of in &self.workflows {
            let numbers = [of.checked, of.fitting, of.breaking, of.unknown];
            let cells = [of.workflow.clone(), of.version.to_string()];
            counts.row(cells.into_iter().chain(numbers.map(|n| n.to_string())));
        }
        let mut text = counts.render();
        let mut by_verdict: BTreeMap<_, Vec<&Found>> = BTreeMap::new();
        for found in self.runs.iter().filter(|run| run.verdict != Word::Fits) {
            let first = u8::from(found.verdict != Word::Breaks);
            by_verdict.entry(first).or_default().push(found);
        }
        if by_verdict.is_empty() {
            return text;
        }
        let mut rows = Table::new(&["run", "workflow", "version", "status", "what"]);
        for found in by_verdict.into_values().flatten() {
            let status = found.status.map(|status| status.to_string());
            rows.row([
                found.run.clone(),
                found.workflow.clone(),
                found.version.to_string(),
                status.unwrap_or_else(|| "-".to_owned()),
                found.why.clone().unwrap_or_default(),
            ]);
        }
        text.push('\n');
        text.push_str(&rows.render());
        text
    }
}
