//! `runs list`: runs, newest first.

use stepwell_core::run::RunStatus;
use stepwell_server::wire::{RunJson, RunListJson};

use crate::failure::Failure;
use crate::output::{self, OutputArgs, Table};
use crate::reach::{Reach, Target, Wanted};

/// Most runs asked for at a time.
const PAGE: usize = 1_000;

const EXAMPLE: &str = "\
Examples:
  stepwell runs list --status failed
  stepwell runs list --data /var/lib/stepwell -o jsonl
  stepwell runs list --status waiting -o ids | stepwell runs cancel -";

/// List runs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Only runs of this status
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,

    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,

    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    /// Go on where an earlier list ended: its last run
    #[arg(long, value_name = "RUN")]
    cursor: Option<String>,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(super) fn status(word: &str) -> Result<RunStatus, String> {
    let found = RunStatus::ALL
        .into_iter()
        .find(|status| status.word() == word);
    found.ok_or_else(|| {
        let words: Vec<_> = RunStatus::ALL.iter().map(|status| status.word()).collect();
        format!("expected one of {}", words.join(", "))
    })
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let cursor = args.cursor.as_deref().map(str::parse).transpose();
    let cursor =
        cursor.map_err(|error| Failure::usage(format_args!("--cursor refused: {error}")))?;
    let wanted = Wanted {
        status: args.status,
        workflow: args.workflow,
        cursor,
        limit: args.limit,
    };
    let collect = async |reach: &Reach| collect(reach, wanted).await;
    let list = args.at.visit(collect).await?;
    output::many(
        args.shape.output,
        &list,
        &list.data,
        |run| run.id.clone(),
        table,
    )
}

/// As many runs as are wanted, page by page.
async fn collect(reach: &Reach, mut wanted: Wanted) -> Result<RunListJson, Failure> {
    let limit = wanted.limit;
    let mut list = RunListJson {
        data: Vec::new(),
        cursor: None,
    };
    while list.data.len() < limit {
        wanted.limit = (limit - list.data.len()).min(PAGE);
        let page = reach.runs(&wanted).await?;
        list.data.extend(page.data);
        list.cursor = page.cursor;
        wanted.cursor = list.cursor.as_deref().and_then(RunListJson::parse_cursor);
        if wanted.cursor.is_none() {
            break;
        }
    }
    Ok(list)
}

fn table(runs: &[RunJson]) -> Table {
    let mut table = Table::new(&["run", "workflow", "version", "status", "started", "ended"]);
    for run in runs {
        let ended = run
            .ended_at
            .map_or_else(|| "-".to_owned(), |at| at.to_string());
        table.row([
            run.id.clone(),
            run.workflow.clone(),
            run.version.to_string(),
            run.status.to_string(),
            run.started_at.to_string(),
            ended,
        ]);
    }
    table
}
