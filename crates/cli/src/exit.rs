//! Exit codes: what a script can tell from the end of a command.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// Something failed that has no code of its own.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// A key or token is missing or wrong.
    Auth,
    /// No such run, event, workflow or store.
    NotFound,
    /// The run that was waited for failed, was cancelled or is quarantined.
    RunFailed,
    /// Another process has the data directory open.
    Locked,
    /// Something stored is not what was written.
    Corrupt,
    /// The disk is full.
    Full,
    /// The file system takes no writes.
    ReadOnly,
    /// A newer release wrote the store.
    NewerFormat,
    /// A file or a connection failed.
    Io,
    /// No engine answers.
    Unreachable,
    /// The state of things does not allow it, such as cancelling a run that has ended.
    Conflict,
    /// The engine is at a limit or shutting down: the same command may work later.
    Busy,
    /// The code of this binary does not fit the journal of a run.
    Breaks,
    /// Code could not be held against every run.
    Unchecked,
    /// Ended by a second signal, without waiting.
    Interrupted,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Auth,
        Self::NotFound,
        Self::RunFailed,
        Self::Locked,
        Self::Corrupt,
        Self::Full,
        Self::ReadOnly,
        Self::NewerFormat,
        Self::Io,
        Self::Unreachable,
        Self::Conflict,
        Self::Busy,
        Self::Breaks,
        Self::Unchecked,
        Self::Interrupted,
    ];

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Auth => 3,
            Self::NotFound => 4,
            Self::RunFailed => 5,
            Self::Locked => 6,
            Self::Corrupt => 7,
            Self::Full => 8,
            Self::ReadOnly => 9,
            Self::NewerFormat => 10,
            Self::Io => 11,
            Self::Unreachable => 12,
            Self::Conflict => 13,
            Self::Busy => 14,
            Self::Breaks => 15,
            Self::Unchecked => 16,
            Self::Interrupted => 130,
        }
    }

    /// What it means, for `--help`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "all went well",
            Self::Failed => "failed in a way that has no code of its own",
            Self::Usage => "command line or configuration is wrong",
            Self::Auth => "key or token missing or wrong",
            Self::NotFound => "no such run, event, workflow or store",
            Self::RunFailed => "the run failed, was cancelled or is quarantined",
            Self::Locked => "another process has the data directory open",
            Self::Corrupt => "something stored is not what was written",
            Self::Full => "disk full",
            Self::ReadOnly => "file system is read-only",
            Self::NewerFormat => "a newer release wrote the store",
            Self::Io => "file or connection failed; `serve`: the store stopped writing",
            Self::Unreachable => "no engine answers",
            Self::Conflict => "state does not allow it",
            Self::Busy => "engine at a limit or shutting down: try again later",
            Self::Breaks => "`check`: the code of this binary does not fit the journal of a run",
            Self::Unchecked => "`check`: it cannot be said of every run whether the code fits",
            Self::Interrupted => "ended by a second signal, without waiting",
        }
    }

    /// The table shown by `--help`.
    #[must_use]
    pub(crate) fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}\n", exit.number(), exit.meaning()));
        format!("Exit codes:\n{}", rows.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
