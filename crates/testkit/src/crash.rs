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
/// the end of every run.
///
/// Every pass must come to the same outcomes as the calm one, record each result once, leave
/// journals that fold, and keep the scenario's invariants.
///
/// # Errors
/// The first pass that does not: at which write, what that write records, what broke, and the
/// journals in words.
pub fn crash_everywhere<O: 'static>(scenario: &Scenario<O>) -> Result<Survived, Broken> {
    let (calm, writes) = calm_pass(scenario)?;
    let mut passes = 1;
    for crash in Crash::ALL {
        for nth in 1.. {
            let plan = Plan {
                fault: Some((nth, crash.fault())),
                deliveries: calm_deliveries(scenario),
            };
            let passed = pass(scenario, &plan);
            passes += 1;
            let struck = passed.struck.as_ref().map(commit_in_words);
            let name = || format!("write {nth} of {writes}, {crash}");
            let about = match &struck {
                Some(words) => vec![format!("that write records: {words}")],
                None => Vec::new(),
            };
            let broken = |trouble| Broken::new(name(), about.clone(), trouble);
            compare(scenario, &calm, passed).map_err(broken)?;
            if struck.is_none() {
                break;
            }
            if nth >= WRITES_MAX {
                let what = format!("the scenario makes more than {WRITES_MAX} writes: shorten it");
                return Err(Broken::new(name(), Vec::new(), Trouble::early(what)));
            }
        }
    }
    Ok(Survived { writes, passes })
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
        fault: None,
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
