//! Workflows on the wire.

use serde::{Deserialize, Serialize};
use stepwell::Workflow;

/// A workflow the engine knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowJson {
    /// Its name.
    pub name: String,
    /// The version of its code.
    pub version: u32,
    /// The name of the event that starts it.
    pub event: Option<String>,
    /// Retries of each step, unless a step says otherwise; `null` for the engine's own default.
    pub retries: Option<u32>,
    /// The steps its code spells out, in the order they stand there.
    pub steps: Vec<String>,
}

impl From<&dyn Workflow> for WorkflowJson {
    fn from(workflow: &dyn Workflow) -> Self {
        Self {
            name: workflow.name().to_owned(),
            version: workflow.version(),
            event: workflow.trigger().map(str::to_owned),
            retries: workflow.retries(),
            steps: workflow
                .steps()
                .iter()
                .map(|step| (*step).to_owned())
                .collect(),
        }
    }
}
