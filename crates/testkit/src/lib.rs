//! The fake world: memory store, faulty store, slow store, conformance suite, simulated disk.

pub mod conformance;
pub mod disk;
pub mod faulty;
pub mod memory;
pub mod scripts;
pub mod sim_store;
pub mod turns;
pub mod wait;

pub use faulty::{CommitFault, FaultyStore};
pub use memory::MemoryStore;
pub use sim_store::{Script, SimStore, Strike, Vice};
pub use turns::Turns;
