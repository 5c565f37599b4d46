//! Whether whoever gave the command means it: asked on a terminal, given with `--yes` elsewhere.

use std::io::{IsTerminal as _, stdin};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::talk::say;

/// The option that answers before it is asked.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Consent {
    /// Do not ask; the variable `CI` says so as well
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Goes on when `deed` is meant.
    pub(crate) fn to(self, deed: &str) -> Result<(), Failure> {
        if self.yes || is_ci(std::env::var("CI").ok().as_deref()) {
            return Ok(());
        }
        if !stdin().is_terminal() {
            let sentence = format!(
                "nobody is there to be asked whether to {deed}: give --yes, or look first with --dry-run"
            );
            return Err(Failure::usage(sentence));
        }
        say(format_args!("{deed}? [y/N]"));
        let mut answer = String::new();
        // Whoever cannot be heard has not agreed.
        drop(stdin().read_line(&mut answer));
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        let sentence = format!("nothing was done: you were asked to {deed} and did not say yes");
        Err(Failure::said(Exit::Failed, "declined", sentence))
    }
}

/// Whether the variable says that a program, and no person, gave the command on purpose.
fn is_ci(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_variable_that_says_so_stands_for_a_yes() {
        for (value, expected) in [
            (None, false),
            (Some(""), false),
            (Some("false"), false),
            (Some("0"), false),
            (Some("true"), true),
            (Some("1"), true),
        ] {
            assert_eq!(is_ci(value), expected, "{value:?}");
        }
    }
}
