//! Bytes in order, durable when it says so: the only code that syncs an acknowledgement.
//!
//! A [`Log`] is a directory of preallocated, recycled segments. It knows nothing of runs or
//! workflows: a record is a sequence of bytes that gets the next [`RecordNumber`], and when
//! [`Log::append`] returns `Ok`, it survives `kill -9` and power loss.
//!
//! # Life of a log
//!
//! 1. [`Log::create`], once in the life of a store; afterwards [`Log::scan`] and
//!    [`Log::take_over`] at every opening. `scan` only reads. `take_over` starts a new *opening*:
//!    it writes the *tail* (every record after the last checkpoint) into fresh segments and syncs
//!    them before it returns. After a kill between a write and its sync, or after a failed sync,
//!    the page cache shows bytes which the disk does not have; nothing read back is believed
//!    until it is durable again.
//! 2. [`Log::append`]: one record, one write, one `fdatasync`, into space already written.
//! 3. [`Log::checkpoint`]: the caller has made everything up to a number durable elsewhere; the
//!    segments below are recycled.
//! 4. [`Log::seal`]: the clean end.
//!
//! # Failure story
//!
//! The first failed write or sync *poisons* the log: every later call fails until the log is
//! opened again, because after a failed sync the kernel forgets what it did not write. A record
//! cut short by a crash is the end of the log and was never acknowledged. Damage below a good
//! later record, a missing segment, a damaged header: corruption, reported with file and offset,
//! never cut away. What no single log can tell from a crash is damage to its very last record
//! while it is not sealed; the caller's own note of how far it got (the checkpoint, or what it
//! settled elsewhere) is the witness for that.
//!
//! The layout, byte by byte, is in the module documentation of `format.rs`. Everything is generic
//! over [`Disk`], so that a simulator can drive this very code; [`RealDisk`] is the file system.
//! One thread owns a log; locking the directory against a second process is the caller's part.

mod directory;
mod disk;
mod error;
pub mod format;
pub mod kill;
mod log;
mod name;
mod open;
mod real_disk;
mod scan;
mod spares;
mod types;
mod walk;

pub use disk::{Disk, DiskFile};
pub use error::{AppendError, Durable, Fault, OpenError};
pub use log::Log;
pub use real_disk::{RealDisk, RealFile};
pub use scan::{Scan, SegmentReport};
pub use types::{Checkpoint, Counters, LogOptions, RecordNumber, StoreId};
