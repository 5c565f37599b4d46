//! The binary without a product: arguments, configuration, and the only place that picks a store.
//!
//! Anyone builds an engine of their own in a small `main.rs`:
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use stepwell::{Attempt, Error, Event, Registry, Step, workflow};
//!
//! #[derive(Event, Serialize, Deserialize)]
//! #[event("user/signed.up")]
//! struct SignedUp {
//!     name: String,
//! }
//!
//! #[workflow(on = SignedUp)]
//! async fn welcome(step: &mut Step, user: SignedUp) -> Result<String, Error> {
//!     let text = step.run("greet", async |_: &Attempt| Ok(format!("hello {}", user.name))).await?;
//!     Ok(text)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     stepwell_cli::run(Registry::new().with(welcome))
//! }
//! ```
//!
//! which has `serve`, `dev`, `send`, `start`, `runs`, `journal`, `check`, `workflows`, `store`, `bench`
//! and `completions`. A [`Product`] adds dependencies that need the data directory, HTTP routes, commands of its own,
//! and stand-ins for the services it calls.
//!
//! Reading order: [`App`] takes the command line apart, `commands/` has one file for each,
//! `serving` is what `serve` and `dev` share, `reach` finds an engine over HTTP or opens the data
//! directory itself, `output` prints, [`Exit`] lists the exit codes.

mod app;
mod bench;
mod commands;
mod config;
mod consent;
mod engine_file;
mod exit;
mod facts;
mod failure;
mod ids;
mod logging;
pub mod output;
mod payload;
mod probe;
mod product;
mod reach;
mod serving;
mod spans;
pub mod talk;

pub use app::{App, run};
pub use engine_file::EngineFile;
pub use exit::Exit;
pub use failure::Failure;
pub use product::{Connected, Environment, Product, ProductCommand, Rehearsal, Routes, Setting};
pub use reach::Http;
