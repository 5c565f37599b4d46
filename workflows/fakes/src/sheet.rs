//! One tab of one spreadsheet: its cells, and the A1 ranges that name them.

use serde_json::{Value, json};

use crate::fakes::ORDERS_SHEET_NAME;

/// The header row the operator of the shop has set up.
const HEADER: [&str; 16] = [
    "order_id",
    "created_at",
    "email",
    "name",
    "items",
    "total_cents",
    "currency",
    "ship_address",
    "ship_city",
    "ship_state",
    "ship_zip",
    "ship_country",
    "phone",
    "status",
    "tracking",
    "notes",
];

/// The cells, all of them text, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    rows: Vec<Vec<String>>,
}

/// A range of the tab: columns from 0, rows from 0, ends inclusive, open where the text left them
/// open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct A1Range {
    columns: (usize, usize),
    first_row: usize,
    last_row: Option<usize>,
}

impl Sheet {
    pub(crate) fn with_header() -> Sheet {
        Sheet {
            rows: vec![HEADER.map(str::to_owned).to_vec()],
        }
    }

    /// The rows below the header.
    pub(crate) fn orders(&self) -> Vec<Vec<String>> {
        self.rows.iter().skip(1).cloned().collect()
    }

    /// Reads `Orders!A:A`, `'Orders'!A2:P`, `Orders!A1:P1`; `None` for another tab or for nonsense.
    pub(crate) fn range(text: &str) -> Option<A1Range> {
        let (tab, cells) = text.rsplit_once('!')?;
        let quoted = tab
            .strip_prefix('\'')
            .and_then(|tab| tab.strip_suffix('\''));
        if quoted.unwrap_or(tab) != ORDERS_SHEET_NAME {
            return None;
        }
        let (from, to) = cells.split_once(':').unwrap_or((cells, cells));
        let ((first_column, first_row), (last_column, last_row)) = (corner(from)?, corner(to)?);
        Some(A1Range {
            columns: (first_column, last_column),
            first_row: first_row.unwrap_or(0),
            last_row,
        })
    }

    pub(crate) fn read(&self, range: &A1Range, by_columns: bool) -> Value {
        let end = range
            .last_row
            .map_or(self.rows.len(), |last| self.rows.len().min(last + 1));
        let start = range.first_row.min(end);
        let (first, last) = range.columns;
        let row = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().take(last + 1).skip(first).cloned().collect();
            trimmed(cells)
        };
        let rows: Vec<Vec<String>> = self.rows[start..end].iter().map(row).collect();
        let (dimension, values) = if by_columns {
            ("COLUMNS", columns(&rows))
        } else {
            ("ROWS", rows)
        };
        let name = format!(
            "{ORDERS_SHEET_NAME}!{}{}:{}{}",
            letters(first),
            start + 1,
            letters(last),
            end.max(start + 1)
        );
        let mut reply = json!({ "range": name, "majorDimension": dimension });
        // Google leaves `values` out when there are none.
        if values.iter().any(|cells| !cells.is_empty()) {
            reply["values"] = json!(values);
        }
        reply
    }

    pub(crate) fn append(&mut self, id: &str, range: &A1Range, rows: Vec<Vec<String>>) -> Value {
        let table = format!("{ORDERS_SHEET_NAME}!A1:P{}", self.rows.len());
        let at = self.rows.len();
        let updates = updates(id, range.columns.0, at, &rows);
        self.rows.extend(rows);
        json!({ "spreadsheetId": id, "tableRange": table, "updates": updates })
    }

    pub(crate) fn update(&mut self, id: &str, range: &A1Range, rows: Vec<Vec<String>>) -> Value {
        let first = range.columns.0;
        let reply = updates(id, first, range.first_row, &rows);
        for (offset, cells) in rows.into_iter().enumerate() {
            let at = range.first_row + offset;
            if self.rows.len() <= at {
                self.rows.resize(at + 1, Vec::new());
            }
            let row = &mut self.rows[at];
            if row.len() < first + cells.len() {
                row.resize(first + cells.len(), String::new());
            }
            row.splice(first..first + cells.len(), cells);
        }
        reply
    }
}

/// `A`, `A2`: the column, and the row if one is named.
fn corner(text: &str) -> Option<(usize, Option<usize>)> {
    let digits = text
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(text.len());
    let (letters, row) = text.split_at(digits);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let mut column = 0;
    for letter in letters.bytes() {
        if !letter.is_ascii_uppercase() {
            return None;
        }
        column = column * 26 + usize::from(letter - b'A') + 1;
    }
    let row = if row.is_empty() {
        None
    } else {
        Some(row.parse::<usize>().ok()?.checked_sub(1)?)
    };
    Some((column - 1, row))
}

fn letters(column: usize) -> String {
    let mut rest = column + 1;
    let mut text = String::new();
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or_default();
        text.insert(0, char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    text
}

/// Google leaves empty cells at the end out.
fn trimmed(mut cells: Vec<String>) -> Vec<String> {
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    cells
}

fn columns(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let column = |at| {
        rows.iter()
            .map(|row| row.get(at).cloned().unwrap_or_default())
            .collect()
    };
    (0..width).map(|at| trimmed(column(at))).collect()
}

fn updates(id: &str, first_column: usize, first_row: usize, rows: &[Vec<String>]) -> Value {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells: usize = rows.iter().map(Vec::len).sum();
    let last_column = first_column + width.saturating_sub(1);
    let range = format!(
        "{ORDERS_SHEET_NAME}!{}{}:{}{}",
        letters(first_column),
        first_row + 1,
        letters(last_column),
        first_row + rows.len().max(1)
    );
    json!({
        "spreadsheetId": id,
        "updatedRange": range,
        "updatedRows": rows.len(),
        "updatedColumns": width,
        "updatedCells": cells,
    })
}

#[cfg(test)]
mod tests;
