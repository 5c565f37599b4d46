//! The stores: the contract kept by each, and the embedded one under every fault.

mod conformance;
mod fakes;
mod files;
mod formats;
mod life;
mod matching;
mod power_cut;
mod refusal;
mod table;

use stepwell_store_sled::Options;

/// Small numbers, so that little work makes checkpoints.
fn small() -> Options {
    Options {
        overlay_keys: 4_096,
        checkpoint_bytes: 64 << 10,
        ..Options::default()
    }
}
