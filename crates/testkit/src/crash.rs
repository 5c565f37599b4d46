//! [`crash_everywhere`]: a scenario once for every write of the engine, with a crash there.

use std::fmt;

use stepwell_store::CommitError;

use crate::faulty::CommitFault;
use crate::in_words::commit_in_words;
use crate::pass::{Passed, Plan, Trouble, calm_deliveries, difference, pass};
use crate::report::{Broken, Survived};
use crate::scenario::{End, Scenario};

/// The most writes a scenario may make: more is one that never comes to an end.
const WRITES_MAX: u64 = 10_000;

/// What befalls a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The engine dies before it is durable.
    Before,
    /// The engine dies after it is durable and before anybody is told.
    After,
    /// The store refuses it, once; the engine lives.
    Refused,
}

impl Crash {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Before, Self::After, Self::Refused];

    fn fault(self) -> CommitFault {
        match self {
            Self::Before => CommitFault::Lose,
            Self::After => CommitFault::KeepUntold,
            Self::Refused => CommitFault::Refuse(CommitError::Stale),
        }
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "with a crash before it: it is lost",
            Self::After => "with a crash after it: it is kept, and nobody was told",
            Self::Refused => "which the store refuses, once",
        })
    }
}

/// Plays `scenario` once for every write of the engine and each [`Crash`] there. After a crash
/// another engine opens over what is left, and the scenario is played again from its beginning, to
/// the end of every run. [`CrashEverywhere`] has settings.
///
/// Every pass must come to the same outcomes as the calm one, record each result once, leave
/// journals that fold, and keep the scenario's invariants.
///
/// # Errors
/// The first pass that does not: at which write, what that write records, what broke, and the
/// journals in words.
pub fn crash_everywhere<O: 'static>(scenario: &Scenario<O>) -> Result<Survived, Broken> {
    CrashEverywhere::of(scenario).check()
}

/// Crashes at every write, with settings.
#[derive(Debug)]
#[must_use = "nothing crashes until it is checked"]
pub struct CrashEverywhere<'a, O> {
    scenario: &'a Scenario<O>,
    only: Option<(u64, Crash)>,
    twice: bool,
}

/// Where a pass crashes: at which write of the first engine, then of the one behind the crash.
type Crashes = Vec<(u64, Crash)>;

impl<'a, O: 'static> CrashEverywhere<'a, O> {
    /// In `scenario`.
    pub fn of(scenario: &'a Scenario<O>) -> Self {
        Self {
            scenario,
            only: None,
            twice: false,
        }
    }

    /// The one pass that crashes so at this write, from 1, as a report names it.
    pub fn only(mut self, write: u64, crash: Crash) -> Self {
        self.only = Some((write, crash));
        self
    }

    /// Behind each crash, another one at every write of the engine that opened then: as many passes
    /// as pairs of writes.
    pub fn twice(mut self) -> Self {
        self.twice = true;
        self
    }

    /// Plays it; see [`crash_everywhere`].
    ///
    /// # Errors
    /// See [`crash_everywhere`].
    pub fn check(self) -> Result<Survived, Broken> {
        let (calm, writes) = calm_pass(self.scenario)?;
        let mut sweep = Sweep {
            scenario: self.scenario,
            calm,
            writes,
            passes: 1,
        };
        match self.only {
            Some((write, crash)) => {
                sweep.crash_at(&vec![(write, crash)])?;
            }
            None => sweep.crash_at_every_write(&Vec::new(), self.twice)?,
        }
        Ok(Survived {
            writes,
            passes: sweep.passes,
        })
    }
}

/// The passes made so far, and what each is compared with.
struct Sweep<'a, O> {
    scenario: &'a Scenario<O>,
    calm: End,
    writes: u64,
    passes: u64,
}

impl<O: 'static> Sweep<'_, O> {
    /// Crashes at every write behind the crashes `before`, and once more behind each if `again`.
    fn crash_at_every_write(&mut self, before: &Crashes, again: bool) -> Result<(), Broken> {
        for crash in Crash::ALL {
            for nth in 1.. {
                let mut crashes = before.clone();
                crashes.push((nth, crash));
                if self.crash_at(&crashes)? < crashes.len() {
                    break;
                }
                if nth >= WRITES_MAX {
                    let what =
                        format!("more than {WRITES_MAX} writes are made: shorten the scenario");
                    let trouble = Trouble::early(what);
                    return Err(Broken::new(self.name(&crashes), Vec::new(), trouble));
                }
                // Nothing opens behind a refusal that the engine survives.
                if again && crash != Crash::Refused {
                    self.crash_at_every_write(&crashes, false)?;
                }
            }
        }
        Ok(())
    }

    /// One pass; how many of the crashes came about.
    fn crash_at(&mut self, crashes: &Crashes) -> Result<usize, Broken> {
        let faults = crashes.iter().map(|(nth, crash)| (*nth, crash.fault()));
        let plan = Plan {
            faults: faults.collect(),
            deliveries: calm_deliveries(self.scenario),
        };
        let passed = pass(self.scenario, &plan);
        self.passes += 1;
        let struck = passed.struck.len();
        let about = passed.struck.iter().map(commit_in_words);
        let about: Vec<_> = about
            .map(|words| format!("that write records: {words}"))
            .collect();
        match compare(self.scenario, &self.calm, passed) {
            Ok(()) => Ok(struck),
            Err(trouble) => Err(Broken::new(self.name(crashes), about, trouble)),
        }
    }

    fn name(&self, crashes: &Crashes) -> String {
        let mut crashes = crashes.iter();
        let first = crashes.next();
        let mut name = first.map_or_else(String::new, |(nth, crash)| {
            format!("write {nth} of {}, {crash}", self.writes)
        });
        for (nth, crash) in crashes {
            name.push_str(&format!("; then write {nth} of the next engine, {crash}"));
        }
        name
    }
}

/// The pass in which nothing goes wrong, which every other is compared with.
pub(crate) fn calm_pass<O: 'static>(scenario: &Scenario<O>) -> Result<(End, u64), Broken> {
    let broken = |trouble| {
        Broken::new(
            "the calm pass, in which nothing goes wrong",
            vec![],
            trouble,
        )
    };
    if let Some(wrong) = &scenario.wrong {
        return Err(broken(Trouble::early(wrong)));
    }
    let plan = Plan {
        faults: Vec::new(),
        deliveries: calm_deliveries(scenario),
    };
    let Passed { end, writes, .. } = pass(scenario, &plan);
    Ok((end.map_err(broken)?, writes))
}

/// Whether a pass came to the same end as the calm one.
pub(crate) fn compare<O>(
    scenario: &Scenario<O>,
    calm: &End,
    passed: Passed,
) -> Result<(), Trouble> {
    let end = passed.end?;
    match difference(scenario, calm, &end) {
        None => Ok(()),
        Some(what) => Err(Trouble::over(what, &end.journals)),
    }
}
