//! The limits of the engine, in one place; each is enforced with an error that names it.

/// Largest event payload accepted unless configured otherwise, in bytes of JSON.
pub const EVENT_BYTES_DEFAULT: usize = 512 * 1024;

/// Largest event payload that may be configured, in bytes of JSON.
pub const EVENT_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Most events in one array sent to the event endpoint.
pub const EVENTS_PER_REQUEST: usize = 5_000;

/// Longest event name, in bytes.
pub const EVENT_NAME_BYTES: usize = 128;

/// Longest event id given by a sender, in bytes.
pub const EVENT_ID_BYTES: usize = 256;

/// Deepest nesting of arrays and objects accepted in an event.
pub const JSON_DEPTH: usize = 64;

/// Largest result of one step, in bytes of JSON.
pub const STEP_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// Largest output of a run that another waits for, in bytes of JSON: its end and the word of it
/// to its parent are one commit.
pub const CHILD_OUTPUT_BYTES: usize = STEP_OUTPUT_BYTES - 64 * 1024;

/// Largest sum of everything one run has journaled, in bytes.
pub const RUN_STATE_BYTES: u64 = 32 * 1024 * 1024;

/// Most steps in one run.
pub const STEPS_PER_RUN: usize = 10_000;

/// Longest step name, in bytes.
pub const STEP_NAME_BYTES: usize = 128;

/// Longest error message kept in a journal, in bytes; longer ones are cut at a character boundary.
pub const ERROR_MESSAGE_BYTES: usize = 8 * 1024;

/// Recoveries a step may earn while driven alone before its run is quarantined as poison.
pub const RECOVERIES_ALONE: u32 = 3;

/// Prefix of event names that only the engine may send.
pub const RESERVED_EVENT_PREFIX: &str = "stepwell/";
