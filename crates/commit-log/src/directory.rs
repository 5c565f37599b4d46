//! The log directory: a disk whose every error names its file and whose every write is counted.

use crate::disk::{Disk, DiskFile};
use crate::error::Trouble;
use crate::name::{FileName, Files};
use crate::types::Counters;
use std::io;

/// A [`Disk`] as the rest of the crate uses it.
pub(crate) struct Directory<D> {
    disk: D,
    /// What was asked of the disk so far; written by every method below.
    pub(crate) counters: Counters,
}

/// An open file and its name.
pub(crate) struct NamedFile<F> {
    /// The name it was opened under, or was given since.
    pub(crate) name: FileName,
    /// The file.
    pub(crate) file: F,
}

impl<F: DiskFile> NamedFile<F> {
    /// The length in bytes.
    pub(crate) fn len(&mut self) -> Result<u64, Trouble> {
        self.file.len().map_err(trouble(self.name))
    }

    /// Fills `buf` with the bytes at `offset`.
    pub(crate) fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), Trouble> {
        self.file.read_at(offset, buf).map_err(trouble(self.name))
    }
}

/// Opens a file of `disk`.
pub(crate) fn open<D: Disk>(disk: &mut D, name: FileName) -> Result<NamedFile<D::File>, Trouble> {
    let file = disk.open(&name.to_string()).map_err(trouble(name))?;
    Ok(NamedFile { name, file })
}

/// Lists the log's files on `disk`.
pub(crate) fn list<D: Disk>(disk: &mut D) -> Result<Files, Trouble> {
    let names = disk.list().map_err(directory_trouble)?;
    Ok(Files::sort(&names))
}

impl<D: Disk> Directory<D> {
    /// Takes over the disk, with all counters at zero.
    pub(crate) fn new(disk: D) -> Directory<D> {
        Directory {
            disk,
            counters: Counters::default(),
        }
    }

    /// The log's files.
    pub(crate) fn list(&mut self) -> Result<Files, Trouble> {
        list(&mut self.disk)
    }

    /// Opens a file that exists.
    pub(crate) fn open(&mut self, name: FileName) -> Result<NamedFile<D::File>, Trouble> {
        open(&mut self.disk, name)
    }

    /// Makes a file of `bytes` zero bytes and syncs them, not yet its name.
    pub(crate) fn create(
        &mut self,
        name: FileName,
        bytes: u64,
    ) -> Result<NamedFile<D::File>, Trouble> {
        let file = self
            .disk
            .create(&name.to_string(), bytes)
            .map_err(trouble(name))?;
        self.counters.segments_created += 1;
        let mut made = NamedFile { name, file };
        self.sync(&mut made)?;
        Ok(made)
    }

    /// Writes all `bytes` at `offset`.
    pub(crate) fn write(
        &mut self,
        to: &mut NamedFile<D::File>,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Trouble> {
        self.counters.writes += 1;
        self.counters.bytes_written += bytes.len() as u64;
        to.file.write_at(offset, bytes).map_err(trouble(to.name))
    }

    /// Makes the bytes of a file durable.
    pub(crate) fn sync(&mut self, file: &mut NamedFile<D::File>) -> Result<(), Trouble> {
        self.counters.syncs += 1;
        file.file.sync_data().map_err(trouble(file.name))
    }

    /// Renames a file; durable only after [`Directory::sync_names`].
    pub(crate) fn rename(&mut self, from: FileName, to: FileName) -> Result<(), Trouble> {
        self.disk
            .rename(&from.to_string(), &to.to_string())
            .map_err(trouble(from))
    }

    /// Removes a file; durable only after [`Directory::sync_names`].
    pub(crate) fn remove(&mut self, name: FileName) -> Result<(), Trouble> {
        self.disk.remove(&name.to_string()).map_err(trouble(name))
    }

    /// Removes a file that may never have come to be.
    pub(crate) fn remove_if_there(&mut self, name: FileName) -> Result<(), Trouble> {
        match self.disk.remove(&name.to_string()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(trouble(name)(source)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes all names durable.
    pub(crate) fn sync_names(&mut self) -> Result<(), Trouble> {
        self.counters.dir_syncs += 1;
        self.disk.sync_dir().map_err(directory_trouble)
    }
}

fn trouble(name: FileName) -> impl FnOnce(io::Error) -> Trouble {
    move |source| Trouble {
        file: name.to_string(),
        source,
    }
}

fn directory_trouble(source: io::Error) -> Trouble {
    Trouble {
        file: ".".to_owned(),
        source,
    }
}
