//! The real table: one sled tree, every setting a constant, every call behind a wall.
//!
//! What sled 0.34.7 does on Linux decides the shape of this file. `flush` is not durable, so the
//! barrier syncs sled's `db` file through a descriptor of our own, opened before the first write.
//! Between barriers sled writes over segments whose content it has moved elsewhere in the file. It
//! takes the new place for safe when it is not: a power cut may lose the new place, and with it
//! rows that a checkpoint had covered. So the file is marked synchronous ([`write_through`]), which
//! makes every write sled waits for durable; where a file system cannot do that, the file is
//! synced often enough that no segment is written over before.
//! A panic inside sled is a failure like any other. Dropping a `Db` after an I/O error panics, so
//! it is dropped by [`SledTable::close`] alone and otherwise leaked with the process.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::OpenError;
use crate::table::{Batch, Order, Row, Table, TableError};

/// Bytes sled may keep of what it read; sled exceeds it by a factor of two to three.
const CACHE_BYTES: u64 = 64 << 20;

/// sled's own flusher: it drives the collection of garbage, and nothing here relies on it.
const FLUSH_EVERY_MS: u64 = 500;

/// Length of sled's segments; the scrub depends on it.
pub(crate) const SEGMENT_BYTES: usize = 512 * 1024;

/// Bytes applied before sled is made to write; it writes a few times as many.
const UNSYNCED_BYTES_MAX: usize = 64 * 1024;

/// How long a lock that outlives its process is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How long sled's last threads are waited for when closing.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(20);

/// See the module.
pub(crate) struct SledTable {
    db: ManuallyDrop<sled::Db>,
    /// sled's data file through a descriptor that is ours, for the barrier.
    file: File,
    directory: PathBuf,
    /// Whether the file system writes through, so that what sled has written is on the disk.
    through: bool,
    /// Bytes applied since sled was last made to write.
    unsynced: AtomicUsize,
}

impl SledTable {
    /// Opens sled in `directory`, or makes it there.
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let through = prepare_file(&directory.join("db"))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        let db = loop {
            match open_once(directory) {
                Err(OpenError::Locked { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                }
                opened => break opened?,
            }
        };
        let path = directory.join("db");
        let file = File::open(&path).map_err(|error| OpenError::io(&path, error))?;
        Ok(Self {
            db: ManuallyDrop::new(db),
            file,
            directory: directory.to_owned(),
            through,
            unsynced: AtomicUsize::default(),
        })
    }

    /// Lets go of sled and waits until no thread of it holds its files any more; whether that came
    /// to pass. Not for a table that failed.
    pub(crate) fn close(self) -> Result<bool, TableError> {
        let Self {
            db,
            file,
            directory,
            ..
        } = self;
        let db = ManuallyDrop::into_inner(db);
        guarded("close the table", || {
            drop(db);
            Ok(())
        })?;
        drop(file);
        let path = directory.join("db");
        let closed = File::open(&path).and_then(|file| wait_unlocked(&file));
        closed.map_err(|error| table_error("close the table", &error))
    }

    /// Lets sled write out what it holds in memory, and syncs it where writes do not go through by
    /// themselves, before sled can write over a segment whose content it moved to one that is not
    /// on the disk yet, which takes it a segment more than it moved.
    ///
    /// sled writes its buffers from several threads, in any order. Crash here without this: the
    /// segment written over is there, the one that holds what it held is not, and sled cannot be
    /// opened any more.
    fn sync_often(&self, bytes: usize) -> Result<(), TableError> {
        let unsynced = self.unsynced.fetch_add(bytes, Ordering::Relaxed);
        if unsynced.saturating_add(bytes) < UNSYNCED_BYTES_MAX {
            return Ok(());
        }
        self.unsynced.store(0, Ordering::Relaxed);
        guarded("flush the table", || self.db.flush().map(|_| ()))?;
        if self.through {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|error| table_error("sync the table", &error))
    }

    /// Bytes of sled's files.
    pub(crate) fn bytes_on_disk(&self) -> Result<u64, TableError> {
        guarded("measure the table", || self.db.size_on_disk())
    }
}

impl Table for SledTable {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        guarded("read the table", || {
            Ok(self.db.get(key)?.map(|value| value.to_vec()))
        })
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Row>, TableError> {
        guarded("read the table", || {
            let rows = match to {
                Some(to) => self.db.range(from..to),
                None => self.db.range(from..),
            };
            let own = |row: sled::Result<(sled::IVec, sled::IVec)>| {
                row.map(|(key, value)| (key.to_vec(), value.to_vec()))
            };
            match order {
                Order::Ascending => rows.take(limit).map(own).collect(),
                Order::Descending => rows.rev().take(limit).map(own).collect(),
            }
        })
    }

    fn apply(&self, batch: Batch<'_>) -> Result<(), TableError> {
        let bytes = batch.bytes();
        let mut rows = sled::Batch::default();
        for (key, value) in batch.into_rows() {
            match value {
                Some(value) => rows.insert(key.as_ref(), value.as_ref()),
                None => rows.remove(key.as_ref()),
            }
        }
        guarded("write the table", || self.db.apply_batch(rows))?;
        self.sync_often(bytes)
    }

    fn barrier(&self) -> Result<(), TableError> {
        guarded("flush the table", || self.db.flush().map(|_| ()))?;
        self.file
            .sync_data()
            .map_err(|error| table_error("sync the table", &error))
    }
}

/// Makes sled's file safe to be opened by sled; whether writes to it go through to the disk.
///
/// sled trusts what it reads back, and writes a snapshot that rests on it. After a kill the page
/// cache may show bytes the disk does not have; so they are synced first.
fn prepare_file(path: &Path) -> Result<bool, OpenError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| OpenError::io(path, error))?;
    let through = write_through(&file).map_err(|error| OpenError::io(path, error))?;
    if !through {
        tracing::warn!(
            file = %path.display(),
            "file system cannot write through: syncing often instead"
        );
    }
    file.sync_all()
        .map_err(|error| OpenError::io(path, error))?;
    Ok(through)
}

/// Marks the file as synchronous, as `chattr +S` does: every write to it is durable when it
/// returns. Whether the file system does so.
#[cfg(target_os = "linux")]
fn write_through(file: &File) -> io::Result<bool> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    use rustix::io::Errno;
    let marked = ioctl_getflags(file).and_then(|flags| {
        if flags.contains(IFlags::SYNC) {
            return Ok(());
        }
        ioctl_setflags(file, flags | IFlags::SYNC)
    });
    match marked {
        Ok(()) => Ok(true),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Elsewhere than on Linux sled syncs what it writes.
#[cfg(not(target_os = "linux"))]
fn write_through(_: &File) -> io::Result<bool> {
    Ok(true)
}

fn open_once(directory: &Path) -> Result<sled::Db, OpenError> {
    let config = sled::Config::new()
        .path(directory)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .segment_size(SEGMENT_BYTES)
        .use_compression(false)
        .mode(sled::Mode::HighThroughput);
    let name = name_of(directory);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error)) => Err(open_error(directory, &name, error)),
        Err(panic) => Err(OpenError::corrupt(
            name,
            None,
            format!("sled panicked at opening: {}", message(&*panic)),
        )),
    }
}

fn open_error(directory: &Path, name: &str, error: sled::Error) -> OpenError {
    match error {
        sled::Error::Corruption { at, .. } => OpenError::corrupt(
            format!("{name}/db"),
            None,
            format!("sled finds corruption at {at:?}"),
        ),
        // sled says that its lock is held in words alone.
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            OpenError::Locked {
                directory: directory.display().to_string(),
                pid: None,
            }
        }
        sled::Error::Io(error) => OpenError::io(directory, error),
        other @ (sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)
        | sled::Error::CollectionNotFound(_)) => OpenError::corrupt(name, None, other.to_string()),
    }
}

/// The directory's own name, as it stands under the data directory.
fn name_of(directory: &Path) -> String {
    let name = directory.file_name();
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Whether the lock on `file` became free in time: sled's threads may hold it a little longer.
fn wait_unlocked(file: &File) -> io::Result<bool> {
    let deadline = Instant::now() + CLOSE_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            Err(std::fs::TryLockError::WouldBlock) => return Ok(false),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Calls sled; its errors and its panics come out as ours.
fn guarded<R>(what: &str, call: impl FnOnce() -> sled::Result<R>) -> Result<R, TableError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(sled::Error::Io(error))) => Err(table_error(what, &error)),
        Ok(Err(error)) => Err(TableError::Failed {
            what: what.to_owned(),
            why: error.to_string(),
        }),
        Err(panic) => Err(TableError::Failed {
            what: what.to_owned(),
            why: format!("sled panicked: {}", message(&*panic)),
        }),
    }
}

fn table_error(what: &str, error: &io::Error) -> TableError {
    let what = what.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            TableError::Full { what }
        }
        _ => TableError::Failed {
            what,
            why: error.to_string(),
        },
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests;
