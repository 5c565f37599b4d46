//! What a command says when it could not do its work, and the code it ends with.

use std::fmt;
use std::path::Path;

use stepwell::RegistryError;
use stepwell_core::EventId;
use stepwell_engine::{OperateError, StartError};
use stepwell_server::{ApiError, ErrorBody};
use stepwell_store::{CommitError, ReadError};
use stepwell_store_sled::OpenError;

use crate::exit::Exit;

/// A command's failure: one sentence for people, a stable code for programs, an exit code.
///
/// Any `anyhow` error converts into it, as a failure without a code of its own.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    code: String,
    error: anyhow::Error,
}

impl Failure {
    /// A failure with a code that names a page in `docs/errors/`.
    pub fn new(exit: Exit, code: &str, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            error: error.into(),
        }
    }

    /// A failure told in one sentence.
    pub fn said(exit: Exit, code: &str, sentence: impl fmt::Display) -> Self {
        Self::new(exit, code, anyhow::anyhow!("{sentence}"))
    }

    /// The command line or the configuration is wrong.
    pub fn usage(sentence: impl fmt::Display) -> Self {
        Self::said(Exit::Usage, "usage", sentence)
    }

    /// What the command ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// An engine's answer that says no.
    pub(crate) fn of_answer(status: u16, body: ErrorBody) -> Self {
        let exit = match status {
            401 | 403 => Exit::Auth,
            404 if body.code == "no-such-route" => Exit::Unreachable,
            404 => Exit::NotFound,
            409 => Exit::Conflict,
            429 | 503 => Exit::Busy,
            400 | 413 | 415 => Exit::Usage,
            _ if body.code == "damaged" => Exit::Corrupt,
            _ => Exit::Failed,
        };
        Self::said(exit, &body.code, body.message)
    }

    /// Only a running engine will do, and none has `data` open.
    pub(crate) fn no_engine_in(data: &Path) -> Self {
        let data = data.display();
        let sentence =
            format!("no engine has {data} open: start one with `stepwell serve --data {data}`");
        Self::said(Exit::Unreachable, "engine-unreachable", sentence)
    }

    /// There is no event with this id.
    pub(crate) fn no_such_event(id: &EventId) -> Self {
        Self::from(ApiError::NoSuchEvent { id: id.clone() })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            exit: Exit::Failed,
            code: "failed".to_owned(),
            error,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        // Offline and online say the same, so both take the same way.
        let report = error.report();
        Self::of_answer(report.status, report.error)
    }
}

impl From<OperateError> for Failure {
    fn from(error: OperateError) -> Self {
        Self::from(ApiError::from(error))
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let exit = match error {
            ReadError::Damaged { .. } | ReadError::DamagedValue { .. } => Exit::Corrupt,
            ReadError::Failed { .. } => Exit::Io,
        };
        let code = ApiError::from(error.clone()).code();
        Self::new(exit, code, error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let (exit, code) = match &error {
            OpenError::Locked { .. } => (Exit::Locked, "store-locked"),
            OpenError::Full { .. } => (Exit::Full, "disk-full"),
            OpenError::ReadOnly { .. } => (Exit::ReadOnly, "disk-read-only"),
            OpenError::Corrupt { .. } => (Exit::Corrupt, "store-corrupt"),
            OpenError::NewerFormat { .. } => (Exit::NewerFormat, "store-newer-format"),
            OpenError::Missing { .. } => (Exit::NotFound, "store-missing"),
            OpenError::Foreign { .. } => (Exit::Usage, "store-foreign"),
            OpenError::Options { .. } => (Exit::Usage, "usage"),
            OpenError::Io { .. } => (Exit::Io, "store-io"),
        };
        Self::new(exit, code, error)
    }
}

impl Failure {
    /// Exit and code of a store that stopped writing: a full disk does not go away by restarting.
    pub(crate) fn of_stopped_store(error: &CommitError) -> (Exit, &'static str) {
        match error {
            CommitError::Full => (Exit::Full, "disk-full"),
            CommitError::Fenced { .. }
            | CommitError::OutOfSequence { .. }
            | CommitError::EventExists { .. }
            | CommitError::Stale
            | CommitError::TooLarge { .. }
            | CommitError::Failed { .. }
            | CommitError::Unknown { .. }
            | CommitError::Closed => (Exit::Io, "store-stopped"),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::new(Exit::Usage, "registry-refused", error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let (exit, code) = match &error {
            StartError::Registry(_) => (Exit::Usage, "registry-refused"),
            StartError::InFlight { .. } | StartError::Shard(_) => (Exit::Io, "store-io"),
            StartError::Read(read) => match read {
                ReadError::Damaged { .. } | ReadError::DamagedValue { .. } => {
                    (Exit::Corrupt, "store-corrupt")
                }
                ReadError::Failed { .. } => (Exit::Io, "store-io"),
            },
            StartError::Commit(error) => Self::of_stopped_store(error),
        };
        Self::new(exit, code, error)
    }
}
