//! The layout of a segment, byte by byte, and the only code that writes or reads it.
//!
//! All integers are little-endian; offsets and lengths are in bytes. A segment is a file of
//! `segment_bytes` bytes, a multiple of the *block* of 4096. Block 0 is the header, the last block
//! the footer, the blocks between hold records. Every record starts at a block of its own, so a
//! write never touches a page in which an acknowledged byte lies: it cannot harm one, however it
//! fails.
//!
//! # Header (block 0)
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | magic `STEPWLOG` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | checksum: CRC-32 (ISO-HDLC) of bytes 0..12, then of bytes 16..4096 |
//! | 16 | 16 | store id |
//! | 32 | 8 | opening: 1 for the creation of the log, greater for each opening after |
//! | 40 | 8 | salt: random, drawn anew by each opening |
//! | 48 | 8 | base serial: the serial of the first record of this segment |
//! | 56 | 8 | base number: the record number of its first data record |
//! | 64 | 8 | base chain: the chain hash before its first record |
//! | 72 | 8 | `segment_bytes` |
//! | 80 | 4 | flags: bit 0, *complete*: the tail of the opening before is wholly copied, here or in the segments below |
//! | 84 | 4012 | zero |
//!
//! Magic, version and checksum keep their place and meaning in every later format.
//!
//! # Record (from offset 4096 on, each at a multiple of 4096)
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | kind: `data`, `chkp` or `seal` |
//! | 4 | 4 | head checksum: salted CRC-32 of bytes 0..4, then of bytes 8..40 |
//! | 8 | 8 | serial: one more for each record of any kind, across segments and openings |
//! | 16 | 8 | number: the record number of a data record; of the last data record before for others |
//! | 24 | 8 | chain hash, this record included |
//! | 32 | 4 | length of the content |
//! | 36 | 4 | content checksum: salted CRC-32 of the content and the zero bytes after it |
//! | 40 | length | content |
//! | | | zero bytes up to the next block |
//!
//! The content of `data` is the caller's. That of `chkp` is the settled record number (8 bytes)
//! and the caller's state; that of `seal` is the caller's state.
//!
//! # Footer (last block)
//!
//! Written once the segment that follows is durable under its name; it says that there is one.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | magic `STEPWEND` |
//! | 8 | 4 | checksum: salted CRC-32 of bytes 0..8, then of bytes 12..4096 |
//! | 12 | 4 | zero |
//! | 16 | 8 | base serial of this segment |
//! | 24 | 8 | base serial of the next segment |
//! | 32 | 8 | base chain of the next segment |
//! | 40 | 4056 | zero |
//!
//! # Checksums and the chain
//!
//! A *salted* CRC-32 first takes in the store id, the opening and the salt (32 bytes, as in the
//! header): what another store or another opening wrote into a recycled file never fits. The chain
//! hash of a record is XXH64 of kind, serial, number, length (4, 8, 8 and 4 bytes) and content,
//! with the chain hash before it as the seed. The first record of an opening takes as the hash
//! before it XXH64 of store id and opening, with the salt as the seed.
//!
//! # What is the end
//!
//! The record at a block counts if its checksums fit, its serial is the one expected, and its
//! chain hash follows. A lower serial is a stale record of a recycled segment. Where no record
//! counts, the log ends, unless a later record of this opening is found beyond, or the footer or
//! the header of the next segment says otherwise: then something between is damaged.

use crate::types::{RecordNumber, StoreId};
use std::hash::Hasher as _;
use twox_hash::XxHash64;

#[cfg(test)]
mod tests;

/// The format this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Alignment of everything in a segment, in bytes: one page of memory, one sector of any disk.
pub const BLOCK: usize = 4096;

/// Length of the head of a record, in bytes.
pub const HEAD: usize = 40;

const HEADER_MAGIC: [u8; 8] = *b"STEPWLOG";
const FOOTER_MAGIC: [u8; 8] = *b"STEPWEND";
const FLAG_COMPLETE: u32 = 1;

/// Bytes a segment of this length has for records.
pub(crate) fn record_space(segment_bytes: u64) -> u64 {
    segment_bytes.saturating_sub(2 * BLOCK as u64)
}

/// Bytes a record with this much content takes in a segment.
pub(crate) fn record_bytes(content: u64) -> u64 {
    (HEAD as u64 + content).next_multiple_of(BLOCK as u64)
}

/// Where the chain stands: what the next record has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The serial of the next record.
    pub(crate) serial: u64,
    /// The number of the last data record.
    pub(crate) last: RecordNumber,
    /// The chain hash so far.
    pub(crate) chain: u64,
}

/// What tells one opening of one store from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The store.
    pub(crate) store: StoreId,
    /// The number of the opening.
    pub(crate) opening: u64,
    /// The random salt of the opening.
    pub(crate) salt: u64,
}

impl Origin {
    /// The chain hash before the first record of this opening.
    pub(crate) fn first_chain(&self) -> u64 {
        let mut hash = XxHash64::with_seed(self.salt);
        hash.write(&self.store.0);
        hash.write(&self.opening.to_le_bytes());
        hash.finish()
    }

    /// The checksum that only this opening's records fit.
    pub(crate) fn salted(&self) -> Salted {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.store.0);
        hasher.update(&self.opening.to_le_bytes());
        hasher.update(&self.salt.to_le_bytes());
        Salted(hasher)
    }
}

/// CRC-32 with one opening's origin already taken in.
#[derive(Clone, Debug)]
pub(crate) struct Salted(crc32fast::Hasher);

impl Salted {
    fn sum(&self, parts: [&[u8]; 2]) -> u32 {
        let mut hasher = self.0.clone();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// The first block of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Who wrote the segment.
    pub(crate) origin: Origin,
    /// What the first record follows.
    pub(crate) base: Link,
    /// Length of the file.
    pub(crate) segment_bytes: u64,
    /// Whether the opening counts from here on.
    pub(crate) complete: bool,
}

/// Why a block is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Not what this or any later program wrote.
    Damaged(&'static str),
    /// Whole, but of a later format.
    Newer(u32),
}

impl SegmentHeader {
    /// The block to write.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[0..8].copy_from_slice(&HEADER_MAGIC);
        block[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        block[16..32].copy_from_slice(&self.origin.store.0);
        block[32..40].copy_from_slice(&self.origin.opening.to_le_bytes());
        block[40..48].copy_from_slice(&self.origin.salt.to_le_bytes());
        block[48..56].copy_from_slice(&self.base.serial.to_le_bytes());
        block[56..64].copy_from_slice(&self.base.last.next().0.to_le_bytes());
        block[64..72].copy_from_slice(&self.base.chain.to_le_bytes());
        block[72..80].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let flags = if self.complete { FLAG_COMPLETE } else { 0 };
        block[80..84].copy_from_slice(&flags.to_le_bytes());
        let sum = header_sum(&block);
        block[12..16].copy_from_slice(&sum.to_le_bytes());
        block
    }

    /// Reads the first block of a segment.
    pub(crate) fn decode(block: &[u8]) -> Result<SegmentHeader, HeaderError> {
        if block.len() != BLOCK || block[0..8] != HEADER_MAGIC {
            return Err(HeaderError::Damaged("this is no segment header"));
        }
        if u32_at(block, 12) != header_sum(block) {
            return Err(HeaderError::Damaged("the checksum of the header differs"));
        }
        let version = u32_at(block, 8);
        if version > FORMAT_VERSION {
            return Err(HeaderError::Newer(version));
        }
        let mut store = StoreId([0; 16]);
        store.0.copy_from_slice(&block[16..32]);
        let base_number = u64_at(block, 56);
        let segment_bytes = u64_at(block, 72);
        let sizes = segment_bytes.is_multiple_of(BLOCK as u64) && record_space(segment_bytes) > 0;
        if version != FORMAT_VERSION || base_number == 0 || !sizes {
            return Err(HeaderError::Damaged("a field of the header cannot be"));
        }
        Ok(SegmentHeader {
            origin: Origin {
                store,
                opening: u64_at(block, 32),
                salt: u64_at(block, 40),
            },
            base: Link {
                serial: u64_at(block, 48),
                last: RecordNumber(base_number - 1),
                chain: u64_at(block, 64),
            },
            segment_bytes,
            complete: u32_at(block, 80) & FLAG_COMPLETE != 0,
        })
    }
}

fn header_sum(block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[0..12]);
    hasher.update(&block[16..]);
    hasher.finalize()
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The caller's bytes, numbered.
    Data,
    /// Up to where the log is not needed any more.
    Checkpoint,
    /// The clean end.
    Seal,
}

impl Kind {
    fn tag(self) -> [u8; 4] {
        match self {
            Kind::Data => *b"data",
            Kind::Checkpoint => *b"chkp",
            Kind::Seal => *b"seal",
        }
    }

    fn from_tag(tag: [u8; 4]) -> Option<Kind> {
        [Kind::Data, Kind::Checkpoint, Kind::Seal]
            .into_iter()
            .find(|kind| kind.tag() == tag)
    }
}

/// Fills `buffer` with one record that follows `link`, padded to whole blocks, and returns where
/// the chain stands after it. The content, all `parts` together, is shorter than 4 GiB.
pub(crate) fn encode_record(
    buffer: &mut Vec<u8>,
    salted: &Salted,
    link: Link,
    kind: Kind,
    parts: &[&[u8]],
) -> Link {
    buffer.clear();
    buffer.resize(HEAD, 0);
    for part in parts {
        buffer.extend_from_slice(part);
    }
    let length = (buffer.len() - HEAD) as u32;
    buffer.resize(buffer.len().next_multiple_of(BLOCK), 0);
    let number = match kind {
        Kind::Data => link.last.next(),
        Kind::Checkpoint | Kind::Seal => link.last,
    };
    let content_sum = salted.sum([&buffer[HEAD..], &[]]);
    buffer[0..4].copy_from_slice(&kind.tag());
    buffer[8..16].copy_from_slice(&link.serial.to_le_bytes());
    buffer[16..24].copy_from_slice(&number.0.to_le_bytes());
    buffer[32..36].copy_from_slice(&length.to_le_bytes());
    let chain = chain_after(link.chain, buffer, length);
    buffer[24..32].copy_from_slice(&chain.to_le_bytes());
    buffer[36..40].copy_from_slice(&content_sum.to_le_bytes());
    let head_sum = salted.sum([&buffer[0..4], &buffer[8..HEAD]]);
    buffer[4..8].copy_from_slice(&head_sum.to_le_bytes());
    Link {
        serial: link.serial + 1,
        last: number,
        chain,
    }
}

/// The chain hash once `record`, whose content is `length` bytes long, has followed `chain`.
fn chain_after(chain: u64, record: &[u8], length: u32) -> u64 {
    let mut hash = XxHash64::with_seed(chain);
    hash.write(&record[0..4]);
    hash.write(&record[8..24]);
    hash.write(&record[32..36]);
    hash.write(&record[HEAD..HEAD + length as usize]);
    hash.finish()
}

/// A record whose checksums fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// Its place among all records.
    pub(crate) serial: u64,
    /// `None`: a kind this program does not know.
    pub(crate) kind: Option<Kind>,
    /// Its record number, or that of the last data record before it.
    pub(crate) number: RecordNumber,
    /// The caller's bytes.
    pub(crate) content: &'a [u8],
    /// What it says the chain hash is after it.
    chain: u64,
    /// The whole record, for the chain.
    bytes: &'a [u8],
}

/// What is found where a record may start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// A whole record of this opening; it may still be stale, or out of place.
    Record(Record<'a>),
    /// The head of a record of this opening, and not the content it tells of.
    HeadOnly {
        /// The serial in the head.
        serial: u64,
    },
    /// Nothing of this opening.
    Nothing,
}

/// Looks for a record at the start of `bytes`, the space from one block to the footer.
pub(crate) fn read_record<'a>(bytes: &'a [u8], salted: &Salted) -> Found<'a> {
    if bytes.len() < BLOCK || u32_at(bytes, 4) != salted.sum([&bytes[0..4], &bytes[8..HEAD]]) {
        return Found::Nothing;
    }
    let serial = u64_at(bytes, 8);
    let length = u32_at(bytes, 32) as usize;
    let whole = (HEAD + length).next_multiple_of(BLOCK);
    if whole > bytes.len() || u32_at(bytes, 36) != salted.sum([&bytes[HEAD..whole], &[]]) {
        return Found::HeadOnly { serial };
    }
    let mut tag = [0; 4];
    tag.copy_from_slice(&bytes[0..4]);
    Found::Record(Record {
        serial,
        kind: Kind::from_tag(tag),
        number: RecordNumber(u64_at(bytes, 16)),
        content: &bytes[HEAD..HEAD + length],
        chain: u64_at(bytes, 24),
        bytes: &bytes[..whole],
    })
}

impl Record<'_> {
    /// Where the chain stands after this record, or what does not follow from `link`.
    pub(crate) fn follow(&self, link: Link) -> Result<Link, &'static str> {
        let Some(kind) = self.kind else {
            return Err("a record has an unknown kind");
        };
        let number = match kind {
            Kind::Data => link.last.next(),
            Kind::Checkpoint | Kind::Seal => link.last,
        };
        if self.number != number {
            return Err("a record has another number than the one that follows");
        }
        let chain = chain_after(link.chain, self.bytes, self.content.len() as u32);
        if self.serial != link.serial || self.chain != chain {
            return Err("a record does not follow the record before it");
        }
        Ok(Link {
            serial: link.serial + 1,
            last: number,
            chain,
        })
    }

    /// Bytes the record takes in its segment.
    pub(crate) fn space(&self) -> usize {
        self.bytes.len()
    }
}

/// The last block of a segment that another one follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Base serial of the segment the footer is in.
    pub(crate) base_serial: u64,
    /// Base serial of the segment that follows.
    pub(crate) next_serial: u64,
    /// Base chain of the segment that follows.
    pub(crate) next_chain: u64,
}

impl Footer {
    /// The block to write.
    pub(crate) fn encode(&self, salted: &Salted) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[0..8].copy_from_slice(&FOOTER_MAGIC);
        block[16..24].copy_from_slice(&self.base_serial.to_le_bytes());
        block[24..32].copy_from_slice(&self.next_serial.to_le_bytes());
        block[32..40].copy_from_slice(&self.next_chain.to_le_bytes());
        let sum = salted.sum([&block[0..8], &block[12..]]);
        block[8..12].copy_from_slice(&sum.to_le_bytes());
        block
    }

    /// Reads the last block of the segment with this base serial; `None` if it has no footer.
    pub(crate) fn decode(block: &[u8], salted: &Salted, base_serial: u64) -> Option<Footer> {
        let whole = block.len() == BLOCK
            && block[0..8] == FOOTER_MAGIC
            && u32_at(block, 8) == salted.sum([&block[0..8], &block[12..]]);
        let footer = Footer {
            base_serial: u64_at(block, 16),
            next_serial: u64_at(block, 24),
            next_chain: u64_at(block, 32),
        };
        // Another base serial: the file was recycled and still holds the footer of its last use.
        (whole && footer.base_serial == base_serial).then_some(footer)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
