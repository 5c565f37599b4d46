//! The store contract kept by a commit log in front and sled behind.
//!
//! # Why two
//!
//! sled 0.34.7 does not make durable what it says it flushed, and a kill or a flipped bit can leave
//! it unopenable. So it acknowledges nothing. A commit is durable when its record is in the
//! [commit log](stepwell_commit_log) and synced; sled is filled behind it, and the log forgets a
//! record only after a barrier of ours made sled durable.
//!
//! # The way of a commit
//!
//! ```text
//! caller        encodes rows, looks up what the overlay does not know     front.rs, record.rs
//!   │ queue
//! committer     checks preconditions in order, one write + one sync,      committer.rs, overlay.rs
//!   │ flow      resolves tickets: the accepted and the refused
//! applier       settles the record into sled, in batches of ≤ 256 KiB     applier.rs, settle.rs
//!   │
//! checkpointer  sled durable, checkpoint in the log, log recycled         checkpoint.rs
//! ```
//!
//! # Invariants
//!
//! 1. No ticket resolves before the sync of the record it rests on; a refusal rests on what stands
//!    before it.
//! 2. Only records whose sync returned are settled, in order, exactly once: the row that counts
//!    them travels in the same batch.
//! 3. The log holds every record behind the last checkpoint, and a checkpoint is written only
//!    after a barrier that covers it.
//! 4. At an opening sled holds at least the checkpoint and at most the log's end; anything else is
//!    corruption, and nothing is rewritten.
//! 5. Nothing read back is believed until it is durable again.
//! 6. No value in sled is larger than 4 KiB, so it keeps everything in one file.
//! 7. The first failed write, sync, batch or barrier ends all writing until the store is opened
//!    again.
//!
//! # Formats
//!
//! Log records: [`record`]. Rows: [`stepwell_store::keys`] and [`stepwell_core::envelope`]; values
//! above 4 KiB are cut as `value.rs` says. The `settled` row: `settled.rs`. Checkpoint state:
//! `checkpoint.rs`. Seal: `seal.rs`. Files: `directory.rs`. All carry a version of their own, and
//! the generation they belong to.
//!
//! Log, table and disk are behind traits ([`table::Table`], [`stepwell_commit_log::Disk`]), and
//! [`Core`] is the whole store without threads, so that a simulator can take its steps in any
//! order and cut the power between any two.

mod applier;
mod checkpoint;
mod committer;
mod core;
mod directory;
mod error;
mod front;
mod options;
mod overlay;
mod reader;
pub mod record;
mod seal;
mod settle;
mod settled;
mod shared;
mod sled_table;
mod store;
pub mod table;
mod value;
mod verify;

pub use core::{Core, found, scan};
pub use error::OpenError;
pub use options::Options;
pub use stepwell_commit_log::kill;
pub use store::{ScrubReport, SledStore, StoreFacts, scrub};
pub use verify::{Damage, Verification};
