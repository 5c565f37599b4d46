//! Somebody who writes to a log and remembers what was acknowledged, and the check against it.

use stepwell_commit_log::{
    AppendError, Durable, Log, LogOptions, OpenError, RecordNumber, Scan, StoreId,
};
use stepwell_testkit::disk::{SimDisk, SplitMix64};

/// Small segments of six record blocks, so that a short script goes through many.
pub(crate) const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 32 << 10,
    max_record_bytes: 20 << 10,
};

pub(crate) const STORE: StoreId = StoreId(*b"the only store !");

/// One thing an author does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// Appends a record of this many bytes.
    Append(usize),
    /// Checkpoints all but this many of the last records.
    Checkpoint(u64),
    /// Drops the log, as a crash would, and opens it again.
    Reopen,
    /// Seals the log and opens it again.
    Seal,
}

/// What the author was told, and may hold the log to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Whether the creation of the log returned.
    pub(crate) created: bool,
    /// Every acknowledged record; number 1 comes first.
    pub(crate) records: Vec<Vec<u8>>,
    /// The record of which nobody knows.
    pub(crate) unknown: Option<Vec<u8>>,
    /// The last acknowledged checkpoint.
    pub(crate) settled: u64,
    /// The checkpoint of which nobody knows.
    pub(crate) settled_unknown: Option<u64>,
    /// The last opening that returned.
    pub(crate) opening: u64,
}

/// Why an author stopped.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Opening or creating failed.
    Open(OpenError),
    /// Appending, checkpointing or sealing failed.
    Write(AppendError),
}

impl Stopped {
    /// No crash and no refused operation may ever look like damage.
    pub(crate) fn refuse_corruption(&self) {
        if let Stopped::Open(error @ OpenError::Corrupt { .. }) = self {
            panic!("taken for damage: {error}");
        }
    }
}

/// An author at work.
pub(crate) struct Author {
    pub(crate) disk: SimDisk,
    /// `None` before the first opening and after one that failed.
    pub(crate) log: Option<Log<SimDisk>>,
    pub(crate) ledger: Ledger,
    salts: SplitMix64,
}

/// The bytes of a record: other ones for each number and length.
pub(crate) fn content(number: u64, length: usize) -> Vec<u8> {
    let mut random = SplitMix64::new(number << 32 | length as u64);
    let mut bytes: Vec<u8> = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.draw().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn state_of(settled: u64) -> Vec<u8> {
    format!("settled up to {settled}").into_bytes()
}

impl Author {
    /// Somebody who has not created a log yet.
    pub(crate) fn new(disk: SimDisk, seed: u64) -> Author {
        Author {
            disk,
            log: None,
            ledger: Ledger::default(),
            salts: SplitMix64::new(seed),
        }
    }

    /// Somebody who goes on with what another one was told.
    pub(crate) fn going_on(disk: SimDisk, ledger: Ledger, seed: u64) -> Author {
        Author {
            ledger,
            ..Author::new(disk, seed)
        }
    }

    /// Somebody with a log that holds what the script says.
    pub(crate) fn after(seed: u64, script: &[Move]) -> Author {
        let mut author = Author::new(SimDisk::new(seed), seed);
        author.play(script).expect("play without faults");
        author
    }

    /// Creates the log and does everything in the script, or stops at the first error.
    pub(crate) fn play(&mut self, script: &[Move]) -> Result<(), Stopped> {
        self.create().map_err(Stopped::Open)?;
        script.iter().try_for_each(|&next| self.make(next))
    }

    pub(crate) fn create(&mut self) -> Result<(), OpenError> {
        let salt = self.salts.draw();
        let log = Log::create(self.disk.clone(), OPTIONS, STORE, salt)?;
        self.ledger.created = true;
        self.ledger.opening = log.opening();
        self.log = Some(log);
        Ok(())
    }

    pub(crate) fn make(&mut self, next: Move) -> Result<(), Stopped> {
        match next {
            Move::Append(length) => self.append(length).map_err(Stopped::Write),
            Move::Checkpoint(behind) => self.checkpoint(behind).map_err(Stopped::Write),
            Move::Reopen => self.reopen().map_err(Stopped::Open),
            Move::Seal => {
                let log = self.log.take().expect("an open log");
                log.seal(b"sealed").map_err(Stopped::Write)?;
                self.reopen().map_err(Stopped::Open)
            }
        }
    }

    pub(crate) fn append(&mut self, length: usize) -> Result<(), AppendError> {
        let record = content(self.ledger.records.len() as u64 + 1, length);
        let log = self.log.as_mut().expect("an open log");
        let (left, right) = record.split_at(length / 2);
        match log.append(&[left, right]) {
            Ok(number) => {
                self.ledger.records.push(record);
                assert_eq!(number.0, self.ledger.records.len() as u64);
                Ok(())
            }
            Err(error) => {
                let last = self.ledger.records.len() as u64;
                assert_eq!(log.last().0, last, "a record counts before it is durable");
                if error.durable() == Durable::Unknown {
                    self.ledger.unknown = Some(record);
                    let again = log.append(&[b"more"]);
                    assert!(matches!(again, Err(AppendError::Poisoned)), "{again:?}");
                }
                Err(error)
            }
        }
    }

    pub(crate) fn checkpoint(&mut self, behind: u64) -> Result<(), AppendError> {
        let log = self.log.as_mut().expect("an open log");
        let settled = log.last().0.saturating_sub(behind).max(log.settled().0);
        let outcome = log.checkpoint(RecordNumber(settled), &state_of(settled));
        match &outcome {
            Ok(()) => self.ledger.settled = settled,
            Err(error) if error.durable() == Durable::Unknown => {
                self.ledger.settled_unknown = Some(settled);
            }
            Err(_) => {}
        }
        outcome
    }

    /// Drops the log and opens it again; creates it if that was never acknowledged.
    pub(crate) fn reopen(&mut self) -> Result<(), OpenError> {
        self.log = None;
        let changes = self.disk.changes();
        let scan = match Log::scan(&mut self.disk, &OPTIONS) {
            Err(OpenError::Missing) if !self.ledger.created => return self.create(),
            scan => scan?,
        };
        assert_eq!(changes, self.disk.changes(), "a scan changed something");
        if let Err(what) = self.ledger.check(&scan) {
            panic!("{what}; {:?} from {:?}", scan.segments, self.ledger);
        }
        let salt = self.salts.draw();
        let log = Log::take_over(self.disk.clone(), OPTIONS, &scan, salt)?;
        assert!(log.opening() > scan.opening, "an opening came back");
        assert!(log.opening() > self.ledger.opening, "an opening came back");
        assert_eq!(log.last(), scan.last);
        let names = self.disk.names();
        let unfinished = names.iter().find(|name| name.ends_with(".fresh"));
        assert_eq!(unfinished, None, "an unfinished file was left behind");
        self.ledger.adopt(&scan, log.opening());
        self.log = Some(log);
        Ok(())
    }
}

impl Ledger {
    /// Whether the log holds what was acknowledged, and nothing that was never given to it.
    pub(crate) fn check(&self, scan: &Scan) -> Result<(), String> {
        let acknowledged = self.records.len() as u64;
        let possible = acknowledged + u64::from(self.unknown.is_some());
        if !(acknowledged..=possible).contains(&scan.last.0) {
            return Err(format!("ends at {}, expected {acknowledged}", scan.last));
        }
        if scan.store != STORE || scan.opening < self.opening {
            return Err(format!("opening {} of store {}", scan.opening, scan.store));
        }
        let settled = scan.checkpoint.as_ref().map_or(0, |c| c.settled.0);
        if settled != self.settled && Some(settled) != self.settled_unknown {
            return Err(format!("settled {settled}, expected {}", self.settled));
        }
        if let Some(checkpoint) = &scan.checkpoint
            && checkpoint.state != state_of(settled)
        {
            return Err(format!("a wrong state with checkpoint {settled}"));
        }
        let expected = self.records.iter().chain(&self.unknown);
        let expected: Vec<(RecordNumber, Vec<u8>)> = expected
            .enumerate()
            .map(|(at, record)| (RecordNumber(at as u64 + 1), record.clone()))
            .filter(|(number, _)| number.0 > settled && *number <= scan.last)
            .collect();
        if scan.tail != expected {
            return Err("wrong bytes".to_owned());
        }
        Ok(())
    }

    /// What an opening has read and rewritten is from then on as good as acknowledged.
    fn adopt(&mut self, scan: &Scan, opening: u64) {
        if scan.last.0 > self.records.len() as u64 {
            self.records.extend(self.unknown.take());
        }
        self.unknown = None;
        self.settled = scan.checkpoint.as_ref().map_or(0, |c| c.settled.0);
        self.settled_unknown = None;
        self.created = true;
        self.opening = opening;
    }
}
