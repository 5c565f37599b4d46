//! A place where engines run one after another: a binary, a data directory, an environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use stepwell_fakes::Fakes;
use tempfile::TempDir;
use tokio::process::Command;

/// The key under which tests send events.
pub(crate) const EVENT_KEY: &str = "e2e";

/// Where engines run. Files go when it is dropped.
pub(crate) struct Site {
    binary: &'static str,
    data: PathBuf,
    /// Everything the engines said, one after another.
    log: PathBuf,
    environment: BTreeMap<String, String>,
    /// Words in front of the binary's own: a program that starts it.
    before: Vec<OsString>,
    /// Options of `serve`.
    options: Vec<String>,
    _files: TempDir,
}

impl Site {
    /// For the product's binary, calling `fakes` instead of the services.
    pub(crate) fn of_swag_store(fakes: &Fakes) -> Result<Self> {
        let mut site = Self::new(env!("CARGO_BIN_EXE_stepwell-under-test"))?;
        for (name, value) in fakes.env() {
            site.environment.insert(name.to_owned(), value);
        }
        Ok(site)
    }

    /// For the binary around workflows of the tests.
    pub(crate) fn of_workflows() -> Result<Self> {
        Self::new(env!("CARGO_BIN_EXE_stepwell-e2e-workflows"))
    }

    fn new(binary: &'static str) -> Result<Self> {
        let files = TempDir::with_prefix("stepwell-e2e-").context("make a directory")?;
        let environment = [
            ("STEPWELL_EVENT_KEYS", EVENT_KEY),
            ("STEPWELL_LOG", "info"),
            ("STEPWELL_LOG_FORMAT", "text"),
            ("RUST_BACKTRACE", "0"),
        ];
        Ok(Self {
            binary,
            data: files.path().join("data"),
            log: files.path().join("log"),
            environment: environment
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into(),
            before: Vec::new(),
            options: Vec::new(),
            _files: files,
        })
    }

    /// Puts the data directory elsewhere.
    pub(crate) fn with_data(mut self, data: &Path) -> Self {
        data.clone_into(&mut self.data);
        self
    }

    /// Adds options to `serve`.
    pub(crate) fn with_options(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|&word| word.to_owned()));
        self
    }

    /// Has the binary started by another program, whose words these are.
    pub(crate) fn started_by(&mut self, before: &[&str]) {
        self.before = before.iter().map(OsString::from).collect();
    }

    /// Sets a variable for engines and commands from here on.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.environment.insert(name.to_owned(), value.to_string());
    }

    /// Takes a variable away.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What the engines said, from the end back.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(4_000);
        String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned()
    }

    /// The binary with `words`, in this place's environment and no other.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut line = self.before.iter().map(OsString::as_os_str);
        let binary = self.binary.as_ref();
        let mut command = Command::new(line.next().unwrap_or(binary));
        command.args(line);
        if !self.before.is_empty() {
            command.arg(binary);
        }
        command
            .args(words)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// `serve` on a free port, writing to the log.
    pub(super) fn serve(&self) -> Result<Command> {
        let mut command = self.command(&["serve", "--port", "0"]);
        command.arg("--data").arg(&self.data).args(&self.options);
        command
            .stdout(self.append_log()?)
            .stderr(self.append_log()?);
        Ok(command)
    }

    fn append_log(&self) -> Result<File> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        opened.context("open the engines' log")
    }
}
