//! The data directory: its lock, its making, and the checks that need no database.
//!
//! ```text
//! DIR/lock        held with flock by the engine that has the store open; holds its pid
//! DIR/creating    present only until a new store is complete and durable
//! DIR/log/        the commit log
//! DIR/gen-1/      sled
//! DIR/quarantine/ what an interrupted opening of sled left behind
//! ```
//!
//! Directories have mode 0700, files 0600. A store is never made where one was: an opening finds
//! the whole of it, or nothing, or the half-made one that `creating` tells of.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use stepwell_commit_log::{Log, LogOptions, RealDisk, StoreId};

use crate::core::{GENERATION, LOG, found};
use crate::error::OpenError;
use crate::sled_table::SledTable;

const LOCK: &str = "lock";
const CREATING: &str = "creating";
const QUARANTINE: &str = "quarantine";

/// What a file system keeps in its own root.
const LOST_AND_FOUND: &str = "lost+found";

/// How sled marks a snapshot it has not finished; it would take it for the newest one.
const UNFINISHED: &str = ".generating";

/// A data directory, locked for as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

/// What a directory holds.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing but perhaps a lock.
    Nothing,
    /// A store whose making was interrupted; nothing in it was ever acknowledged.
    HalfMade,
    /// Log and table.
    Store,
}

impl Directory {
    /// Locks the data directory `path`, which is made if it is missing.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| OpenError::io(path, error))?;
        Self::lock_existing(path)
    }

    /// Locks the data directory `path`, which must exist.
    pub(crate) fn lock_existing(path: &Path) -> Result<Self, OpenError> {
        if !path.is_dir() {
            return Err(OpenError::Missing {
                directory: path.display().to_string(),
            });
        }
        let file = path.join(LOCK);
        let lock = take_lock(path, &file)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The data directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log stands.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Where the one generation stands.
    pub(crate) fn generation(&self) -> PathBuf {
        self.path.join(GENERATION)
    }

    /// Sees to it that a whole store is here: makes one in an empty directory, finishes one whose
    /// making was interrupted.
    ///
    /// `make` is false for those who only look: they get [`OpenError::Missing`].
    pub(crate) fn prepare(&self, options: &LogOptions, make: bool) -> Result<(), OpenError> {
        match self.look()? {
            Found::Store => Ok(()),
            Found::Nothing | Found::HalfMade if !make => Err(OpenError::Missing {
                directory: self.path.display().to_string(),
            }),
            Found::Nothing => self.make(options),
            Found::HalfMade => {
                self.clear_half_made(options)?;
                self.make(options)
            }
        }
    }

    /// Moves what an interrupted opening of sled left behind out of its way, and refuses values
    /// that sled keeps outside its synced file. Changes nothing durable.
    pub(crate) fn guard(&self) -> Result<(), OpenError> {
        let generation = self.generation();
        let blobs = generation.join("blobs");
        if let Some(blob) = names(&blobs)?.into_iter().next() {
            return Err(OpenError::corrupt(
                format!("{GENERATION}/blobs/{blob}"),
                None,
                "sled keeps a value outside its synced file, which no build of ours writes",
            ));
        }
        for name in names(&generation)? {
            if name.starts_with("snap.") && name.ends_with(UNFINISHED) {
                self.quarantine(&generation, &name)?;
            }
        }
        Ok(())
    }

    fn look(&self) -> Result<Found, OpenError> {
        let present = names(&self.path)?;
        let has = |name: &str| present.iter().any(|present| present == name);
        if has(CREATING) {
            return Ok(Found::HalfMade);
        }
        let missing = |file: &str, other: &str| {
            let what = format!("is missing although {other} is there");
            Err(OpenError::corrupt(file, None, what))
        };
        match (has(LOG), has(GENERATION)) {
            (true, true) => {}
            (true, false) => return missing(GENERATION, LOG),
            (false, true) => return missing(LOG, GENERATION),
            (false, false) => {
                let foreign = present
                    .into_iter()
                    .find(|name| name != LOCK && name != LOST_AND_FOUND);
                return foreign.map_or(Ok(Found::Nothing), |found| {
                    Err(OpenError::Foreign {
                        directory: self.path.display().to_string(),
                        found,
                    })
                });
            }
        }
        // sled would make what is missing and open empty.
        for name in ["db", "conf"] {
            let file = self.generation().join(name);
            let length = match fs::metadata(&file) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(OpenError::io(&file, error)),
            };
            if length == 0 {
                return Err(OpenError::corrupt(
                    format!("{GENERATION}/{name}"),
                    None,
                    "is missing or empty although the store exists",
                ));
            }
        }
        Ok(Found::Store)
    }

    fn make(&self, options: &LogOptions) -> Result<(), OpenError> {
        let marker = self.path.join(CREATING);
        let told = write_private(&marker, b"a store is being made here\n");
        told.map_err(|error| OpenError::io(&marker, error))?;
        self.sync()?;
        // Crash here, or anywhere below: the marker says that nothing here was acknowledged.
        let generation = self.generation();
        make_private(&generation)?;
        let table = SledTable::open(&generation)?;
        found(&table)?;
        let closed = table.close();
        closed.map_err(|error| OpenError::of_table(GENERATION, error))?;
        for name in ["db", "conf"] {
            make_durable(&generation.join(name), 0o600)?;
        }
        make_durable(&generation.join("blobs"), 0o700)?;
        make_durable(&generation, 0o700)?;
        let log = self.log();
        let disk = RealDisk::new(&log).map_err(|error| OpenError::io(&log, error))?;
        let store = StoreId(random_id());
        let made = Log::create(disk, *options, store, random_salt());
        drop(made.map_err(OpenError::of_log)?);
        self.sync()?;
        fs::remove_file(&marker).map_err(|error| OpenError::io(&marker, error))?;
        self.sync()
    }

    /// Removes a store that was never complete, once its log shows that it holds nothing.
    fn clear_half_made(&self, options: &LogOptions) -> Result<(), OpenError> {
        let log = self.log();
        if log.is_dir() {
            let mut disk = RealDisk::new(&log).map_err(|error| OpenError::io(&log, error))?;
            if let Ok(scan) = Log::scan(&mut disk, options)
                && (scan.last.0 > 0 || scan.opening > 1)
            {
                return Err(OpenError::corrupt(
                    CREATING,
                    None,
                    "says that the store was never complete, but its log was in use",
                ));
            }
        }
        for directory in [log, self.generation()] {
            match fs::remove_dir_all(&directory) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(OpenError::io(&directory, error)),
            }
        }
        self.sync()
    }

    fn quarantine(&self, from: &Path, name: &str) -> Result<(), OpenError> {
        let quarantine = self.path.join(QUARANTINE);
        make_private(&quarantine)?;
        let taken = names(&quarantine)?;
        let to = (0..)
            .map(|number: u32| format!("{name}.{number}"))
            .find(|to| !taken.contains(to))
            .unwrap_or_else(|| name.to_owned());
        let path = from.join(name);
        tracing::warn!(file = %path.display(), "unfinished snapshot put into quarantine");
        // Crash here: the file is in one place or the other, and sled's older snapshot is there.
        fs::rename(&path, quarantine.join(to)).map_err(|error| OpenError::io(&path, error))?;
        sync_directory(&quarantine)?;
        sync_directory(from)
    }

    fn sync(&self) -> Result<(), OpenError> {
        sync_directory(&self.path)?;
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            Some(_) | None => Ok(()),
        }
    }
}

/// A number nobody can guess, from the operating system's randomness.
pub(crate) fn random_salt() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random_salt().to_le_bytes());
    id[8..].copy_from_slice(&random_salt().to_le_bytes());
    id
}

fn take_lock(directory: &Path, path: &Path) -> Result<File, OpenError> {
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| OpenError::io(path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder may be writing its pid just now; then the message does without.
            let read = lock.read_to_string(&mut holder);
            return Err(OpenError::Locked {
                directory: directory.display().to_string(),
                pid: read.ok().and_then(|_| holder.trim().parse().ok()),
            });
        }
        Err(TryLockError::Error(error)) => return Err(OpenError::io(path, error)),
    }
    let told = lock
        .set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| lock.write_all(format!("{}\n", std::process::id()).as_bytes()));
    match told {
        Ok(()) => Ok(lock),
        // The lock holds without its pid; a full disk is for the log to complain about.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(lock),
        Err(error) => Err(OpenError::io(path, error)),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn make_private(path: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| OpenError::io(path, error))
}

fn make_durable(path: &Path, mode: u32) -> Result<(), OpenError> {
    let done = fs::set_permissions(path, Permissions::from_mode(mode))
        .and_then(|()| File::open(path)?.sync_all());
    done.map_err(|error| OpenError::io(path, error))
}

fn sync_directory(path: &Path) -> Result<(), OpenError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| OpenError::io(path, error))
}

/// The names in a directory, sorted; none when it is missing.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, OpenError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(OpenError::io(directory, error)),
    };
    let named = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = named
        .collect::<io::Result<_>>()
        .map_err(|error| OpenError::io(directory, error))?;
    names.sort();
    Ok(names)
}
