//! Commands of the binary beside the engine, run to their end.

use anyhow::{Context as _, Result};

use super::site::Site;

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its output.
    pub(crate) stdout: String,
    /// Its talk.
    pub(crate) stderr: String,
}

impl Said {
    /// Output and talk together.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Site {
    /// Runs the binary with `words` and `--data` to its end.
    pub(crate) async fn say(&self, words: &[&str]) -> Result<Said> {
        let mut command = self.command(words);
        command.arg("--data").arg(self.data());
        let output = command.output().await.context("run a command")?;
        Ok(Said {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
