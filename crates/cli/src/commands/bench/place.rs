//! Where the store of a measurement goes.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::failure::Failure;

/// The option that chooses the place.
#[derive(Debug, clap::Args)]
pub(super) struct PlaceArgs {
    /// Directory of the store: one that is empty or does not exist, and stays; without it a fresh
    /// one in the working directory, removed again
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A directory for a store; one of our own is removed when this is dropped.
pub(super) struct Place {
    path: PathBuf,
    _own: Option<TempDir>,
}

impl PlaceArgs {
    /// Sees to an empty directory.
    pub(super) fn prepare(&self) -> Result<Place, Failure> {
        let Some(path) = &self.data else {
            let own = super::fresh_in(Path::new("."))?;
            return Ok(Place {
                path: own.path().join("store"),
                _own: Some(own),
            });
        };
        let shown = path.display();
        std::fs::create_dir_all(path).with_context(|| format!("{shown} cannot be made"))?;
        let mut entries =
            std::fs::read_dir(path).with_context(|| format!("{shown} cannot be read"))?;
        if entries.next().is_some() {
            return Err(Failure::usage(format!("{shown} is not empty")));
        }
        Ok(Place {
            path: path.clone(),
            _own: None,
        })
    }
}

impl Place {
    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
