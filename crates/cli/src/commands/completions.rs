//! `completions`: a script that teaches a shell the command line.

use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::print;

const EXAMPLE: &str = "\
Examples:
  stepwell completions bash > /etc/bash_completion.d/stepwell
  stepwell completions zsh > ~/.zfunc/_stepwell";

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut whole: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole, "stepwell", &mut script);
    print(&String::from_utf8_lossy(&script))
}
