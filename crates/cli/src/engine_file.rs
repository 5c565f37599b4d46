//! `engine.json` in the data directory: where the engine that holds the directory can be reached.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file's name.
const NAME: &str = "engine.json";

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

    /// Puts the file in place whole, replacing what an engine that died left there.
    pub(crate) fn write(&self, data: &Path) -> io::Result<()> {
        let draft = data.join(format!("{NAME}.{}", self.pid));
        let mut file = std::fs::File::create(&draft)?;
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
