//! Commands of the binary beside the engine, run to their end.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::exit;
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
        let data = self.data().to_str().context("a directory in UTF-8")?;
        self.say_alone(&[words, &["--data", data]].concat()).await
    }

    /// Runs the binary with `words` alone to its end.
    pub(crate) async fn say_alone(&self, words: &[&str]) -> Result<Said> {
        let mut command = self.command(words);
        let output = command.output().await.context("run a command")?;
        Ok(Said {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// Says `words` and expects the code.
pub(crate) async fn said(site: &Site, words: &[&str], code: i32) -> Result<Said> {
    let said = site.say(words).await?;
    ensure!(said.code == Some(code), "{words:?}: {said:?}");
    Ok(said)
}

/// Says `words` and answers what was printed, without the line's end.
pub(crate) async fn printed(site: &Site, words: &[&str]) -> Result<String> {
    let said = said(site, words, exit::OK).await?;
    Ok(said.stdout.trim_end().to_owned())
}

/// Says `words` and answers the JSON that was printed.
pub(crate) async fn json_of(site: &Site, words: &[&str]) -> Result<Value> {
    let text = printed(site, &[words, &["-o", "json"]].concat()).await?;
    serde_json::from_str(&text).with_context(|| format!("{words:?}: {text}"))
}
