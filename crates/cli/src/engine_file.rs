//! `engine.json` in the data directory: where the engine that holds the directory can be reached.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file's name.
const NAME: &str = "engine.json";

/// The file that whoever has a data directory open keeps locked, with their process in it.
const LOCK: &str = "lock";

/// What a running engine says of itself. Only a hint: the lock alone says who holds a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFile {
    /// Its process.
    pub pid: u32,
    /// Where it answers, such as `http://127.0.0.1:8288`.
    pub url: String,
    /// The version of its binary.
    pub version: String,
}

impl EngineFile {
    /// What the engine holding `data` says; `None` when there is nothing readable.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        let text = std::fs::read(path(data)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The engine that holds `data`, when it is the process `pid` that has the directory open. What
    /// an engine that died left behind tells of nobody.
    pub(crate) fn of_holder(data: &Path, pid: Option<u32>) -> Option<Self> {
        Self::read(data).filter(|engine| pid == Some(engine.pid))
    }

    /// The engine that has `data` open. Nothing is opened: the lock is looked at and let go.
    pub(crate) fn of_running(data: &Path) -> Option<Self> {
        let lock = File::open(data.join(LOCK)).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) | Err(TryLockError::Error(_)) => return None,
        }
        let holder = io::read_to_string(lock).ok()?;
        Self::of_holder(data, holder.trim().parse().ok())
    }

    /// Puts the file in place whole, replacing what an engine that died left there.
    pub(crate) fn write(&self, data: &Path) -> io::Result<()> {
        let draft = data.join(format!("{NAME}.{}", self.pid));
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        drop(file);
        // Crash here: the draft stays behind and nobody reads it.
        std::fs::rename(&draft, path(data))
    }

    /// Takes the file away after a clean end.
    pub(crate) fn remove(data: &Path) {
        if let Err(error) = std::fs::remove_file(path(data)) {
            tracing::debug!(%error, "{NAME} stays behind");
        }
    }
}

fn path(data: &Path) -> PathBuf {
    data.join(NAME)
}
