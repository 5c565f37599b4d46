//! The story as it happens: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stepwell_cli::talk;

/// How often the spinner turns.
const TURNS_EVERY: Duration = Duration::from_millis(80);

/// Says what happens, each line with the time since the beginning.
pub(super) struct Telling {
    begun: Instant,
    spinner: ProgressBar,
}

impl Telling {
    pub(super) fn begin() -> Self {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if std::io::stderr().is_terminal() && talk::colours() {
            spinner.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg:.dim}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(TURNS_EVERY);
        }
        Self {
            begun: Instant::now(),
            spinner,
        }
    }

    /// One thing that happened.
    pub(super) fn say(&self, line: &str) {
        let elapsed = self.begun.elapsed().as_secs_f32();
        self.spinner
            .suspend(|| talk::say(format_args!("{elapsed:6.2} s  {line}")));
    }

    /// What is waited for.
    pub(super) fn waiting(&self, what: &str) {
        self.spinner.set_message(what.to_owned());
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}
