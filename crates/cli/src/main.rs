//! The binary `stepwell` with our own products registered.

mod ours;

use std::process::ExitCode;

fn main() -> ExitCode {
    stepwell_cli::App::new().product(ours::SwagStore).run()
}
