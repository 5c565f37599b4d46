//! The shell around the pure core: intake, driving runs, timers, recovery, shutdown.
//!
//! A run lives on one *shard*, a thread with a `LocalSet`, chosen by a hash of its id; only that
//! shard appends to its journal. The loop of a run is: load and fold, drive the workflow, and for
//! each question of its code decide, commit, apply, act; then park or finish.
//!
//! **Architecture invariant.** Nothing here decides a rule about runs: that is `stepwell_core`'s.
//! Nothing here knows HTTP, sled or a product. The clock is read in `clock.rs`
//! alone, and chance is drawn in `chance.rs`.

mod bulk;
mod calls;
mod chance;
mod check;
mod clock;
mod delivering;
mod drive;
mod engine;
mod event_table;
mod exported;
mod forking;
mod gate;
mod host;
mod in_flight;
mod inbox;
mod intake;
mod operator;
mod options;
mod recovery;
mod shard;
mod shared;
mod standing;
mod starting;
mod stored;
mod ticking;
mod watched;

pub use bulk::{BulkAsk, BulkPage, Looked, Request, Whom};
pub use calls::Started;
pub use chance::Chance;
pub use check::{CheckedRun, OpenRuns, Verdict, check};
pub use clock::Clock;
pub use engine::{Drained, Engine, Health, StartError};
pub use exported::{Exported, NotExported};
pub use forking::{ForkAsk, Forked};
pub use intake::{Accepted, NewEvent};
pub use operator::{InFlight, JournalView, OperateError, Operator, RunView};
pub use options::{Bodies, Options, Placement, Probe};
pub use standing::{EndAsked, OpenWait, PauseAsked, Standing, WaitedFor};
