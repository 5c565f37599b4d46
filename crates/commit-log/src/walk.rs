//! Following the chain through the segments of one opening, and telling its end from damage.

use crate::error::OpenError;
use crate::format::{
    BLOCK, Footer, Found, Kind, Link, Origin, Record, Salted, SegmentHeader, read_record,
};
use crate::name::{FileName, Files};
use crate::scan::{Scan, SegmentReport};
use crate::types::{Checkpoint, RecordNumber};

/// What has been read so far.
pub(crate) struct Walk {
    origin: Origin,
    salted: Salted,
    /// Where the chain stands; moves with every record.
    link: Link,
    checkpoint: Option<Checkpoint>,
    /// The last record's state if it is a seal.
    seal: Option<Vec<u8>>,
    /// Data records after the last checkpoint's settled one.
    tail: Vec<(RecordNumber, Vec<u8>)>,
    segments: Vec<SegmentReport>,
    /// Set by the last segment.
    torn_tail: bool,
    /// What is missing before the oldest record that has followed without a gap, and that
    /// record's number. Fine if a later checkpoint says that nothing before it is needed.
    gap: (OpenError, RecordNumber),
}

impl Walk {
    /// Starts at the oldest segment there is.
    pub(crate) fn new(oldest: &SegmentHeader) -> Walk {
        Walk {
            origin: oldest.origin,
            salted: oldest.origin.salted(),
            link: oldest.base,
            checkpoint: None,
            seal: None,
            tail: Vec::new(),
            segments: Vec::new(),
            torn_tail: false,
            gap: gap(segment_name(oldest), 0, oldest.base.last, "before"),
        }
    }

    /// Reads one segment, whose `bytes` follow the segment read before; `next` comes after it.
    pub(crate) fn segment(
        &mut self,
        name: FileName,
        header: &SegmentHeader,
        bytes: &[u8],
        next: Option<&SegmentHeader>,
    ) -> Result<(), OpenError> {
        let (space, footer) = bytes.split_at(bytes.len() - BLOCK);
        self.link = header.base;
        let mut offset = BLOCK;
        let mut records = 0;
        while offset < space.len() {
            let Found::Record(record) = read_record(&space[offset..], &self.salted) else {
                break;
            };
            if record.serial < self.link.serial {
                break;
            }
            self.record(&record)
                .map_err(|what| damage(name, offset, what))?;
            records += u64::from(record.kind == Some(Kind::Data));
            offset += record.space();
        }
        self.refuse_later_record(name, space, offset)?;
        self.segments.push(SegmentReport {
            file: name.to_string(),
            first: header.base.last.next(),
            records,
            bytes_used: offset as u64,
            bytes: header.segment_bytes,
        });
        let footer = Footer::decode(footer, &self.salted, header.base.serial);
        self.check_footer(name, offset, footer, next)?;
        match next {
            Some(next) => self.step_over(name, offset, next),
            None => {
                self.torn_tail = matches!(
                    read_record(&space[offset..], &self.salted),
                    Found::HeadOnly { serial } if serial == self.link.serial
                );
                Ok(())
            }
        }
    }

    /// Takes in one record, or says what about it cannot be.
    fn record(&mut self, record: &Record<'_>) -> Result<(), &'static str> {
        let link = record.follow(self.link)?;
        if self.seal.is_some() {
            return Err("a record follows the seal");
        }
        match record.kind {
            Some(Kind::Data) => self.tail.push((record.number, record.content.to_vec())),
            Some(Kind::Checkpoint) => self.take_checkpoint(record.content, link.last)?,
            Some(Kind::Seal) => self.seal = Some(record.content.to_vec()),
            None => return Err("a record has an unknown kind"),
        }
        self.link = link;
        Ok(())
    }

    fn take_checkpoint(&mut self, content: &[u8], last: RecordNumber) -> Result<(), &'static str> {
        let Some((settled, state)) = content.split_first_chunk::<8>() else {
            return Err("a checkpoint is shorter than a record number");
        };
        let settled = RecordNumber(u64::from_le_bytes(*settled));
        let least = self
            .checkpoint
            .as_ref()
            .map_or(RecordNumber(0), |c| c.settled);
        if !(least..=last).contains(&settled) {
            return Err("a checkpoint is out of range");
        }
        let done = self.tail.partition_point(|(number, _)| *number <= settled);
        self.tail.drain(..done);
        self.checkpoint = Some(Checkpoint {
            settled,
            state: state.to_vec(),
        });
        Ok(())
    }

    /// Where the chain stops, nothing that follows may still be a record of this opening: writes
    /// are in order, one sync after the other, so what stopped the chain would be damage.
    fn refuse_later_record(
        &self,
        name: FileName,
        space: &[u8],
        stopped: usize,
    ) -> Result<(), OpenError> {
        for at in (stopped..space.len()).step_by(BLOCK) {
            let later = match read_record(&space[at..], &self.salted) {
                Found::Record(record) => record.serial >= self.link.serial,
                Found::HeadOnly { serial } => serial > self.link.serial,
                Found::Nothing => false,
            };
            if later {
                let what = format!(
                    "expected the record after {}, and a later one is at byte {at}",
                    self.link.last
                );
                return Err(damage(name, stopped, what));
            }
        }
        Ok(())
    }

    fn check_footer(
        &self,
        name: FileName,
        offset: usize,
        footer: Option<Footer>,
        next: Option<&SegmentHeader>,
    ) -> Result<(), OpenError> {
        let Some(footer) = footer else {
            return Ok(());
        };
        if (footer.next_serial, footer.next_chain) != (self.link.serial, self.link.chain) {
            let what = format!(
                "expected the record after {}, and the footer tells of more records",
                self.link.last
            );
            return Err(damage(name, offset, what));
        }
        if next.is_none() {
            let follows = FileName::Segment {
                opening: self.origin.opening,
                serial: footer.next_serial,
            };
            return Err(damage(
                name,
                offset,
                format!("{follows} follows, and is missing"),
            ));
        }
        Ok(())
    }

    /// Goes from the end of a segment to the one that comes after it.
    fn step_over(
        &mut self,
        name: FileName,
        offset: usize,
        next: &SegmentHeader,
    ) -> Result<(), OpenError> {
        if next.base == self.link {
            return Ok(());
        }
        if next.base.serial <= self.link.serial || next.base.last < self.link.last {
            let what = "it does not follow the segment before it";
            return Err(damage(segment_name(next), 0, what));
        }
        // A crash while segments were recycled may leave any of them. Those below the checkpoint
        // are not needed; whether these are shows at the end.
        self.gap = gap(name, offset, next.base.last, "after");
        self.seal = None;
        Ok(())
    }

    /// Ends the walk after the last segment.
    pub(crate) fn finish(mut self, files: Files) -> Result<Scan, OpenError> {
        let settled = self
            .checkpoint
            .as_ref()
            .map_or(RecordNumber(0), |c| c.settled);
        let (missing, oldest) = self.gap;
        if oldest > settled.next() {
            return Err(missing);
        }
        self.tail.shrink_to_fit();
        Ok(Scan {
            store: self.origin.store,
            opening: self.origin.opening,
            checkpoint: self.checkpoint,
            seal: self.seal,
            tail: self.tail,
            last: self.link.last,
            segments: self.segments,
            torn_tail: self.torn_tail,
            link: self.link,
            files,
        })
    }
}

/// Records up to `last` are not there, on one `side` of this place; the number of the next that
/// is, and the error if they are needed.
fn gap(name: FileName, offset: usize, last: RecordNumber, side: &str) -> (OpenError, RecordNumber) {
    let what = format!("the segments {side} this point, with records up to {last}, are missing");
    (damage(name, offset, what), last.next())
}

fn segment_name(header: &SegmentHeader) -> FileName {
    FileName::Segment {
        opening: header.origin.opening,
        serial: header.base.serial,
    }
}

fn damage(name: FileName, offset: usize, what: impl Into<String>) -> OpenError {
    OpenError::Corrupt {
        file: name.to_string(),
        offset: offset as u64,
        what: what.into(),
    }
}
