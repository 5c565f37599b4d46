//! [`Step::patched`]: changing the code of runs that are under way.

use std::future::pending;
use std::sync::Arc;

use stepwell_core::run::{Command, Reply};

use crate::step::Step;

impl Step {
    /// Whether the change `patch` applies to this run: for code that must differ from what runs
    /// under way were begun with, without a version of its own.
    ///
    /// A run that comes here at the end of its journal takes the change, which is recorded, and has
    /// it from there on; one whose journal goes on behind this place was written without it and is
    /// told `false` on every replay. On one line of a run the answer is the same at every call, and
    /// branches have the answer their line was given before they began. The question takes no
    /// place among the steps: once no run without the change is left, the question and the old way
    /// can be deleted.
    ///
    /// ```
    /// use stepwell::{Attempt, Error, Step};
    ///
    /// async fn ship(step: &mut Step) -> Result<(), Error> {
    ///     if step.patched("weigh-before-shipping").await {
    ///         step.run("weigh", async |_: &Attempt| Ok(())).await?;
    ///     }
    ///     step.run("call-carrier", async |_: &Attempt| Ok(())).await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn patched(&mut self, patch: &str) -> bool {
        if let Some(known) = self.answered(patch) {
            return known;
        }
        let ask = Command::Patch {
            branch: Arc::clone(self.branch()),
            patch: patch.to_owned(),
            position: self.passed(),
        };
        match self.host().ask(ask) {
            Reply::Patched(applies) => {
                self.answer(patch, applies);
                applies
            }
            // The host lets go of the run, or of this line of it.
            Reply::Recorded(_)
            | Reply::Execute { .. }
            | Reply::Park { .. }
            | Reply::Wait { .. }
            | Reply::Judge { .. }
            | Reply::Fork { .. }
            | Reply::Hold
            | Reply::Stop
            | Reply::Accepted => pending().await,
        }
    }
}
