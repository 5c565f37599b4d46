//! A journal outside a store: everything a replay of its run takes, in one line of JSON.
//!
//! Entries stand in it as they are stored, so that every release reads what an earlier one wrote.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stepwell::Registry;
use stepwell_core::entry::RunStarted;
use stepwell_core::envelope::{FORMAT, decode_block, encode_block};
use stepwell_core::{Entry, EntryBody, Payload, RunId, Seq};

use crate::check::{Verdict, check, ended};
use crate::operator::{OperateError, Operator};

/// A run's journal with its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The run.
    pub run: RunId,
    /// Its input.
    pub input: Payload,
    /// Its entries, from the first.
    pub entries: Vec<Entry>,
}

/// What cannot be read as an exported journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no exported journal: {why}; write one with `stepwell journal export`")]
pub struct NotExported {
    /// What is wrong with it.
    pub why: String,
}

/// The document. Fields are only ever added.
#[derive(Serialize, Deserialize)]
struct Document {
    /// Says what the document is.
    kind: String,
    /// The format of the entries.
    format: u8,
    run: String,
    workflow: String,
    version: u32,
    /// As it came in: a number read and written again may be another.
    input: Box<RawValue>,
    /// The entries as a journal block stores them, in hexadecimal.
    entries: String,
}

const KIND: &str = "stepwell-journal";

impl Exported {
    /// The journal as one line of JSON.
    ///
    /// # Errors
    /// When an entry is larger than any reader accepts, or the input is no JSON.
    pub fn to_json(&self) -> Result<String, NotExported> {
        let wrong = |why: String| NotExported { why };
        let Some(started) = self.started() else {
            return Err(wrong(
                "it does not begin with the start of a run".to_owned(),
            ));
        };
        let block = encode_block(&self.entries).map_err(|error| wrong(error.to_string()))?;
        // Between tokens a line break is white space, and inside them there is none.
        let input = self.input.as_json().replace(['\n', '\r'], " ");
        let document = Document {
            kind: KIND.to_owned(),
            format: FORMAT,
            run: self.run.to_string(),
            workflow: started.workflow.to_string(),
            version: started.version,
            input: RawValue::from_string(input)
                .map_err(|_| wrong("its input is no JSON".to_owned()))?,
            entries: hex::encode(block),
        };
        serde_json::to_string(&document).map_err(|error| wrong(error.to_string()))
    }

    /// Reads what [`Exported::to_json`] of this or an earlier release wrote.
    ///
    /// # Errors
    /// What is wrong with it: another document, a later format, entries that do not decode.
    pub fn from_json(text: &str) -> Result<Self, NotExported> {
        let wrong = |why: String| NotExported { why };
        let document: Document = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            wrong(format!(
                "it is not the JSON expected, at line {line}, column {column}"
            ))
        })?;
        if document.kind != KIND {
            return Err(wrong(format!("its kind is not {KIND}")));
        }
        if document.format == 0 || document.format > FORMAT {
            let format = document.format;
            return Err(wrong(format!(
                "its format is {format}, and this build reads 1 to {FORMAT}"
            )));
        }
        let run = document.run.parse();
        let run = run.map_err(|_| wrong("its run is no run id".to_owned()))?;
        let block = hex::decode(&document.entries);
        let block = block.map_err(|_| wrong("its entries are not hexadecimal".to_owned()))?;
        let entries = decode_block(document.format, Seq::FIRST, &block);
        Ok(Self {
            run,
            input: Payload::from_json(document.input.get()),
            entries: entries.map_err(|error| wrong(error.to_string()))?,
        })
    }

    /// Whether the run had ended when it was exported.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        ended(&self.entries)
    }

    /// How the run began.
    #[must_use]
    pub fn started(&self) -> Option<&RunStarted> {
        match self.entries.first().map(|entry| &entry.body) {
            Some(EntryBody::RunStarted(started)) => Some(started),
            _ => None,
        }
    }

    /// Replays the code `registry` holds over it; see [`check`].
    #[must_use]
    pub fn check(&self, registry: &Registry) -> Verdict {
        check(registry, self.run, &self.entries, &self.input)
    }
}

impl Operator {
    /// A run's journal with its input.
    ///
    /// # Errors
    /// There is no such run, its input is gone, or either is damaged.
    pub async fn export(&self, run: RunId) -> Result<Exported, OperateError> {
        let view = self.journal(run).await?;
        let entries = view.ok_or(OperateError::NoSuchRun(run))?.entries;
        let Some(EntryBody::RunStarted(started)) = entries.first().map(|entry| &entry.body) else {
            return Err(OperateError::NoSuchRun(run));
        };
        let input = self.event(started.event.clone()).await?;
        let input = input.ok_or(OperateError::NoInput { run })?.data;
        Ok(Exported {
            run,
            input,
            entries,
        })
    }
}

#[cfg(test)]
mod tests {
    use stepwell_core::{EventId, EventOrder, Timestamp, WorkflowName};

    use super::*;

    #[test]
    fn an_input_is_exported_as_it_came_in_on_one_line() {
        let started = RunStarted {
            workflow: WorkflowName::new("pay"),
            version: 1,
            event: EventId::new("e"),
            input_bytes: 0,
            since: EventOrder::default(),
            parent: None,
            cancel_on: Vec::new(),
            start_at: None,
            start_by: None,
            finish_by: None,
            forked: None,
        };
        let exported = Exported {
            run: RunId::from_bytes([7; 16]),
            input: Payload::from_json("{\n\"b\": 1.50, \"a\": 123456789012345678901234567890 }"),
            entries: vec![Entry {
                seq: Seq::FIRST,
                at: Timestamp::from_ms(1),
                body: EntryBody::RunStarted(started),
            }],
        };
        let line = exported.to_json().unwrap();
        assert!(!line.contains('\n'), "{line}");
        let read = Exported::from_json(&line).unwrap();
        assert_eq!(
            read.input.as_json(),
            "{ \"b\": 1.50, \"a\": 123456789012345678901234567890 }"
        );
        assert_eq!((read.run, &read.entries), (exported.run, &exported.entries));
        assert!(!read.has_ended());
    }
}
