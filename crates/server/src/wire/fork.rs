//! Forks of runs on the wire.

use serde::{Deserialize, Serialize};
use stepwell_core::StepAddress;
use stepwell_core::run::Again;
use stepwell_engine::{ForkAsk, Forked};

use super::step_kind::StepJsonKind;

/// What forking a run comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkJson {
    /// The run forked.
    pub forked: String,
    /// The first step that is done anew.
    pub from: String,
    /// The new run; `null` for a dry run.
    pub run: Option<String>,
    /// The version of the code it begins with.
    pub version: u32,
    /// The steps whose results it has.
    pub keeps: Vec<String>,
    /// The steps that are done anew, as the run forked did them; its code may come to others.
    pub again: Vec<AgainJson>,
}

/// A step that is done anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgainJson {
    /// The step.
    pub step: String,
    /// What kind of call it is.
    pub kind: StepJsonKind,
    /// Whether its effect is there, and would be there a second time.
    pub effect: bool,
    /// The database that holds the effect, for a transaction.
    pub database: Option<String>,
}

impl ForkJson {
    /// What `forked` says of `ask`.
    #[must_use]
    pub fn of(ask: &ForkAsk, forked: Forked) -> Self {
        Self {
            forked: ask.run.to_string(),
            from: ask.step.to_string(),
            run: forked.run.map(|run| run.to_string()),
            version: forked.version,
            keeps: forked.keeps.iter().map(StepAddress::to_string).collect(),
            again: forked.again.into_iter().map(AgainJson::from).collect(),
        }
    }
}

impl From<Again> for AgainJson {
    fn from(again: Again) -> Self {
        let kind = StepJsonKind::from(again.kind);
        Self {
            step: again.step.to_string(),
            kind,
            effect: again.succeeded && kind.has_effect(),
            database: again.database,
        }
    }
}

#[cfg(test)]
mod tests {
    use stepwell_core::StepKind;

    use super::*;

    #[test]
    fn only_what_others_see_is_an_effect_that_is_there() {
        let again = |kind, succeeded| {
            AgainJson::from(Again {
                step: "pay".parse().unwrap(),
                kind,
                succeeded,
                database: None,
            })
        };
        assert!(again(StepKind::Run, true).effect);
        assert!(again(StepKind::Start, true).effect);
        assert!(!again(StepKind::Run, false).effect);
        assert!(!again(StepKind::Now, true).effect);
        assert!(!again(StepKind::Scope, true).effect);
    }
}
