//! `journal export`: journals with their inputs, for another place to replay.

use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ids;
use crate::output;
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell journal export 01JD5N --to run.jsonl
  stepwell runs list --status failed -o ids | stepwell journal export - > failed.jsonl
  stepwell check run.jsonl

One line of JSON for each run, with its input and every recorded result: keep it as safe as the data
directory. `stepwell check` replays code over it.";

/// Write journals and inputs of runs as JSON, one line each
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Ids, beginnings of ids, or `-` for ids on standard input
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    /// The file to write, in place of one that is there [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    #[command(flatten)]
    at: Target,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let export = async |reach: &Reach| {
        let mut lines = String::new();
        for id in ids::resolve(reach, &args.runs).await? {
            let line = reach.export(id).await? + "\n";
            match &args.to {
                Some(_) => lines.push_str(&line),
                None => output::print(&line)?,
            }
        }
        Ok(lines)
    };
    let lines = args.at.visit(export).await?;
    let Some(file) = &args.to else {
        return Ok(());
    };
    // Written once all are there: a file is whole or not touched.
    std::fs::write(file, lines).map_err(|error| {
        let sentence = format!("{} cannot be written: {error}", file.display());
        Failure::said(Exit::Io, "failed", sentence)
    })
}
