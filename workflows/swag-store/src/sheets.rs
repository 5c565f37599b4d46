//! The orders sheet: one row for each order, however often the append is repeated.

use std::future::Future;

use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};

use crate::config::SheetConfig;
use crate::order_row::OrderRow;
use crate::outward::{CallError, Outward, below};
use crate::service_account::Tokens;

const SERVICE: &str = "google sheets";

/// A client of one tab of one spreadsheet.
#[derive(Clone, Debug)]
pub struct OrdersSheet {
    outward: Outward,
    tokens: Tokens,
    api_base: Url,
    spreadsheet_id: String,
    /// The tab's name, quoted where the range notation asks for it.
    tab: String,
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Appended {
    /// False if the order was in the sheet already: an earlier attempt's reply was lost.
    pub appended: bool,
    /// Where the row is.
    pub updated_range: String,
}

/// Cells, as Google sends and takes them. It leaves `values` out where there are none.
#[derive(Deserialize)]
struct Column {
    #[serde(default)]
    values: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct NewRows<'a> {
    values: [&'a OrderRow; 1],
}

#[derive(Deserialize)]
struct AppendReply {
    updates: Updates,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Updates {
    updated_range: String,
}

impl OrdersSheet {
    pub(crate) fn new(config: SheetConfig, outward: Outward) -> OrdersSheet {
        OrdersSheet {
            tokens: Tokens::new(config.account, outward.clone()),
            outward,
            api_base: config.api_base,
            spreadsheet_id: config.spreadsheet_id,
            tab: quoted(&config.tab),
        }
    }

    /// Appends `row` unless its order id (the first cell) is in column A.
    ///
    /// # Errors
    /// When Google cannot be asked or refuses. After a lost reply the row may be there: the next
    /// attempt finds it.
    pub async fn append_once(&self, row: &OrderRow) -> Result<Appended, CallError> {
        if let Some(range) = self.find(&row[0]).await? {
            return Ok(Appended {
                appended: false,
                updated_range: range,
            });
        }
        // Crash here, or after the append and before the step's record: the next attempt reads
        // column A again.
        let range = self.append(row).await?;
        Ok(Appended {
            appended: true,
            updated_range: range,
        })
    }

    /// The range of the row that has `order_id` in column A.
    async fn find(&self, order_id: &str) -> Result<Option<String>, CallError> {
        let url = self.values(&format!("{}!A:A", self.tab));
        let column: Column = self
            .with_token(async |token| {
                let request = self.outward.http().get(url.clone()).bearer_auth(token);
                let request = request.query(&[("majorDimension", "COLUMNS")]);
                self.outward.send(SERVICE, request).await
            })
            .await?;
        let cells = column.values.first();
        let at = cells.and_then(|cells| cells.iter().position(|cell| cell == order_id));
        Ok(at.map(|at| format!("{tab}!A{row}:P{row}", tab = self.tab, row = at + 1)))
    }

    /// RAW, so that a name beginning with `=` stays text and is never a formula.
    async fn append(&self, row: &OrderRow) -> Result<String, CallError> {
        let url = self.values(&format!("{}!A:A:append", self.tab));
        let body = NewRows { values: [row] };
        let reply: AppendReply = self
            .with_token(async |token| {
                let request = self.outward.http().post(url.clone()).bearer_auth(token);
                let options = [
                    ("valueInputOption", "RAW"),
                    ("insertDataOption", "INSERT_ROWS"),
                ];
                self.outward
                    .send(SERVICE, request.query(&options).json(&body))
                    .await
            })
            .await?;
        Ok(reply.updates.updated_range)
    }

    /// Calls with a token, and once more with a fresh one if Google does not take it: it was
    /// refused before it acted.
    async fn with_token<T, F>(&self, call: impl Fn(String) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let token = self.tokens.bearer().await?;
        match call(token.clone()).await {
            Err(error) if error.is_refusal(StatusCode::UNAUTHORIZED) => {
                self.tokens.forget(&token).await;
                call(self.tokens.bearer().await?).await
            }
            outcome => outcome,
        }
    }

    fn values(&self, range: &str) -> Url {
        below(
            &self.api_base,
            &["v4", "spreadsheets", &self.spreadsheet_id, "values", range],
        )
    }
}

/// A tab's name as a range wants it: in quotes unless it is a plain word.
fn quoted(tab: &str) -> String {
    if tab.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return tab.to_owned();
    }
    format!("'{}'", tab.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
