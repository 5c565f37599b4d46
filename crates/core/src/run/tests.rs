//! The state machine obeys its laws: scripts to read, small scripts in full, long generated ones.
//!
//! [`script`] plays a text and answers with a text; the files named after a subject hold such
//! scripts. [`laws`] states what must hold after every command, whoever made it up: [`exhaustive`]
//! holds it against every short sequence of commands, [`generated`] against long ones, [`guided`]
//! to where blind ones would not get. [`naive`] searches for what the state keeps indexes of.
//! [`world`] is a driver in miniature that dies where it is told to, [`branches`] one whose code
//! forks, waits and undoes.

mod branches;
mod cancelling;
mod children;
mod delivery;
mod exhaustive;
mod forked;
mod forks;
mod generated;
mod guided;
mod laws;
mod limits;
mod mismatch;
mod naive;
mod parse;
mod patches;
mod recovery;
mod repair;
mod replay;
mod retries;
mod scopes;
mod script;
mod show;
mod terms;
mod waits;
mod witness;
mod world;

use script::check;
