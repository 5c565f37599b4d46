//! The seam to the file system: the few operations the log needs, so that a simulator can stand in.
//!
//! Nothing done through this seam is durable until a sync says so: file bytes until
//! [`DiskFile::sync_data`], names until [`Disk::sync_dir`]. Until then any part of it may survive
//! a power cut and any part may not, in any order.

use std::io;

/// One directory that holds one log.
pub trait Disk: Send + 'static {
    /// An open file of this directory.
    type File: DiskFile;

    /// The names of the files in the directory, in any order.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Makes the file `name`, `len` bytes long and filled with zero bytes that are really
    /// written, so that later writes change no metadata. Not synced: call
    /// [`DiskFile::sync_data`] and [`Disk::sync_dir`].
    ///
    /// # Errors
    ///
    /// Whatever the file system says; `AlreadyExists` if there is such a file, `StorageFull` if
    /// there is no room. A part of the file may be left behind under its name.
    fn create(&mut self, name: &str, len: u64) -> io::Result<Self::File>;

    /// Opens the file `name` for reading, and for writing where that is allowed.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn open(&mut self, name: &str) -> io::Result<Self::File>;

    /// Gives the file `from` the name `to`, in one step: after a crash it has one of the two.
    /// There is no file `to`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes the file `name`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes every name created, renamed or removed so far durable, and the directory itself.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; what became durable is then unknown.
    fn sync_dir(&mut self) -> io::Result<()>;
}

/// One file of a [`Disk`].
#[expect(
    clippy::len_without_is_empty,
    reason = "a file, not a collection: nobody asks whether it is empty"
)]
pub trait DiskFile: Send + 'static {
    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; `UnexpectedEof` if the file ends before.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; any part of `bytes` may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every byte written to this file so far durable, with the metadata that is needed to
    /// read it back.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. What became durable is then unknown, and a second call that
    /// succeeds proves nothing about those bytes.
    fn sync_data(&mut self) -> io::Result<()>;

    /// The length of the file in bytes.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn len(&mut self) -> io::Result<u64>;
}
