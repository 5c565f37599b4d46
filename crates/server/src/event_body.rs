//! Bytes of a request to events: one object or an array of them, all or none.
//!
//! Hostile input is the normal case here. Nesting is bounded by a scan before anything recursive
//! looks at the text; `data` and `user` are checked to the last character and then kept as the
//! text that came in. What is wrong is said with the place, never by quoting the payload.

mod depth;
mod envelope;
mod strict;

use serde_json::value::RawValue;
use stepwell_core::limits::JSON_DEPTH;
use stepwell_engine::NewEvent;

use strict::Strict;

/// Bounds on what one request may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Largest event, in bytes of JSON.
    pub event_bytes_max: usize,
    /// Most events in a request.
    pub events_max: usize,
}

/// Where in a request something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The event, from 0; `None` while no event can be told from another.
    pub index: Option<usize>,
    /// The field of the event.
    pub field: Option<&'static str>,
    /// The byte of the body, from 0.
    pub offset: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(index) = self.index {
            write!(f, "event {index}, ")?;
        }
        if let Some(field) = self.field {
            write!(f, "field `{field}`, ")?;
        }
        write!(f, "byte {}", self.offset)
    }
}

/// Why a body was not taken as events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The text is not JSON, or not the JSON of events.
    #[error("body refused at {place}: {why}")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong, and what was expected.
        why: String,
    },
    /// One event is over the limit.
    #[error("event {index} has {bytes} bytes, over the limit of {limit}: send a reference instead")]
    EventTooLarge {
        /// Which, from 0.
        index: usize,
        /// Its size in bytes of JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More events than one request may hold.
    #[error("body holds {count} events, over the limit of {limit}: send them in several requests")]
    TooManyEvents {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

/// Reads a body.
///
/// # Errors
/// See [`BodyError`]; nothing of the body is used then.
pub fn parse(body: &[u8], bounds: Bounds) -> Result<Vec<NewEvent>, BodyError> {
    let text = text_of(body)?;
    let opening = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let start = text.len() - opening.len();
    match opening.as_bytes().first() {
        Some(b'{') => {
            depth::check(text, JSON_DEPTH)?;
            let raw: &RawValue = read(text, text, None)?;
            Ok(vec![one(text, raw, 0, bounds)?])
        }
        Some(b'[') => {
            // The array itself is no part of an event.
            depth::check(text, JSON_DEPTH + 1)?;
            let raws: Vec<&RawValue> = read(text, text, None)?;
            if raws.len() > bounds.events_max {
                let (count, limit) = (raws.len(), bounds.events_max);
                return Err(BodyError::TooManyEvents { count, limit });
            }
            let each = raws.into_iter().enumerate();
            each.map(|(index, raw)| one(text, raw, index, bounds))
                .collect()
        }
        Some(_) => Err(malformed(
            None,
            start,
            "expected an event object or an array of them",
        )),
        None => Err(malformed(
            None,
            start,
            "the body is empty: expected an event object or an array",
        )),
    }
}

/// The text of a body that is one JSON value of any kind, looked at to the last character.
pub(crate) fn value(body: &[u8], depth: usize) -> Result<&str, BodyError> {
    let text = text_of(body)?;
    depth::check(text, depth)?;
    let Strict = read(text, text, None)?;
    Ok(text.trim_matches([' ', '\t', '\r', '\n']))
}

fn text_of(body: &[u8]) -> Result<&str, BodyError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(
            None,
            error.valid_up_to(),
            "not UTF-8: send JSON text encoded in UTF-8",
        )
    })?;
    if text.starts_with('\u{feff}') {
        return Err(malformed(
            None,
            0,
            "a byte order mark: send JSON without one",
        ));
    }
    Ok(text)
}

fn one(body: &str, raw: &RawValue, index: usize, bounds: Bounds) -> Result<NewEvent, BodyError> {
    let bytes = raw.get().len();
    if bytes > bounds.event_bytes_max {
        let limit = bounds.event_bytes_max;
        return Err(BodyError::EventTooLarge {
            index,
            bytes,
            limit,
        });
    }
    envelope::read(body, raw, index)
}

/// Decodes `part` of `body`, turning the decoder's line and column into a byte of the body.
fn read<'a, T: serde::Deserialize<'a>>(
    body: &str,
    part: &'a str,
    index: Option<usize>,
) -> Result<T, BodyError> {
    serde_json::from_str(part).map_err(|error| {
        let offset = start_in(body, part) + offset_of(part, &error);
        malformed(index, offset, &reason(&error))
    })
}

/// Where `part`, a slice of `body`, begins in it.
fn start_in(body: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize)
}

/// The byte of `text` an error of the decoder points at.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let before = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(text.len())
}

/// What the decoder says, without its own idea of the place.
fn reason(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    said.strip_suffix(&place).unwrap_or(&said).to_owned()
}

fn malformed(index: Option<usize>, offset: usize, why: &str) -> BodyError {
    let place = Place {
        index,
        field: None,
        offset,
    };
    BodyError::Malformed {
        place,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
