//! Marks of what is in flight: one slot a driven run, written without a sync.
//!
//! A plain write survives the death of the process, which is what marks are for; after a power cut
//! they may be old or torn, and then say nothing (checksum) or something the journal has moved past
//! (`core` ignores stale marks). Slots are 512 bytes so that one never crosses a page:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | CRC-32 of 4..512, little-endian like all numbers here |
//! | 4 | layout version, 1 |
//! | 5 | 1 when the run was driven alone |
//! | 6 | kind of step, or 0 for workflow code between steps |
//! | 8..24 | run |
//! | 24..32 | number of the run's next entry |
//! | 32..36 | attempt |
//! | 36..40 | which use of the name |
//! | 40..42, 42..44 | lengths of branch and name |
//! | 44.. | branch, name |

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use stepwell_core::run::Mark;
use stepwell_core::{RunId, Seq, StepAddress, StepKind};

const SLOT_BYTES: usize = 512;
const TEXT_AT: usize = 44;
const VERSION: u8 = 1;
/// The kinds of step whose bodies are marked, in the order of their numbers from 1.
const KINDS: [StepKind; 6] = [
    StepKind::Run,
    StepKind::Transaction,
    StepKind::Now,
    StepKind::Random,
    StepKind::Ulid,
    StepKind::Undo,
];

/// The open file of marks.
#[derive(Debug, Clone)]
pub(crate) struct Marks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<u64>,
    made: u64,
}

/// The place of one driven run; free for the next run when dropped.
///
/// Dropped only once everything the run did in it is durable, so a mark is never overwritten while
/// it still says something the journal does not.
#[derive(Debug)]
pub(crate) struct Slot {
    marks: Arc<Shared>,
    number: u64,
}

impl Marks {
    /// Opens the file and reads what it says of the last opening.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<(RunId, Mark)>)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut found = Vec::new();
        let length = file.metadata()?.len();
        let mut slot = [0; SLOT_BYTES];
        for at in (0..length).step_by(SLOT_BYTES) {
            match file.read_exact_at(&mut slot, at) {
                Ok(()) => found.extend(decode(&slot)),
                // A file cut short by a power loss ends in no slot.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
        }
        Ok((
            Self(Arc::new(Shared {
                file,
                slots: Mutex::default(),
            })),
            found,
        ))
    }

    /// Forgets what the last opening said: called once its recoveries are durable.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.0.file.set_len(0)
    }

    /// A free slot.
    pub(crate) fn slot(&self) -> Slot {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let number = slots.free.pop().unwrap_or_else(|| {
            let number = slots.made;
            slots.made = number.saturating_add(1);
            number
        });
        Slot {
            marks: Arc::clone(&self.0),
            number,
        }
    }
}

impl Slot {
    /// Overwrites the slot. A failure is reported and otherwise ignored: marks make attempts
    /// honest and poison visible, no promise rests on them.
    pub(crate) fn write(&self, run: RunId, mark: &Mark) {
        let at = self.number.saturating_mul(SLOT_BYTES as u64);
        if let Err(error) = self.marks.file.write_all_at(&encode(run, mark), at) {
            tracing::warn!(%run, %error, "attempt could not be marked as in flight");
        }
    }
}

impl Slot {
    /// Says nothing any more. A failure is ignored: the mark is then stale or counts an attempt.
    pub(crate) fn erase(&self) {
        let at = self.number.saturating_mul(SLOT_BYTES as u64);
        if let Err(error) = self.marks.file.write_all_at(&[0; SLOT_BYTES], at) {
            tracing::debug!(%error, "mark could not be taken back");
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self
            .marks
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slots.free.push(self.number);
    }
}

fn encode(run: RunId, mark: &Mark) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[4] = VERSION;
    slot[5] = u8::from(mark.alone);
    slot[8..24].copy_from_slice(&run.to_bytes());
    slot[24..32].copy_from_slice(&mark.seq.0.to_le_bytes());
    slot[32..36].copy_from_slice(&mark.attempt.to_le_bytes());
    if let Some((address, kind)) = &mark.step {
        let (branch, name) = (address.branch.as_bytes(), address.name.as_bytes());
        let name_at = TEXT_AT + branch.len();
        let end = name_at + name.len();
        // An address too long for a slot leaves a mark of the run alone.
        if let (true, Ok(branch_length), Ok(name_length)) = (
            end <= SLOT_BYTES,
            u16::try_from(branch.len()),
            u16::try_from(name.len()),
        ) {
            slot[6] = kind_number(*kind);
            slot[36..40].copy_from_slice(&address.nth.to_le_bytes());
            slot[40..42].copy_from_slice(&branch_length.to_le_bytes());
            slot[42..44].copy_from_slice(&name_length.to_le_bytes());
            slot[TEXT_AT..name_at].copy_from_slice(branch);
            slot[name_at..end].copy_from_slice(name);
        }
    }
    let checksum = crc32fast::hash(&slot[4..]);
    slot[..4].copy_from_slice(&checksum.to_le_bytes());
    slot
}

fn kind_number(kind: StepKind) -> u8 {
    KINDS
        .iter()
        .zip(1..)
        .find(|(known, _)| **known == kind)
        .map_or(0, |(_, number)| number)
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<(RunId, Mark)> {
    let number = |at: usize| Some(u32::from_le_bytes(slot.get(at..at + 4)?.try_into().ok()?));
    let length = |at: usize| {
        Some(usize::from(u16::from_le_bytes(
            slot.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    if number(0)? != crc32fast::hash(&slot[4..]) || slot[4] != VERSION {
        return None;
    }
    let run = RunId::from_bytes(slot[8..24].try_into().ok()?);
    let seq = Seq(u64::from_le_bytes(slot[24..32].try_into().ok()?));
    let step = match slot[6] {
        0 => None,
        kind => {
            let kind = *KINDS.get(usize::from(kind) - 1)?;
            let name_at = TEXT_AT + length(40)?;
            let branch = std::str::from_utf8(slot.get(TEXT_AT..name_at)?).ok()?;
            let name = std::str::from_utf8(slot.get(name_at..name_at + length(42)?)?).ok()?;
            let nth = number(36)?;
            Some((
                StepAddress {
                    branch: branch.into(),
                    name: name.into(),
                    nth,
                },
                kind,
            ))
        }
    };
    Some((
        run,
        Mark {
            step,
            attempt: number(32)?,
            seq,
            alone: slot[5] == 1,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        let step = StepAddress::root("reserve-inventory", 2).unwrap();
        let step = Some((step, StepKind::Transaction));
        Mark {
            step,
            attempt: 3,
            seq: Seq(7),
            alone: true,
        }
    }

    #[test]
    fn a_mark_reads_back_as_written() {
        let run = RunId::from_bytes([5; 16]);
        assert_eq!(decode(&encode(run, &mark())), Some((run, mark())));
        let code = Mark {
            step: None,
            ..mark()
        };
        assert_eq!(decode(&encode(run, &code)), Some((run, code)));
    }

    #[test]
    fn a_torn_mark_says_nothing() {
        let slot = encode(RunId::from_bytes([5; 16]), &mark());
        for byte in 0..SLOT_BYTES {
            let mut torn = slot;
            torn[byte] ^= 0x40;
            assert_eq!(decode(&torn), None, "byte {byte}");
        }
        assert_eq!(decode(&[0; SLOT_BYTES]), None);
    }

    #[test]
    fn marks_outlive_the_file_handle_and_slots_are_reused() {
        let path = std::env::temp_dir().join(format!("stepwell-marks-{}", std::process::id()));
        let run = RunId::from_bytes([6; 16]);
        let (marks, found) = Marks::open(&path).unwrap();
        assert!(found.is_empty());
        let slot = marks.slot();
        slot.write(run, &mark());
        drop(slot);
        assert_eq!(marks.slot().number, 0);
        drop(marks);
        let (marks, found) = Marks::open(&path).unwrap();
        assert_eq!(found, [(run, mark())]);
        marks.clear().unwrap();
        assert!(Marks::open(&path).unwrap().1.is_empty());
        std::fs::remove_file(&path).unwrap();
    }
}
