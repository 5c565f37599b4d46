//! The `e2e` test binary.

#[cfg(test)]
mod cli_calls;
#[cfg(test)]
mod cli_commands;
#[cfg(test)]
mod cli_demo;
#[cfg(test)]
mod cli_serve;
#[cfg(test)]
mod cli_stage;
#[cfg(test)]
mod code_change;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod deploying;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod http_calls;
#[cfg(test)]
mod http_events;
#[cfg(test)]
mod http_refusals;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod kill_sweep;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod power;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod repair;
