//! Payloads on the wire: the text that was stored, neither parsed nor rewritten.

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use stepwell_core::Payload;

/// A payload as part of an answer. `Debug` shows its length alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Payload);

impl Raw {
    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.as_json()
    }

    /// For fields where `null` is a value and only absence is none.
    pub(super) fn present<'de, D>(deserializer: D) -> Result<Option<Self>, D::Error>
    where
        D: Deserializer<'de>,
    {
        Self::deserialize(deserializer).map(Some)
    }
}

impl From<Payload> for Raw {
    fn from(payload: Payload) -> Self {
        Self(payload)
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_json()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Payload::from_json(raw.get())))
    }
}
