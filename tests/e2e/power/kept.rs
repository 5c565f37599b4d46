//! A folder of which only what was synced survives: where no file system can be shut down.
//!
//! `tests/faults/disk.c`, preloaded into the engine, keeps what every sync makes durable beside
//! the folder. A cut puts that in the folder's place. The model is stricter than a file system:
//! nothing survives that was not asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tempfile::TempDir;

/// The folder and what of it is durable.
pub(crate) struct Kept {
    folder: TempDir,
}

impl Kept {
    /// An empty folder, and nothing durable.
    pub(crate) fn make() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("stepwell-kept-").tempdir();
        let kept = Self {
            folder: folder.map_err(|error| error.to_string())?,
        };
        let made = fs::create_dir(kept.path()).and_then(|()| make_keep(&kept.keep()));
        made.map_err(|error| error.to_string())?;
        if let Err(error) = key_of(&kept.path()) {
            return Err(format!(
                "the file system does not say when a file was born: {error}"
            ));
        }
        Ok(kept)
    }

    /// The folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Where the preloaded library keeps what is durable.
    pub(crate) fn keep(&self) -> PathBuf {
        self.folder.path().join("durable")
    }

    /// Puts what is durable in the folder's place. Nobody may use it.
    pub(crate) fn bring_back(&mut self) -> io::Result<()> {
        let (disk, keep) = (self.path(), self.keep());
        let fresh = self.folder.path().join("fresh");
        let keep_fresh = self.folder.path().join("durable-fresh");
        make_keep(&keep_fresh)?;
        let mut rebuild = Rebuild {
            keep: &keep,
            keep_fresh: &keep_fresh,
            placed: BTreeMap::new(),
        };
        rebuild.folder(&key_of(&disk)?, &fresh)?;
        fs::remove_dir_all(&disk)?;
        fs::remove_dir_all(&keep)?;
        fs::rename(fresh, disk)?;
        fs::rename(keep_fresh, keep)
    }
}

/// Building a folder anew from what is durable, which stays durable.
struct Rebuild<'a> {
    keep: &'a Path,
    keep_fresh: &'a Path,
    /// Where each file was put, by its old key: a second name for it is a second name again.
    placed: BTreeMap<String, PathBuf>,
}

impl Rebuild<'_> {
    fn folder(&mut self, key: &str, to: &Path) -> io::Result<()> {
        fs::create_dir(to)?;
        let names = match fs::read_to_string(self.keep.join("names").join(key)) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut listed = String::new();
        for line in names.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(kind), Some(key), Some(name)) = (words.next(), words.next(), words.next())
            else {
                return Err(io::Error::other(format!("names of {key}: {line}")));
            };
            let to = to.join(name);
            match kind {
                "d" => self.folder(key, &to)?,
                _ => self.file(key, &to)?,
            }
            listed.push_str(&format!("{kind} {} {name}\n", key_of(&to)?));
        }
        fs::write(self.keep_fresh.join("names").join(key_of(to)?), listed)
    }

    fn file(&mut self, key: &str, to: &Path) -> io::Result<()> {
        if let Some(placed) = self.placed.get(key) {
            return fs::hard_link(placed, to);
        }
        let bytes = self.keep.join("files").join(key);
        if bytes.exists() {
            fs::copy(&bytes, to)?;
            fs::rename(bytes, self.keep_fresh.join("files").join(key_of(to)?))?;
        } else {
            // Its name was synced and its bytes never were.
            fs::write(to, [])?;
        }
        self.placed.insert(key.to_owned(), to.to_owned());
        Ok(())
    }
}

fn make_keep(keep: &Path) -> io::Result<()> {
    fs::create_dir_all(keep.join("files"))?;
    fs::create_dir_all(keep.join("names"))
}

/// The key of a file, as `tests/faults/disk.c` forms it.
fn key_of(path: &Path) -> io::Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    let born = metadata
        .created()?
        .duration_since(UNIX_EPOCH)
        .map_err(io::Error::other)?;
    Ok(format!(
        "{}-{}.{:09}",
        metadata.ino(),
        born.as_secs(),
        born.subsec_nanos()
    ))
}
