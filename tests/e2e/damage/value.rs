//! A damaged value: written through sled itself, past every wall of ours.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use stepwell_core::RunId;
use stepwell_store::keys;

/// How large sled's segments are in stores of ours; sled refuses to open with another size.
const SEGMENT_BYTES: usize = 512 * 1024;

/// Flips a bit in the last stored block of a run's journal; answers the block's first sequence.
pub(super) fn damage_last_block(data: &Path, run: &str) -> Result<u64> {
    let run: RunId = run.parse()?;
    let table = sled::Config::new()
        .path(data.join("gen-1"))
        .segment_size(SEGMENT_BYTES)
        .use_compression(false)
        .open()
        .context("open sled past the store")?;
    let last = table.scan_prefix(keys::journal_of(run)).last();
    let (key, value) = last.context("the run has no journal in sled")??;
    let (_, seq) = keys::parse_journal(&key).context("a journal key that is none")?;
    ensure!(seq.0 > 0, "the run has one block alone");
    let mut value = value.to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 0x10;
    table.insert(&key, value)?;
    table.flush()?;
    Ok(seq.0)
}
