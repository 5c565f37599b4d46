//! The state machine obeys its laws: scripts to read, small scripts in full, long generated ones.
//!
//! [`script`] plays a text and answers with a text; the files named after a subject hold such
//! scripts. [`laws`] states what must hold after every command, whoever made it up: [`exhaustive`]
//! holds it against every short sequence of commands, [`generated`] against long ones. [`world`]
//! is a driver in miniature that dies where it is told to.

mod cancelling;
mod exhaustive;
mod generated;
mod laws;
mod limits;
mod mismatch;
mod recovery;
mod replay;
mod retries;
mod script;
mod world;

use script::check;
