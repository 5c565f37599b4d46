//! The fake world: what workflows are tested with, and what the engine and its stores are.
//!
//! # Testing a workflow
//!
//! [`test()`] runs a test on the real engine under a clock of its own, on which a year takes no time;
//! [`Kit`] does the same with settings and with fakes in the place of step bodies. A [`Scenario`]
//! is a world outside, a registry and what happens; [`crash_everywhere`] runs it once for every
//! write of the engine, with a crash there, and [`shuffle`] in every order of its events. The page
//! `docs/testing-workflows.md` says how they are used.
//!
//! ```
//! use std::time::Duration;
//!
//! use stepwell::{Attempt, Error, Registry, Step, workflow};
//! use stepwell_testkit as testkit;
//!
//! #[workflow]
//! async fn remind(step: &mut Step, mail: String) -> Result<usize, Error> {
//!     step.sleep("a-year", Duration::from_secs(365 * 86_400)).await?;
//!     let sent = step.run("send-reminder", async |_: &Attempt| Ok(mail.len())).await?;
//!     Ok(sent)
//! }
//!
//! testkit::test(Registry::new().with(remind), async |world| {
//!     let run = world.start(&remind, &"ada@customer.example".to_owned()).await?;
//!     assert_eq!(world.output(run).await?, 20);
//!     world.journal(run).await?.assert_steps(&["a-year", "send-reminder"]);
//!     Ok(())
//! });
//! ```
//!
//! # Testing an engine or a store
//!
//! [`MemoryStore`] keeps the contract in memory, [`FaultyStore`] fails at a chosen commit,
//! [`SimStore`] is slow and fails as a seed says, [`lives`] opens an engine again over what a fault
//! leaves, [`turns`] lets a runtime and its blocking calls take turns, [`conformance`] asks any store
//! whether it keeps the contract, [`disk`] is a disk whose power can be cut.

pub mod conformance;
mod crash;
mod dice;
pub mod disk;
#[cfg(doctest)]
mod doc_pages;
mod ensure;
mod fakes;
pub mod faulty;
mod in_words;
mod journal;
mod kit;
pub mod lives;
pub mod memory;
mod pace;
mod pass;
mod replay;
mod report;
mod scenario;
pub mod scripts;
mod shuffle;
pub mod sim_store;
pub mod turns;
pub mod wait;
mod world;

pub use crash::{Crash, CrashEverywhere, crash_everywhere};
pub use ensure::ensure;
pub use fakes::{Call, Fakes};
pub use faulty::{CommitFault, FaultyStore};
pub use in_words::{commit_in_words, entry_in_words};
pub use journal::Journal;
pub use kit::{Kit, test};
pub use memory::MemoryStore;
pub use replay::{Mismatch, Mismatches, replay};
pub use report::{Broken, Survived};
pub use scenario::{End, Ended, Scenario};
pub use shuffle::{Shuffle, shuffle};
pub use sim_store::{Fate, SimStore, Strike, Vice};
pub use turns::Turns;
pub use world::{Run, World, WorldError};
