//! The fake world: clock, memory store, faulty store, conformance suite, simulated disk.

pub mod conformance;
pub mod disk;
pub mod faulty;
pub mod memory;
pub mod scripts;
pub mod wait;

pub use faulty::{CommitFault, FaultyStore};
pub use memory::MemoryStore;
