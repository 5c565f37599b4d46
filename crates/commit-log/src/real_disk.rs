//! The real file system: one directory, files by positioned reads and writes, `fdatasync`.

use crate::disk::{Disk, DiskFile};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// Zero bytes written at a time when a file is made.
const ZEROS: usize = 1 << 20;

/// A directory of the file system; its files have mode 0600.
#[derive(Debug)]
pub struct RealDisk {
    path: PathBuf,
    /// Directories that hold the name of the one below: synced with the first `sync_dir`, as a
    /// crash may have come between their making and their sync.
    unsynced_parents: Vec<PathBuf>,
}

impl RealDisk {
    /// Uses the directory `path`, and makes it (mode 0700) with its parents if it is missing.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn new(path: impl AsRef<Path>) -> io::Result<RealDisk> {
        let path = std::path::absolute(path)?;
        let missing = path.ancestors().take_while(|at| !at.exists()).count();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        let parents = path.ancestors().skip(1).take(missing.max(1));
        Ok(RealDisk {
            unsynced_parents: parents.map(Path::to_path_buf).collect(),
            path,
        })
    }

    /// Uses the directory `path`, which must exist: the way to read a log and change nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` or `NotADirectory`, or whatever the file system says.
    pub fn existing(path: impl AsRef<Path>) -> io::Result<RealDisk> {
        if path.as_ref().metadata()?.is_dir() {
            RealDisk::new(path)
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            // A name that is not text is none of the log's.
            if let Ok(name) = entry.file_name().into_string()
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&mut self, name: &str, len: u64) -> io::Result<RealFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        let zeros = vec![0; ZEROS];
        let mut offset = 0;
        while offset < len {
            let left = usize::try_from(len - offset).unwrap_or(ZEROS);
            let bytes = &zeros[..left.min(ZEROS)];
            file.write_all_at(bytes, offset)?;
            offset += bytes.len() as u64;
        }
        Ok(RealFile {
            file,
            refuses_writes: None,
        })
    }

    fn open(&mut self, name: &str) -> io::Result<RealFile> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.read(true);
        let (file, refuses_writes) = match options.clone().write(true).open(&path) {
            Ok(file) => (file, None),
            // Reading is all a scan needs; a write will say the same again.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                ) =>
            {
                (options.open(&path)?, Some(error.kind()))
            }
            Err(error) => return Err(error),
        };
        Ok(RealFile {
            file,
            refuses_writes,
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        for parent in &self.unsynced_parents {
            File::open(parent)?.sync_all()?;
        }
        self.unsynced_parents.clear();
        Ok(())
    }
}

/// An open file of a [`RealDisk`].
#[derive(Debug)]
pub struct RealFile {
    file: File,
    /// Why the file could only be opened for reading.
    refuses_writes: Option<io::ErrorKind>,
}

impl DiskFile for RealFile {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.refuses_writes {
            Some(why) => Err(why.into()),
            None => self.file.write_all_at(bytes, offset),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
