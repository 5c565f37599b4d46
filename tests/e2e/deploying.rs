//! Code deployed over open runs: what a check says before, and what an engine does at its start.

mod checking;
mod exporting;
mod versions;
