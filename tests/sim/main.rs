//! The `sim` test binary.

#[cfg(test)]
mod commit_log;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod primitives;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod store;
