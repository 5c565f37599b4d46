//! A disk that can be filled: a small file system in memory, or a limit on the size of files.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// Bytes of the file system in memory: what a new store takes, twice.
const BYTES: u64 = 128 << 20;

/// Bytes left free once it is filled up.
const LEFT_FREE: u64 = 12 << 20;

/// Bytes a file may have under the limit: more than a segment of the log, which is made whole.
const FILE_BYTES_MAX: u64 = 24 << 20;

/// The file that takes up the room.
const BALLAST: &str = "ballast";

/// A disk that can be filled.
pub(super) enum SmallDisk {
    /// A tmpfs, unmounted when dropped.
    Mounted(TempDir),
    /// No file may grow beyond [`FILE_BYTES_MAX`].
    Limit,
}

impl fmt::Display for SmallDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted(_) => write!(f, "tmpfs of {BYTES} bytes"),
            Self::Limit => write!(
                f,
                "files of at most {FILE_BYTES_MAX} bytes, mounting refused"
            ),
        }
    }
}

impl SmallDisk {
    /// A file system of its own where mounting is allowed, a limit where it is not.
    pub(super) fn make() -> Result<Self> {
        let directory = TempDir::with_prefix("stepwell-small-disk-")?;
        let options = format!("size={BYTES},mode=0700");
        let mounted = mount(
            Some("tmpfs"),
            directory.path(),
            Some("tmpfs"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some(options.as_str()),
        );
        Ok(mounted.map_or(Self::Limit, |()| Self::Mounted(directory)))
    }

    /// The limit, wherever mounting is allowed.
    pub(super) fn limit() -> Self {
        Self::Limit
    }

    /// Where the file system is, if it is one.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Mounted(directory) => Some(directory.path()),
            Self::Limit => None,
        }
    }

    /// What starts a process on this disk. The signal for a file too long is put aside, so that
    /// the write fails as it does on a full disk.
    pub(super) fn starter(&self) -> Vec<&'static str> {
        match self {
            Self::Mounted(_) => Vec::new(),
            Self::Limit => {
                const LIMITED: &str = "trap '' XFSZ; ulimit -f 49152; exec \"$@\"";
                const { assert!(FILE_BYTES_MAX == 49_152 * 512, "blocks of 512 bytes") };
                vec!["sh", "-c", LIMITED, "sh"]
            }
        }
    }

    /// Takes up all room but a little.
    pub(super) fn fill_up(&self) -> Result<()> {
        let Self::Mounted(directory) = self else {
            return Ok(());
        };
        let status = nix::sys::statvfs::statvfs(directory.path())?;
        let free = status.blocks_available() * status.fragment_size();
        let mut ballast = File::create(directory.path().join(BALLAST))?;
        let chunk = vec![0xb5; 1 << 20];
        for _ in 0..free.saturating_sub(LEFT_FREE) / (1 << 20) {
            match ballast.write_all(&chunk) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives the room back, and what the file system was made with beyond it.
    pub(super) fn make_room(&self) -> Result<()> {
        let Self::Mounted(directory) = self else {
            return Ok(());
        };
        std::fs::remove_file(directory.path().join(BALLAST)).context("take the ballast away")?;
        // Some 400 events twice over, in the log and in sled.
        let options = format!("size={}", 4 * BYTES);
        let remounted = mount(
            None::<&str>,
            directory.path(),
            None::<&str>,
            MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some(options.as_str()),
        );
        remounted.context("make the file system larger")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Self::Mounted(directory) = self
            && let Err(error) = umount2(directory.path(), MntFlags::MNT_DETACH)
        {
            println!("{} stays mounted: {error}", directory.path().display());
        }
    }
}
