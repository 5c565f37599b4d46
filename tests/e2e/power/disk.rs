//! Where the store lies in these tests: a disk whose power can be cut, by whatever means there are.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::engine::{Engine, Environment};
use super::kept::Kept;
use super::mount::Mount;
use super::tools::tools;

/// A disk; what was not durable on it at a cut is gone afterwards.
pub(crate) enum Disk {
    /// A file system that is shut down without flushing.
    Mounted(Mount),
    /// A folder of which only what was synced survives.
    Kept(Kept),
    /// A folder like any other, for kills alone.
    Plain(TempDir),
}

impl Disk {
    /// A file system to be shut down where this machine allows it, else a folder of which what was
    /// synced survives. Fails loudly where neither can be had. Says which it is, and why.
    pub(crate) fn make() -> (Self, String) {
        match Mount::make() {
            Ok(mount) => (
                Self::Mounted(mount),
                "ext4 shut down without flushing".to_owned(),
            ),
            Err(why) => {
                let variant = "preloaded library that keeps what was synced";
                (Self::kept(), format!("{variant} (no ext4 here: {why})"))
            }
        }
    }

    /// A folder of which what was synced survives.
    pub(crate) fn kept() -> Self {
        match Kept::make() {
            Ok(kept) => Self::Kept(kept),
            Err(why) => panic!("the power cannot be cut on this machine: {why}"),
        }
    }

    /// A folder without any power to cut.
    pub(crate) fn plain() -> Self {
        let folder = tempfile::Builder::new().prefix("stepwell-plain-").tempdir();
        Self::Plain(folder.expect("make a folder"))
    }

    /// The data directory of the store.
    pub(crate) fn store(&self) -> PathBuf {
        match self {
            Self::Mounted(mount) => mount.path().join("store"),
            Self::Kept(kept) => kept.path().join("store"),
            Self::Plain(folder) => folder.path().join("store"),
        }
    }

    /// What an engine on this disk must have in its environment.
    pub(crate) fn environment(&self) -> Environment {
        match self {
            Self::Mounted(_) | Self::Plain(_) => Vec::new(),
            Self::Kept(kept) => vec![
                ("LD_PRELOAD", tools().disk.clone().into()),
                ("FAULTS_KEEP", kept.keep().into()),
            ],
        }
    }

    /// Cuts the power, under `engine` if one is running, and brings the disk back. What was
    /// acknowledged before the call counts.
    pub(crate) fn cut(&mut self, engine: Option<Engine>) {
        match self {
            Self::Mounted(mount) => {
                mount.shut_down().expect("shut the file system down");
                drop(engine);
                mount.bring_back().expect("mount the file system again");
            }
            Self::Kept(kept) => {
                drop(engine);
                kept.bring_back().expect("put what is durable in its place");
            }
            Self::Plain(_) => panic!("a plain folder has no power to cut"),
        }
    }
}

/// The files in sled's folders for values that it does not sync, below the data directory `store`.
pub(crate) fn blobs(store: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(store) else {
        return Vec::new();
    };
    let folders = entries.flatten().map(|entry| entry.path().join("blobs"));
    let inside = folders.filter_map(|blobs| std::fs::read_dir(blobs).ok());
    inside
        .flat_map(|blobs| blobs.flatten().map(|blob| blob.path()))
        .collect()
}
