//! `runs signal`: send a signal to a run of a running engine.

use crate::failure::Failure;
use crate::ids;
use crate::output::{self, OutputArgs};
use crate::payload;
use crate::reach::{Reach, Target};

const EXAMPLE: &str = "\
Examples:
  stepwell runs signal 01JD5N approve '{\"by\":\"ada\"}'
  stepwell runs signal --workflow review --key order-1 approve
  cat answer.json | stepwell runs signal 01JD5N answer -

A signal is kept until the run's code asks for it. A run that was started under a key can be named
by its workflow and that key.";

/// Signal a run
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLE,
    override_usage = "stepwell runs signal [OPTIONS] <RUN> <NAME> [DATA]\n       \
                      stepwell runs signal [OPTIONS] --workflow <NAME> --key <KEY> <NAME> [DATA]"
)]
pub(crate) struct Args {
    /// The run, unless --workflow and --key name it; the signal's name; its data: JSON, `@FILE`, or
    /// `-` for standard input [default: null]
    #[arg(required = true, num_args = 1..=3, value_name = "RUN NAME DATA")]
    words: Vec<String>,

    /// The workflow of the run that has the key
    #[arg(long, value_name = "NAME", requires = "key")]
    workflow: Option<String>,

    /// The key the run was started under
    #[arg(long, requires = "workflow")]
    key: Option<String>,

    #[command(flatten)]
    at: Target,

    #[command(flatten)]
    shape: OutputArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let by_key = args.workflow.as_deref().zip(args.key.as_deref());
    let (run, name, given) = match (by_key, words.as_slice()) {
        (Some(_), [name]) => (None, *name, "null"),
        (Some(_), [name, given]) => (None, *name, *given),
        (None, [run, name]) => (Some(*run), *name, "null"),
        (None, [run, name, given]) => (Some(*run), *name, *given),
        (Some(_), _) => {
            let expected = "with --workflow and --key give the signal's name and its data";
            return Err(Failure::usage(expected));
        }
        (None, _) => return Err(Failure::usage("give a run and the signal's name")),
    };
    let data = payload::json(given, &format!("data of signal {name}"))?;
    let engine = args.at.engine()?;
    let run = match (run, by_key) {
        (Some(run), _) => {
            let reach = Reach::Engine(engine.clone());
            let run = ids::one(&reach, run).await?;
            engine.signal(run, name, data.get()).await?
        }
        (None, Some((workflow, key))) => {
            engine
                .signal_by_key(workflow, key, name, data.get())
                .await?
        }
        (None, None) => return Err(Failure::usage("give a run, or --workflow and --key")),
    };
    let said = || format!("{} has signal {}\n", run.id, output::plain(name));
    output::one(args.shape.output, &run, &run.id, said)
}
