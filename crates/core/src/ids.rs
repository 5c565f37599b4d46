//! Names and numbers that identify things: one newtype each, so that none is taken for another.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use ulid::Ulid;

use crate::limits::STEP_NAME_BYTES;

/// The id of one run: a ULID, so ids sort by the time the run was created.
///
/// In JSON it is its text: a number of that size is rounded by most readers. In stored fields it is
/// the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u128);

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

impl RunId {
    /// From a ULID drawn by the caller; this crate draws none.
    #[must_use]
    pub const fn from_ulid(ulid: Ulid) -> Self {
        Self(ulid.0)
    }

    /// The sixteen bytes that stand in keys, most significant first, so keys sort as ids do.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`RunId::to_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` lets a table ask for a width.
        f.pad(Ulid(self.0).array_to_str(&mut [0; ulid::ULID_LEN]))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseRunIdError(text.to_owned());
        // Twenty-six characters hold 130 bits: a first one above 7 would be cut to another id.
        if !text.starts_with(|first: char| ('0'..='7').contains(&first)) {
            return Err(refused());
        }
        Ulid::from_string(text)
            .map(Self::from_ulid)
            .map_err(|_| refused())
    }
}

/// The text is not a run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a run id: expected 26 characters of Crockford base 32")]
pub struct ParseRunIdError(pub String);

/// The id that dedupes an event: the sender's, or a ULID drawn at intake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Wraps an id already checked by intake.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// An id derived from where its event comes from; one too long for an id keeps the part before
    /// the first `/` and stands for the rest with a digest.
    #[must_use]
    pub fn derived(from: &str) -> Self {
        if from.len() <= crate::limits::EVENT_ID_BYTES {
            return Self::new(from);
        }
        let (head, rest) = from.split_once('/').unwrap_or(("", from));
        let digest = EventKey::of("", rest).0;
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let head: String = head.chars().take(32).collect();
        Self::new(format!("{head}/{digest}"))
    }

    /// Whether an id is of those the engine derives itself, which no sender may give: an event
    /// under one would stand in the way of the engine's own.
    #[must_use]
    pub fn is_derived(id: &str) -> bool {
        let of_a_run = |(run, _): (&str, &str)| run.parse::<RunId>().is_ok();
        id.starts_with(crate::limits::RESERVED_EVENT_PREFIX)
            || id.split_once('/').is_some_and(of_a_run)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The registered name of a workflow, such as `fulfill-order`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowName(Arc<str>);

impl WorkflowName {
    /// Wraps a name already checked by the registry.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkflowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of an entry in its run's journal, from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The number of a run's first entry.
    pub const FIRST: Self = Self(0);

    /// The number `count` entries further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A fencing token: a number that only grows; a commit with a stale one is refused.
///
/// In the embedded store it is the number of the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// The part of a branch path that names the line of a scope's compensations.
pub const UNDO_LINE: &str = "undo";

/// Whether `branch` is, or lies within, the undo line of a scope.
///
/// Paths alternate between the address of a fork and the branch of it, and only the second can be
/// the undo line: a step that somebody named `undo` is none.
#[must_use]
pub fn is_undo_line(branch: &str) -> bool {
    branch
        .split('/')
        .skip(1)
        .step_by(2)
        .any(|of| of == UNDO_LINE)
}

/// Whether `branch` is, or lies within, the undo line of a scope that was begun within `line`.
#[must_use]
pub(crate) fn undoes_within(branch: &str, line: &str) -> bool {
    if line.is_empty() {
        return is_undo_line(branch);
    }
    let rest = branch.strip_prefix(line);
    let rest = rest.and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(is_undo_line)
}

/// Whether `branch` is `line` or a branch forked from it.
#[must_use]
pub fn is_within(branch: &str, line: &str) -> bool {
    match branch.strip_prefix(line) {
        Some(rest) => line.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// What an event is matched by: its name and the value of its key, as a fixed-width digest.
///
/// Keys of any length and alphabet fit index rows this way. A digest only finds candidates: name
/// and key are compared in full before an event is given to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventKey(pub [u8; 16]);

impl EventKey {
    /// The digest of `name` and `key`; the key is empty for events whose type declares none.
    #[must_use]
    pub fn of(name: &str, key: &str) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        // The length keeps `a` + `bc` and `ab` + `c` apart.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(key.as_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        Self(digest)
    }
}

/// The place of an event in the order of the log: which opening accepted it, and the how manieth
/// there. Wall clocks have no say in it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct EventOrder {
    /// The opening of the store.
    pub opening: u64,
    /// From 1 within the opening.
    pub number: u64,
}

impl EventOrder {
    /// Before every event there is.
    pub const BEGINNING: Self = Self {
        opening: 0,
        number: 0,
    };

    /// The sixteen bytes that stand in keys, which sort as orders do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.opening) << 64) | u128::from(self.number)).to_be_bytes()
    }

    /// The inverse of [`EventOrder::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self {
            opening: (both >> 64) as u64,
            number: both as u64,
        }
    }
}

/// Where a step stands in its run: branch, name, and which use of the name within the branch.
///
/// Readable in the journal as `name`, `name:2`, or `branch/name`; the root branch is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepAddress {
    /// Path of the parallel branch, empty for the workflow's own line.
    pub branch: Arc<str>,
    /// The name the author gave.
    pub name: Arc<str>,
    /// From 1, counting up when a name is used again in the same branch.
    pub nth: u32,
}

impl StepAddress {
    /// The `nth` use of `name` on the workflow's own line.
    ///
    /// # Errors
    /// When the name is empty, longer than [`STEP_NAME_BYTES`], or holds `/`, `:` or a control
    /// character, which would make addresses ambiguous or unreadable.
    pub fn root(name: &str, nth: u32) -> Result<Self, StepNameError> {
        Self::check_name(name)?;
        Ok(Self {
            branch: Arc::from(""),
            name: Arc::from(name),
            nth,
        })
    }

    /// The path of branch `index` of the fork at this address.
    #[must_use]
    pub fn branch_path(&self, index: u32) -> Arc<str> {
        Arc::from(format!("{self}/{index}"))
    }

    /// The path of the line on which the scope at this address undoes what it did.
    #[must_use]
    pub fn undo_path(&self) -> Arc<str> {
        Arc::from(format!("{self}/{UNDO_LINE}"))
    }

    fn check_name(name: &str) -> Result<(), StepNameError> {
        let ambiguous = |c: char| c == '/' || c == ':' || c.is_control();
        if name.is_empty() || name.len() > STEP_NAME_BYTES || name.contains(ambiguous) {
            return Err(StepNameError {
                name: name.chars().take(STEP_NAME_BYTES).collect(),
            });
        }
        Ok(())
    }
}

impl fmt::Display for StepAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.branch.is_empty() {
            write!(f, "{}/", self.branch)?;
        }
        f.write_str(&self.name)?;
        if self.nth > 1 {
            write!(f, ":{}", self.nth)?;
        }
        Ok(())
    }
}

impl fmt::Debug for StepAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StepAddress {
    type Err = StepNameError;

    /// Reads an address as it is displayed.
    fn from_str(text: &str) -> Result<Self, StepNameError> {
        let (branch, last) = text.rsplit_once('/').unwrap_or(("", text));
        let (name, nth) = match last.split_once(':') {
            None => (last, Some(1)),
            // The first use of a name is written without its number.
            Some((name, digits)) => (name, digits.parse().ok().filter(|nth| *nth > 1)),
        };
        // With what stands for no number the whole is no name either.
        Self::check_name(if nth.is_some() { name } else { last })?;
        Ok(Self {
            branch: Arc::from(branch),
            name: Arc::from(name),
            nth: nth.unwrap_or(1),
        })
    }
}

/// A step was given a name that cannot stand in an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "step name {name:?} cannot be used: give 1 to {STEP_NAME_BYTES} bytes without '/', ':' or \
     control characters"
)]
pub struct StepNameError {
    /// The offending name, cut to the limit.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_reads_back_as_printed() {
        for bytes in [[0; 16], [0xff; 16], [7; 16]] {
            let run = RunId::from_bytes(bytes);
            assert_eq!(run.to_string().parse(), Ok(run));
        }
    }

    #[test]
    fn a_run_id_is_its_text_in_json_and_its_number_in_stored_fields() {
        let run = RunId::from_bytes([7; 16]);
        let json = serde_json::to_value(run).unwrap();
        assert_eq!(json, run.to_string());
        assert_eq!(serde_json::from_value::<RunId>(json).unwrap(), run);
        let stored = crate::envelope::encode_fields(&run).unwrap();
        let number = u128::from_be_bytes([7; 16]);
        assert_eq!(stored, crate::envelope::encode_fields(&number).unwrap());
        assert_eq!(crate::envelope::decode_fields("run", &stored), Ok(run));
    }

    #[test]
    fn a_step_address_reads_back_as_displayed_and_nothing_else_is_read() {
        for text in ["ship", "ship:2", "race/1/ship", "trip/undo/book:12"] {
            let address: StepAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "", "ship:", "ship:1", "ship:0", "ship:x", "race/1/", "a:2:3",
        ] {
            assert!(text.parse::<StepAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_derived_id_fits_and_differs_where_its_origin_does() {
        let run = RunId::from_bytes([7; 16]);
        let id = |step: &str| EventId::derived(&format!("{run}/{step}"));
        assert_eq!(id("send").as_str(), format!("{run}/send"));
        let (one, two) = (id(&"x/".repeat(300)), id(&"x/".repeat(301)));
        assert!(one.as_str().len() <= crate::limits::EVENT_ID_BYTES);
        assert_ne!(one, two);
        for id in [one.as_str(), "stepwell/tick/nightly/0"] {
            assert!(EventId::is_derived(id), "{id}");
        }
        for id in ["order-1", "a/b", "tick/nightly/0", ""] {
            assert!(!EventId::is_derived(id), "{id}");
        }
    }

    #[test]
    fn an_undo_line_is_told_from_a_step_that_is_called_so() {
        for (branch, undo) in [
            ("", false),
            ("trip/0", false),
            ("undo/0", false),
            ("trip/undo", true),
            ("trip/undo/notify/1", true),
            ("trip/0/undo/0", false),
        ] {
            assert_eq!(is_undo_line(branch), undo, "{branch}");
        }
    }

    #[test]
    fn an_undo_line_undoes_within_the_lines_around_its_scope_and_not_within_itself() {
        for (branch, line, undoes) in [
            ("trip/undo", "", true),
            ("race/1/trip/undo", "race/1", true),
            ("race/1/trip/undo/notify/0", "race/1", true),
            ("race/1/trip/undo", "race/1/trip/undo", false),
            ("trip/undo/race/1", "trip/undo/race/1", false),
            ("race/10/trip/undo", "race/1", false),
        ] {
            assert_eq!(undoes_within(branch, line), undoes, "{branch} in {line}");
        }
    }

    #[test]
    fn a_line_contains_its_own_branches_and_no_neighbour() {
        assert!(is_within("ship/1/pack/0", "ship/1"));
        assert!(is_within("ship/1", "ship/1"));
        assert!(is_within("ship/1", ""));
        assert!(!is_within("ship/10", "ship/1"));
        assert!(!is_within("ship/0", "ship/1"));
    }

    #[test]
    fn event_orders_sort_in_keys_as_in_time() {
        let orders = [(1, 9), (1, 10), (2, 1)];
        let orders = orders.map(|(opening, number)| EventOrder { opening, number });
        assert!(orders.is_sorted_by_key(|order| order.to_bytes()));
        assert!(orders.map(|order| EventOrder::from_bytes(order.to_bytes())) == orders);
    }

    #[test]
    fn an_id_past_the_last_one_is_refused_and_not_cut_to_another() {
        for text in [
            "80000000000000000000000000",
            "Z0000000000000000000000000",
            "",
            "7",
        ] {
            assert_eq!(text.parse::<RunId>(), Err(ParseRunIdError(text.to_owned())));
        }
    }
}
