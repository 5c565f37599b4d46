//! What `runs cancel`, `kill`, `pause`, `resume` and `retry` share: of which runs, and how it is told.

use stepwell_core::WorkflowName;
use stepwell_core::run::RunStatus;
use stepwell_engine::{BulkAsk, Request, Whom};
use stepwell_server::wire::{BulkJson, BulkRunJson, RunListJson};
use stepwell_store::RunFilter;

use super::list::status;
use crate::consent::Consent;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ids;
use crate::output::{self, Format, OutputArgs, Table};
use crate::reach::{Reach, Target};
use crate::talk::{complain, say};

/// Runs in a page of a request to many.
const PAGE: usize = 500;

/// Which runs are asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// Ids, beginnings of ids, or `-` for ids on standard input
    #[arg(
        value_name = "RUN",
        required_unless_present_any = ["status", "workflow"],
        conflicts_with_all = ["status", "workflow"]
    )]
    runs: Vec<String>,

    /// Instead of ids: all runs of this status
    #[arg(long, value_parser = status, help_heading = "Many at once")]
    status: Option<RunStatus>,

    /// Instead of ids: all runs of this workflow that it can be meant for
    #[arg(long, value_name = "NAME", help_heading = "Many at once")]
    workflow: Option<String>,

    /// Say what would be done, with counts and the first runs, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    consent: Consent,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

/// Why it is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Reason {
    /// Why; kept in the journal
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

impl Asked {
    /// Asks `request` of the runs; of each that takes it `said` is printed behind its id.
    pub(crate) async fn ask(
        &self,
        request: Request,
        reason: &str,
        said: &str,
    ) -> Result<(), Failure> {
        let selected = self.runs.is_empty();
        if (selected || self.dry_run) && self.shape.output == Format::Ids {
            let expected = "requests to many runs have no shape `ids`: list the ids with \
                            `stepwell runs list -o ids`";
            return Err(Failure::usage(expected));
        }
        let work = async |reach: &Reach| match (selected, self.dry_run) {
            (false, false) => self.each(reach, request, reason, said).await,
            (false, true) => {
                let runs = ids::resolve(reach, &self.runs).await?;
                let ask = self.bulk(request, reason, Whom::Runs(runs), true);
                self.show(&reach.bulk(&ask).await?)
            }
            (true, _) => self.all_selected(reach, request, reason).await,
        };
        self.at.visit(work).await
    }

    /// Asks each run that is named. One that refuses does not keep the others from being asked.
    async fn each(
        &self,
        reach: &Reach,
        request: Request,
        reason: &str,
        said: &str,
    ) -> Result<(), Failure> {
        let mut refused: Option<Failure> = None;
        for id in ids::resolve(reach, &self.runs).await? {
            match reach.put(id, request, reason).await {
                Ok(run) => {
                    let line = || format!("{} {said}\n", run.id);
                    output::one(self.shape.output, &run, &run.id, line)?;
                }
                Err(failure) if matches!(failure.exit(), Exit::Conflict | Exit::NotFound) => {
                    // The last that is told ends the command.
                    if let Some(earlier) = refused.replace(failure) {
                        complain(&earlier);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    async fn all_selected(
        &self,
        reach: &Reach,
        request: Request,
        reason: &str,
    ) -> Result<(), Failure> {
        let would = self.pages(reach, request, reason, true).await?;
        if self.dry_run || would.taken == 0 {
            return self.show(&would);
        }
        for line in told(&would).lines() {
            say(format_args!("{line}"));
        }
        let deed = format!("{} {} run(s)", request.word(), would.taken);
        self.consent.to(&deed)?;
        self.show(&self.pages(reach, request, reason, false).await?)
    }

    async fn pages(
        &self,
        reach: &Reach,
        request: Request,
        reason: &str,
        dry_run: bool,
    ) -> Result<BulkJson, Failure> {
        let mut filter = RunFilter {
            status: self.status,
            workflow: self.workflow.as_deref().map(WorkflowName::new),
            before: None,
        };
        let mut so_far: Option<BulkJson> = None;
        loop {
            let ask = self.bulk(request, reason, Whom::Where(filter.clone()), dry_run);
            let page = reach.bulk(&ask).await?;
            filter.before = page.cursor.as_deref().and_then(RunListJson::parse_cursor);
            let all = match so_far.take() {
                Some(before) => before.and(page),
                None => page,
            };
            if filter.before.is_none() {
                return Ok(all);
            }
            so_far = Some(all);
        }
    }

    fn bulk(&self, request: Request, reason: &str, whom: Whom, dry_run: bool) -> BulkAsk {
        BulkAsk {
            request,
            reason: reason.to_owned(),
            whom,
            limit: PAGE,
            dry_run,
        }
    }

    /// Prints what became of the request. When nobody took it that is a refusal.
    fn show(&self, report: &BulkJson) -> Result<(), Failure> {
        output::one(self.shape.output, report, "", || told(report))?;
        if report.matched == 0 || report.taken > 0 {
            return Ok(());
        }
        let first = report.first_refused.first();
        let why = first.and_then(|run| run.error.as_ref());
        let why = why.map_or("", |error| error.message.as_str());
        let sentence = format!("none of {} run(s) takes it: {why}", report.matched);
        Err(Failure::said(Exit::Conflict, "run-refuses", sentence))
    }
}

/// Counts, and the first runs of each kind.
fn told(report: &BulkJson) -> String {
    let BulkJson {
        action,
        matched,
        taken,
        refused,
        ..
    } = report;
    let (take, leave) = if report.dry_run {
        ("would take it", "would not")
    } else {
        ("took it", "did not")
    };
    let mut text = format!("{action}: {matched} run(s), {taken} {take}, {refused} {leave}\n");
    text.push_str(&rows(&report.first_taken, report.taken));
    text.push_str(&rows(&report.first_refused, report.refused));
    text
}

fn rows(first: &[BulkRunJson], of: u64) -> String {
    if first.is_empty() {
        return String::new();
    }
    let refused = first.iter().any(|run| run.error.is_some());
    let heads: &[&'static str] = if refused {
        &["run", "workflow", "status", "why not"]
    } else {
        &["run", "workflow", "status"]
    };
    let mut table = Table::new(heads);
    for run in first {
        let mut cells = vec![
            run.id.clone(),
            run.workflow.clone().unwrap_or_else(|| "-".to_owned()),
            run.status
                .map_or_else(|| "-".to_owned(), |status| status.to_string()),
        ];
        cells.extend(run.error.as_ref().map(|error| error.message.clone()));
        table.row(cells);
    }
    let more = of.saturating_sub(first.len() as u64);
    let more = if more == 0 {
        String::new()
    } else {
        format!("and {more} more\n")
    };
    format!("\n{}{more}", table.render())
}
