//! Memory of this process and bytes of a directory, as the kernel accounts them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;

/// Bytes a block of `st_blocks` has: fixed by Linux, whatever the file system's own.
const BLOCK_BYTES: u64 = 512;

/// Resident bytes of this process.
///
/// # Errors
/// When `/proc/self/status` cannot be read.
pub(crate) fn resident() -> anyhow::Result<u64> {
    // The same count as in `statm`, without having to know the size of a page.
    let status = std::fs::read_to_string("/proc/self/status")
        .context("/proc/self/status cannot be read, so memory is not known")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let kib = kib.and_then(|text| text.parse::<u64>().ok());
    Ok(kib.context("/proc/self/status does not say VmRSS")? * 1_024)
}

/// Bytes that the files under `directory` take on the disk.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn on_disk(directory: &Path) -> anyhow::Result<u64> {
    let unreadable = || format!("{} cannot be read", directory.display());
    let mut sum = 0;
    for entry in std::fs::read_dir(directory).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        // A store lets files go at any time.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        sum += if metadata.is_dir() {
            on_disk(&entry.path())?
        } else {
            metadata.blocks() * BLOCK_BYTES
        };
    }
    Ok(sum)
}
