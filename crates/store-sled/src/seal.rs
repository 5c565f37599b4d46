//! The seal of a clean close: what every file of sled looked like when the last thread let go.
//!
//! sled's own checks let some flipped bits through and panic at others. After a clean close no
//! byte of its files may differ, so the log's seal carries their lengths and the CRC-32 of every
//! block, and an opening compares them before sled sees the files. The state, little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format version, [`FORMAT`] |
//! | 1..5 | generation |
//! | 5..9 | block size in bytes |
//! | 9..11 | number of files |
//! | then for each file | length of its name (2), name, length of the file (8), a CRC-32 (4) for each block |

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::core::GENERATION;
use crate::directory::names;
use crate::error::OpenError;

/// The format version of the state written by this build.
pub(crate) const FORMAT: u8 = 1;

/// Smallest block, in bytes.
const BLOCK_BYTES: u32 = 64 * 1024;

/// Checksums a seal has room for; larger stores get larger blocks.
const CHECKSUMS_MAX: u64 = 200_000;

/// What the files of a generation looked like when it was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    generation: u32,
    block_bytes: u32,
    files: Vec<SealedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SealedFile {
    name: String,
    bytes: u64,
    checksums: Vec<u32>,
}

impl Seal {
    /// Syncs and reads every file of the generation in `directory`, which nobody has open.
    pub(crate) fn of(directory: &Path, generation: u32) -> Result<Self, OpenError> {
        let names = sealed_names(directory)?;
        let mut bytes = 0;
        for name in &names {
            let path = directory.join(name);
            let length = File::open(&path).and_then(|file| {
                file.sync_all()?;
                Ok(file.metadata()?.len())
            });
            bytes += length.map_err(|error| OpenError::io(&path, error))?;
        }
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| OpenError::io(directory, error))?;
        let mut block_bytes = BLOCK_BYTES;
        while bytes / u64::from(block_bytes) > CHECKSUMS_MAX {
            block_bytes *= 2;
        }
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let path = directory.join(&name);
            let mut checksums = Vec::new();
            let bytes = each_block(&path, block_bytes, |block| {
                checksums.push(crc32fast::hash(block));
            })
            .map_err(|error| OpenError::io(&path, error))?;
            files.push(SealedFile {
                name,
                bytes,
                checksums,
            });
        }
        Ok(Self {
            generation,
            block_bytes,
            files,
        })
    }

    /// Compares the files in `directory` with what they looked like. Reads only.
    pub(crate) fn check(&self, directory: &Path) -> Result<(), OpenError> {
        for name in sealed_names(directory)? {
            if !self.files.iter().any(|file| file.name == name) {
                return Err(OpenError::corrupt(
                    format!("{GENERATION}/{name}"),
                    None,
                    "was not there when the store was closed",
                ));
            }
        }
        for file in &self.files {
            self.check_file(directory, file)?;
        }
        Ok(())
    }

    fn check_file(&self, directory: &Path, file: &SealedFile) -> Result<(), OpenError> {
        let path = directory.join(&file.name);
        let name = format!("{GENERATION}/{}", file.name);
        let mut found = Vec::with_capacity(file.checksums.len());
        let bytes = each_block(&path, self.block_bytes, |block| {
            found.push(crc32fast::hash(block));
        });
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = "is missing although it was there when the store was closed";
                return Err(OpenError::corrupt(name, None, what));
            }
            Err(error) => return Err(OpenError::io(&path, error)),
        };
        let differs = file.checksums.iter().zip(&found).position(|(a, b)| a != b);
        if let Some(block) = differs {
            let offset = block as u64 * u64::from(self.block_bytes);
            let what = format!(
                "the {} bytes from there are not those of the clean shutdown",
                u64::from(self.block_bytes).min(bytes.saturating_sub(offset))
            );
            return Err(OpenError::corrupt(name, Some(offset), what));
        }
        if bytes != file.bytes {
            let what = format!(
                "file has {bytes} bytes, it had {} when the store was closed",
                file.bytes
            );
            return Err(OpenError::corrupt(name, Some(bytes.min(file.bytes)), what));
        }
        Ok(())
    }

    /// The seal's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.block_bytes.to_le_bytes());
        // sled keeps a handful of files with short names.
        let count = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for file in &self.files {
            let length = u16::try_from(file.name.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(file.name.as_bytes());
            bytes.extend_from_slice(&file.bytes.to_le_bytes());
            for checksum in &file.checksums {
                bytes.extend_from_slice(&checksum.to_le_bytes());
            }
        }
        bytes
    }

    /// The seal in `bytes`, which the log's checksum covers.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        match bytes.first() {
            Some(&found) if found > FORMAT => {
                return Err(OpenError::NewerFormat {
                    file: crate::core::LOG.to_owned(),
                    found: u32::from(found),
                    supported: u32::from(FORMAT),
                });
            }
            Some(_) | None => {}
        }
        Self::parse(bytes).ok_or_else(|| {
            let what = "seal's lengths disagree with its bytes";
            OpenError::corrupt(crate::core::LOG, None, what)
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(1..)?;
        let generation = u32::from_le_bytes(take(&mut rest)?);
        let block_bytes = u32::from_le_bytes(take(&mut rest)?);
        let count = u16::from_le_bytes(take(&mut rest)?);
        let mut files = Vec::new();
        for _ in 0..count {
            let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let (name, behind) = rest.split_at_checked(length)?;
            rest = behind;
            let bytes = u64::from_le_bytes(take(&mut rest)?);
            let blocks = bytes.div_ceil(u64::from(block_bytes.max(1)));
            let mut checksums = Vec::new();
            for _ in 0..blocks {
                checksums.push(u32::from_le_bytes(take(&mut rest)?));
            }
            files.push(SealedFile {
                name: String::from_utf8(name.to_vec()).ok()?,
                bytes,
                checksums,
            });
        }
        let whole = rest.is_empty() && block_bytes > 0;
        whole.then_some(Self {
            generation,
            block_bytes,
            files,
        })
    }
}

/// The plain files of a generation; `blobs/` stays empty and is checked elsewhere.
fn sealed_names(directory: &Path) -> Result<Vec<String>, OpenError> {
    let mut names = names(directory)?;
    names.retain(|name| directory.join(name).is_file());
    Ok(names)
}

/// Reads a file block by block; returns its length.
fn each_block(path: &Path, block_bytes: u32, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut block = Vec::with_capacity(block_bytes as usize);
    let mut bytes = 0;
    loop {
        block.clear();
        let read = (&mut file)
            .take(u64::from(block_bytes))
            .read_to_end(&mut block)?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += read as u64;
        each(&block);
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}
