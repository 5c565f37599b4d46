//! Results on standard output: tables for people, JSON for programs.

mod journal;

use std::io::{ErrorKind, IsTerminal, Write as _, stdout};

use clap::ValueEnum;
use serde::Serialize;
use stepwell_core::run::RunStatus;

use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use journal::cells;
pub use journal::journal;

/// The shape of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// The API's own JSON, whole.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Ids alone, one a line.
    Ids,
}

/// The option that chooses the shape.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// Shape of the result on standard output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

/// Rows under headings.
#[derive(Debug, Default)]
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters are shown as `\u{…}`: a cell may hold what a stranger sent.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, columns aligned, with a line break at the end.
    #[must_use]
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(self.heads[column].len())
        };
        let widths: Vec<_> = (0..self.heads.len()).map(width).collect();
        let mut text = String::new();
        let heads: Vec<_> = self.heads.iter().map(|head| head.to_uppercase()).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `text` with control characters made visible.
#[must_use]
pub fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}

/// The word for a status, coloured when standard output is a terminal that may be coloured.
#[must_use]
pub fn status(status: RunStatus) -> String {
    let code = match status {
        RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => "36",
        RunStatus::Completed => "32",
        RunStatus::Failed | RunStatus::Quarantined => "31",
        RunStatus::Cancelled | RunStatus::Paused => "33",
    };
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if stdout().is_terminal() && colours {
        format!("\x1b[{code}m{status}\x1b[0m")
    } else {
        status.to_string()
    }
}

/// Prints text as it is. A reader that went away ends the output, not the command.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let sentence = format!("standard output cannot be written: {error}");
            Err(Failure::said(Exit::Io, "failed", sentence))
        }
    }
}

/// Prints one value, in `format`.
///
/// # Errors
/// When standard output cannot be written.
pub fn one<T: Serialize>(
    format: Format,
    value: &T,
    id: &str,
    table: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match format {
        Format::Table => print(&table()),
        Format::Json => print(&pretty(value)?),
        Format::Jsonl => print(&line(value)?),
        Format::Ids => print(&format!("{id}\n")),
    }
}

/// Prints a list, in `format`; `whole` is what JSON shows.
///
/// # Errors
/// When standard output cannot be written.
pub fn many<T: Serialize, W: Serialize>(
    format: Format,
    whole: &W,
    items: &[T],
    id: impl Fn(&T) -> String,
    table: impl FnOnce(&[T]) -> Table,
) -> Result<(), Failure> {
    match format {
        Format::Table => print(&table(items).render()),
        Format::Json => print(&pretty(whole)?),
        Format::Jsonl => {
            let lines: Result<String, Failure> = items.iter().map(line).collect();
            print(&lines?)
        }
        Format::Ids => {
            let ids: String = items.iter().map(|item| id(item) + "\n").collect();
            print(&ids)
        }
    }
}

fn pretty<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(anyhow::Error::from)? + "\n")
}

/// A value as one line of JSON.
///
/// # Errors
/// When it does not serialise.
pub fn line<T: Serialize>(value: &T) -> Result<String, Failure> {
    // A payload is passed on as it came, line breaks included; between tokens they are white space.
    let text = serde_json::to_string(value).map_err(anyhow::Error::from)?;
    Ok(text.replace(['\n', '\r'], " ") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["id", "status"]);
        table.row(["a".to_owned(), "completed".to_owned()]);
        table.row(["bcd".to_owned(), "ü".to_owned()]);
        assert_eq!(table.render(), "ID   STATUS\na    completed\nbcd  ü\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::new(&["name"]);
        table.row(["\x1b[2Jx\ny".to_owned()]);
        assert_eq!(table.render(), "NAME\n\\u{1b}[2Jx\\ny\n");
    }
}
