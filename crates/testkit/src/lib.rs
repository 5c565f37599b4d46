//! The fake world: clock, memory store, faulty store, conformance suite, simulated disk.
