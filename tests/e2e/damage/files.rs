//! The files of a store: bytes worth flipping, and whether anything was rewritten.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use stepwell_commit_log::format::{BLOCK, HEAD};

/// Where the log stands in a data directory.
const LOG: &str = "log";

/// Where sled stands in a data directory.
const TABLE: &str = "gen-1";

/// Bytes flipped in each file of sled.
const SPOTS_IN_A_FILE: u64 = 8;

/// A byte to be flipped.
pub(super) struct Spot {
    /// The file, relative to the data directory.
    pub(super) file: String,
    at: u64,
    what: String,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of {}, {}", self.at, self.file, self.what)
    }
}

impl Spot {
    /// Flips one bit of it; twice is as it was.
    pub(super) fn flip(&self, data: &Path) -> Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(data.join(&self.file))?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.at)?;
        byte[0] ^= 0x04;
        Ok(file.write_all_at(&byte, self.at)?)
    }
}

/// Every file below the log's and sled's directories, byte by byte.
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    pub(super) fn read(data: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for directory in [LOG, TABLE] {
            for file in names(data, directory)? {
                let bytes = std::fs::read(data.join(&file))?;
                files.insert(file, bytes);
            }
        }
        Ok(Self(files))
    }

    /// No file came, went, or differs in a byte.
    pub(super) fn are_still_in(&self, data: &Path) -> Result<()> {
        let now = Self::read(data)?.0;
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        ensure!(
            names(&self.0) == names(&now),
            "{:?} became {:?}",
            names(&self.0),
            names(&now)
        );
        let differs = now
            .iter()
            .filter(|(name, bytes)| self.0.get(*name) != Some(*bytes));
        let rewritten: Vec<_> = differs.map(|(name, _)| name).collect();
        ensure!(rewritten.is_empty(), "rewritten: {rewritten:?}");
        Ok(())
    }
}

/// Bytes of every file of a closed store.
pub(super) fn spots(data: &Path) -> Result<Vec<Spot>> {
    let mut spots = spots_of_log(data)?;
    for file in names(data, TABLE)? {
        let bytes = data.join(&file).metadata()?.len();
        let last = bytes
            .checked_sub(1)
            .with_context(|| format!("{file} is empty"))?;
        let mut offsets: Vec<u64> = (0..SPOTS_IN_A_FILE)
            .map(|n| last * n / (SPOTS_IN_A_FILE - 1))
            .collect();
        offsets.dedup();
        let spot = |at| Spot {
            file: file.clone(),
            at,
            what: "of sled".to_owned(),
        };
        spots.extend(offsets.into_iter().map(spot));
    }
    Ok(spots)
}

/// Bytes of everything written into the log's newest segment but its very last record, damage to
/// which looks like a torn write.
pub(super) fn spots_of_log(data: &Path) -> Result<Vec<Spot>> {
    let segments = names(data, LOG)?
        .into_iter()
        .filter(|name| name.ends_with(".segment"));
    let file = segments.max().context("the log has no segment")?;
    let bytes = std::fs::read(data.join(&file))?;
    let spot = |at: usize, what: &str| Spot {
        file: file.clone(),
        at: at as u64,
        what: what.to_owned(),
    };
    let mut spots: Vec<Spot> = [0, 9, 13, 17, 41, 57, 65]
        .map(|at| spot(at, "in the segment's header"))
        .into();
    let mut records = records(&bytes);
    ensure!(records.len() > 3, "{} records in {file}", records.len());
    records.pop();
    let every = records.len().div_ceil(8);
    for (start, length) in records.into_iter().step_by(every) {
        spots.push(spot(start + 1, "in a record's kind"));
        spots.push(spot(start + 9, "in a record's serial"));
        spots.push(spot(start + 33, "in a record's length"));
        spots.push(spot(start + HEAD + length / 2, "in a record's content"));
    }
    Ok(spots)
}

/// Where records start and how long their contents are, by the layout in the log's documentation.
fn records(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut records = Vec::new();
    let mut start = BLOCK;
    while let Some(head) = segment.get(start..start + HEAD) {
        let known = [&b"data"[..], b"chkp", b"seal"].contains(&&head[..4]);
        let Some(length) = head[32..36]
            .try_into()
            .ok()
            .map(u32::from_le_bytes)
            .filter(|_| known)
        else {
            break;
        };
        records.push((start, length as usize));
        start += (HEAD + length as usize).next_multiple_of(BLOCK);
    }
    records
}

/// How many spots there are in each file, for people.
pub(super) fn table(spots: &[Spot]) -> String {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for spot in spots {
        *files.entry(&spot.file).or_default() += 1;
    }
    let files = files
        .into_iter()
        .map(|(file, spots)| format!("{spots} in {file}"));
    files.collect::<Vec<_>>().join(", ")
}

/// The plain files below a directory, relative to the data directory, sorted.
fn names(data: &Path, directory: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(data.join(directory))? {
        let entry = entry?;
        let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            names.extend(self::names(data, &name)?);
        } else {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
