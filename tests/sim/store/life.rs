//! A store under a script over simulated disk and table, and the ledger of what it said.

use std::collections::BTreeMap;

use stepwell_commit_log::{Log, LogOptions, StoreId};
use stepwell_core::Fence;
use stepwell_store::{Commit, CommitError, Durability, RunFilter, Seen, Ticket};
use stepwell_store_sled::{Core, OpenError, Options, found, scan};
use stepwell_testkit::disk::{SimDisk, SplitMix64};
use stepwell_testkit::scripts::Script;
use stepwell_testkit::wait::peek;

use super::table::SimTable;

mod rows;

/// One thing that happens to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Order the start of the next run.
    Start,
    /// Order the start of several runs, each with its event, in one commit.
    StartMany(usize),
    /// Order a step with an output of so many bytes, for the run picked by the first number.
    Step(u64, usize),
    /// Order the beginning of a wait, for the run picked by the number; or its end, if it waits.
    Wait(u64),
    /// Order the end, where it stands, of the run picked by the number.
    End(u64),
    /// The committer writes one group.
    Write,
    /// The applier settles one record.
    Settle,
    /// The checkpointer works; the committer writes its checkpoint with the next group.
    Checkpoint,
}

/// What was said about each run.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    runs: BTreeMap<u64, Account>,
    fence: u64,
}

#[derive(Debug, Clone)]
struct Account {
    /// Everything ordered.
    script: Script,
    /// Entries acknowledged.
    acknowledged: usize,
    /// Entries that may be there at most.
    possible: usize,
}

struct Asked {
    nths: Vec<u64>,
    count: usize,
    ticket: Ticket,
}

/// A store in its world.
pub(super) struct Life {
    pub(super) disk: SimDisk,
    pub(super) table: SimTable,
    pub(super) core: Option<Core<SimDisk, SimTable>>,
    pub(super) ledger: Ledger,
    asked: Vec<Asked>,
    options: Options,
    salt: u64,
}

/// Segments as small as they can be with records of 8 KiB.
pub(super) fn small_segments() -> Options {
    Options {
        log: LogOptions {
            segment_bytes: 32 << 10,
            max_record_bytes: 16 << 10,
        },
        overlay_keys: 8,
        ..Options::default()
    }
}

/// Room for a commit that takes several batches.
pub(super) fn large_segments() -> Options {
    Options {
        log: LogOptions {
            segment_bytes: 2 << 20,
            max_record_bytes: 1 << 20,
        },
        ..Options::default()
    }
}

impl Life {
    /// A store just made, durable and empty, not open yet.
    pub(super) fn new(options: Options, seed: u64) -> Self {
        let disk = SimDisk::new(seed);
        let table = SimTable::default();
        drop(Log::create(disk.clone(), options.log, StoreId([7; 16]), seed).unwrap());
        found(&table).unwrap();
        Self {
            disk: disk.kill(),
            table: table.kill(),
            core: None,
            ledger: Ledger::default(),
            asked: Vec::new(),
            options,
            salt: seed,
        }
    }

    /// Opens the store, and checks it against the ledger.
    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        self.salt = SplitMix64::new(self.salt ^ 0x5a17).draw();
        let scan = scan(&mut self.disk.clone(), &self.options)?;
        let options = self.options.clone();
        let core = Core::open(
            self.disk.clone(),
            &scan,
            self.table.clone(),
            options,
            self.salt,
        )?;
        assert!(core.fence().0 > self.ledger.fence, "fence did not grow");
        self.ledger.fence = core.fence().0;
        self.core = Some(core);
        Ok(())
    }

    /// Plays the moves; false once the store failed.
    pub(super) fn play(&mut self, moves: &[Move]) -> bool {
        for one in moves {
            self.make(*one);
            self.hear();
            if self.core().failure().is_some() {
                // Whatever still waits is told before the process leaves.
                self.core().step_commit();
                self.hear();
                assert!(self.asked.is_empty(), "a ticket was forgotten");
                return false;
            }
        }
        true
    }

    /// Writes everything ordered, so that every ticket resolves.
    pub(super) fn finish(&mut self) -> bool {
        while !self.asked.is_empty() && self.core().failure().is_none() {
            self.core().step_commit();
            self.hear();
        }
        self.play(&[]) && self.core().failure().is_none() && self.asked.is_empty()
    }

    /// Closes cleanly.
    pub(super) fn close(&mut self) -> Result<(), OpenError> {
        let core = self.core.take().unwrap();
        let closed = core.close(|_| Ok(Some(b"seal".to_vec())));
        self.hear();
        closed
    }

    /// The power goes.
    pub(super) fn cut_power(&mut self, seed: u64) {
        self.core = None;
        self.asked.clear();
        self.disk = self.disk.crash(seed);
        self.table = self.table.crash(seed ^ 0x7ab1e);
    }

    /// The process dies.
    pub(super) fn kill(&mut self) {
        self.core = None;
        self.asked.clear();
        self.disk = self.disk.kill();
        self.table = self.table.kill();
    }

    /// Compares the open store with the ledger: everything acknowledged is there, nothing half,
    /// nothing refused. Then the ledger takes what is there as given.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let core = self.core.as_ref().unwrap();
        let mut there = 0;
        for (nth, account) in &mut self.ledger.runs {
            let run = account.script.run();
            let journal = core.journal(run).map_err(|error| error.to_string())?;
            let ordered = account.script.entries();
            if !ordered.starts_with(&journal) {
                return Err(format!("run {nth} is not what was ordered"));
            }
            if journal.len() < account.acknowledged {
                return Err(format!(
                    "run {nth} has {} entries, {} were acknowledged",
                    journal.len(),
                    account.acknowledged
                ));
            }
            if journal.len() > account.possible {
                return Err(format!("run {nth} has entries that were refused"));
            }
            let event = core.look_event(&account.script.event());
            let event = event.map_err(|error| error.to_string())?.0;
            if event.is_some() == journal.is_empty() {
                return Err(format!("run {nth} and its event are not there together"));
            }
            while account.script.entries().len() > journal.len() {
                account.script.forget_last();
            }
            account.acknowledged = journal.len();
            account.possible = journal.len();
            there += u64::from(!journal.is_empty());
        }
        let scripts = self.ledger.runs.iter();
        rows::check(core, scripts.map(|(nth, account)| (*nth, &account.script)))?;
        let heads = core.runs(&RunFilter::default(), usize::MAX);
        let heads = heads.map_err(|error| error.to_string())?.len() as u64;
        let verified = core.verify().map_err(|error| error.to_string())?;
        if !verified.is_clean() || verified.runs != there || heads != there {
            return Err(format!("{there} runs, {heads} heads, {verified:?}"));
        }
        Ok(())
    }

    /// The open store.
    pub(super) fn core(&mut self) -> &mut Core<SimDisk, SimTable> {
        self.core.as_mut().unwrap()
    }

    fn make(&mut self, one: Move) {
        match one {
            Move::Start => self.start(1),
            Move::StartMany(count) => self.start(count),
            Move::Step(pick, bytes) => self.go_on(pick, |_, script, fence| {
                // A line that waits takes no step.
                rows::waited(script, fence).unwrap_or_else(|| script.step(fence, bytes))
            }),
            Move::Wait(pick) => self.go_on(pick, |nth, script, fence| {
                let begin = |script: &mut Script| script.wait_for(fence, &rows::awaited(nth));
                rows::waited(script, fence).unwrap_or_else(|| begin(script))
            }),
            Move::End(pick) => self.go_on(pick, |_, script, fence| script.kill(fence)),
            Move::Write => drop(self.core().step_commit()),
            Move::Settle => drop(self.core().step_apply()),
            Move::Checkpoint => drop(self.core().step_checkpoint()),
        }
    }

    fn start(&mut self, count: usize) {
        let fence = self.core().fence();
        let mut commit = Commit {
            fence,
            seen: Seen::OWNER,
            appends: Vec::new(),
            changes: Vec::new(),
        };
        let mut nths = Vec::new();
        for _ in 0..count {
            let nth = self.ledger.runs.len() as u64;
            let mut script = Script::new(nth);
            let part = script.start(fence, Seen::OWNER);
            commit.appends.extend(part.appends);
            commit.changes.extend(part.changes);
            commit.changes.extend(rows::beside(nth, &script));
            let account = Account {
                script,
                acknowledged: 0,
                possible: 1,
            };
            self.ledger.runs.insert(nth, account);
            nths.push(nth);
        }
        self.ask(&commit, nths, 1);
    }

    /// Orders what `next` makes of the run picked among those that go on.
    fn go_on(&mut self, pick: u64, next: impl FnOnce(u64, &mut Script, Fence) -> Commit) {
        let fence: Fence = self.core().fence();
        let open = self.ledger.runs.iter_mut();
        let open = open.filter(|(_, account)| rows::open(&account.script).is_some());
        let mut open: Vec<(&u64, &mut Account)> = open.collect();
        let count = open.len() as u64;
        let Some((nth, account)) =
            (pick.checked_rem(count)).and_then(|at| open.get_mut(at as usize))
        else {
            return;
        };
        let nth = **nth;
        let mut commit = next(nth, &mut account.script, fence);
        commit.changes.extend(rows::beside(nth, &account.script));
        let count = account.script.entries().len();
        // Behind a refused entry nothing is possible, however much is ordered.
        if account.possible + 1 == count {
            account.possible = count;
        }
        self.ask(&commit, vec![nth], count);
    }

    fn ask(&mut self, commit: &Commit, nths: Vec<u64>, count: usize) {
        let ticket = self.core().commit(commit);
        self.asked.push(Asked {
            nths,
            count,
            ticket,
        });
    }

    /// Notes what resolved tickets say.
    fn hear(&mut self) {
        for mut asked in std::mem::take(&mut self.asked) {
            let Some(told) = peek(&mut asked.ticket) else {
                self.asked.push(asked);
                continue;
            };
            for nth in asked.nths {
                let account = self.ledger.runs.get_mut(&nth).unwrap();
                match &told {
                    Ok(()) => account.acknowledged = account.acknowledged.max(asked.count),
                    Err(error) => account.note(error, asked.count),
                }
            }
        }
    }
}

impl Account {
    fn note(&mut self, error: &CommitError, count: usize) {
        match error.durability() {
            Durability::No => self.possible = self.possible.min(count - 1),
            Durability::Unknown => {}
        }
    }
}

/// A life drawn from a seed.
pub(super) fn drawn(seed: u64, length: usize) -> Vec<Move> {
    let mut random = SplitMix64::new(seed);
    let sizes = [2, 40, 300, 3_000, 4_060, 4_100, 9_000];
    let mut moves = vec![Move::Start, Move::Write];
    while moves.len() < length {
        let size = sizes[random.below(sizes.len() as u64) as usize];
        moves.push(match random.below(24) {
            0..2 => Move::Start,
            2 => Move::StartMany(1 + random.below(4) as usize),
            3..10 => Move::Step(random.draw(), size),
            10..14 => Move::Write,
            14..18 => Move::Settle,
            18..20 => Move::Checkpoint,
            20..23 => Move::Wait(random.draw()),
            _ => Move::End(random.draw()),
        });
    }
    moves
}
