//! Progress on standard error: a bar on a terminal, a line for each tenth elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::bench::progress::Progress;
use crate::talk::{colours, say};

/// Shows progress until dropped.
pub(super) struct Shown {
    bar: ProgressBar,
    lively: bool,
    /// What was last said in plain lines, and how many tenths of it were done.
    last: RefCell<(String, u64)>,
}

impl Shown {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let lively = std::io::stderr().is_terminal() && colours();
        if lively {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(80));
        }
        Self {
            bar,
            lively,
            last: RefCell::default(),
        }
    }

    pub(super) fn show(&self, progress: &Progress) {
        let Progress { what, done, of } = progress;
        if self.lively {
            self.show_lively(what, *done, *of);
            return;
        }
        let tenths = (done * 10).checked_div(*of).unwrap_or_default();
        if *self.last.borrow() == (what.clone(), tenths) {
            return;
        }
        *self.last.borrow_mut() = (what.clone(), tenths);
        if *of == 0 {
            say(format_args!("{what}"));
        } else {
            say(format_args!("{what}: {done} of {of}"));
        }
    }

    fn show_lively(&self, what: &str, done: u64, of: u64) {
        if *self.last.borrow().0 != *what {
            *self.last.borrow_mut() = (what.to_owned(), 0);
            let template = if of == 0 {
                "{spinner} {msg}"
            } else {
                "{spinner} {msg} {wide_bar} {pos} of {len}"
            };
            // A style that cannot be read leaves the one before.
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.set_message(what.to_owned());
        }
        if of > 0 {
            self.bar.set_length(of);
            self.bar.set_position(done);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
