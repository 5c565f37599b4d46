//! One event object: its fields told apart, each checked with its own words.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use stepwell_core::limits::{EVENT_ID_BYTES, EVENT_NAME_BYTES, RESERVED_EVENT_PREFIX};
use stepwell_core::{Payload, Timestamp};
use stepwell_engine::NewEvent;

use super::strict::Strict;
use super::{BodyError, Place, start_in};

/// The fields an event may have, in the order messages list them.
const FIELDS: [&str; 6] = ["id", "name", "data", "ts", "v", "user"];

/// The last instant that can be written with a year of four digits, in milliseconds.
const TS_MAX: u64 = 253_402_300_799_999;

/// The values of the fields found, in the order of [`FIELDS`].
struct Fields<'a>([Option<&'a RawValue>; FIELDS.len()]);

/// Reads `raw`, the event `index` of `body`.
pub(super) fn read(body: &str, raw: &RawValue, index: usize) -> Result<NewEvent, BodyError> {
    if !raw.get().starts_with('{') {
        return Err(super::malformed(
            Some(index),
            start_in(body, raw.get()),
            "expected an event object",
        ));
    }
    let Fields([id, name, data, ts, v, user]) = super::read(body, raw.get(), Some(index))?;
    let field = |field, value: Option<&'_ RawValue>| Field {
        body,
        index,
        field,
        offset: start_in(body, value.unwrap_or(raw).get()),
    };
    let name_field = field("name", name);
    let name = name.ok_or_else(|| name_field.wrong("missing: an event needs a name"))?;
    let data_field = field("data", data);
    let data =
        data.ok_or_else(|| data_field.wrong("missing: an event needs data, `{}` at least"))?;
    Ok(NewEvent {
        id: id.map(|raw| field("id", id).id(raw)).transpose()?,
        name: name_field.name(name)?,
        data: data_field.payload(data)?,
        user: user
            .map(|raw| field("user", user).payload(raw))
            .transpose()?,
        v: v.map(|raw| field("v", v).text(raw)).transpose()?,
        ts: ts.map(|raw| field("ts", ts).instant(raw)).transpose()?,
    })
}

/// One field of one event, for messages.
struct Field<'a> {
    body: &'a str,
    index: usize,
    field: &'static str,
    offset: usize,
}

impl Field<'_> {
    fn wrong(&self, why: &str) -> BodyError {
        let place = Place {
            index: Some(self.index),
            field: Some(self.field),
            offset: self.offset,
        };
        BodyError::Malformed {
            place,
            why: why.to_owned(),
        }
    }

    fn text(&self, raw: &RawValue) -> Result<String, BodyError> {
        let text: String = serde_json::from_str(raw.get())
            .map_err(|_| self.wrong("expected a string of whole characters"))?;
        if text.chars().any(char::is_control) {
            return Err(self.wrong("holds a control character"));
        }
        if text.len() > EVENT_ID_BYTES {
            return Err(self.wrong(&format!("longer than {EVENT_ID_BYTES} bytes")));
        }
        Ok(text)
    }

    fn id(&self, raw: &RawValue) -> Result<String, BodyError> {
        let id = self.text(raw)?;
        if id.is_empty() {
            return Err(self.wrong("empty: leave it out to have an id drawn"));
        }
        Ok(id)
    }

    fn name(&self, raw: &RawValue) -> Result<String, BodyError> {
        let name = self.text(raw)?;
        let usable = |c: char| c.is_ascii_alphanumeric() || "/._:-".contains(c);
        if name.is_empty() || name.len() > EVENT_NAME_BYTES || !name.chars().all(usable) {
            let why = format!(
                "give 1 to {EVENT_NAME_BYTES} of A-Z, a-z, 0-9, `/`, `.`, `_`, `:` and `-`"
            );
            return Err(self.wrong(&why));
        }
        if name.starts_with(RESERVED_EVENT_PREFIX) {
            let why =
                format!("`{RESERVED_EVENT_PREFIX}` begins the names of the engine's own events");
            return Err(self.wrong(&why));
        }
        Ok(name)
    }

    fn instant(&self, raw: &RawValue) -> Result<Timestamp, BodyError> {
        let ms: u64 = serde_json::from_str(raw.get())
            .ok()
            .filter(|ms| *ms <= TS_MAX)
            .ok_or_else(|| self.wrong("expected whole milliseconds since 1970, up to year 9999"))?;
        Ok(Timestamp::from_ms(ms))
    }

    fn payload(&self, raw: &RawValue) -> Result<Payload, BodyError> {
        let Strict = serde_json::from_str(raw.get()).map_err(|error| {
            let offset = start_in(self.body, raw.get()) + super::offset_of(raw.get(), &error);
            let at = Field { offset, ..*self };
            at.wrong(&super::reason(&error))
        })?;
        Ok(Payload::from_json(raw.get()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields([None; FIELDS.len()]);
        while let Some(key) = map.next_key::<String>()? {
            let Some(at) = FIELDS.iter().position(|field| *field == key) else {
                let known = FIELDS.join(", ");
                let why = format!("a field that no event has: expected {known}");
                return Err(A::Error::custom(why));
            };
            let value: &RawValue = map.next_value()?;
            if fields.0[at].replace(value).is_some() {
                return Err(A::Error::custom(format!("field `{}` twice", FIELDS[at])));
            }
        }
        Ok(fields)
    }
}
