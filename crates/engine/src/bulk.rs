//! One request to many runs: those named, or those of a status or a workflow, page by page.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use stepwell_core::RunId;
use stepwell_core::run::{Command, RunStatus};
use stepwell_store::{RunFilter, RunHead};

use crate::engine::Engine;
use crate::operator::{OperateError, Operator};

/// Requests under way at a time: they share syncs, and none waits long for its turn.
const AT_A_TIME: usize = 32;

/// Most runs looked at for one page, of which possibly few are of a status that is wanted.
const LOOKED_AT_MAX: usize = 20_000;

/// Runs read in one go.
const READ: usize = 1_000;

/// What a person may ask of runs that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To end in order, undoing what is open.
    Cancel,
    /// To end where they stand.
    Kill,
    /// To begin nothing for the time being.
    Pause,
    /// To go on after a quarantine or a pause.
    Resume,
    /// To try again what failed.
    Retry,
}

impl Request {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Cancel,
        Self::Kill,
        Self::Pause,
        Self::Resume,
        Self::Retry,
    ];

    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
        }
    }

    /// Whether runs of this status are meant when no status is named.
    const fn concerns(self, status: RunStatus) -> bool {
        match self {
            Self::Cancel | Self::Kill => !status.ended(),
            Self::Pause => matches!(
                status,
                RunStatus::Queued | RunStatus::Running | RunStatus::Waiting
            ),
            Self::Resume => matches!(status, RunStatus::Quarantined | RunStatus::Paused),
            Self::Retry => matches!(status, RunStatus::Failed),
        }
    }
}

/// Which runs are meant.
#[derive(Debug, Clone)]
pub enum Whom {
    /// These.
    Runs(Vec<RunId>),
    /// Those that a list with this filter has. Without a status: those that the request is for.
    Where(RunFilter),
}

/// A request to many runs.
#[derive(Debug, Clone)]
pub struct BulkAsk {
    /// What is asked.
    pub request: Request,
    /// Why, possibly nothing; a release keeps none.
    pub reason: String,
    /// Of whom.
    pub whom: Whom,
    /// Of how many at most; runs that are named are all asked.
    pub limit: usize,
    /// Whether nothing is asked and the answer only says what would be.
    pub dry_run: bool,
}

/// A run the request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The run.
    pub run: RunId,
    /// Its head before it was asked; `None` when there is no such run.
    pub head: Option<RunHead>,
    /// Why it was not, or would not be, asked.
    pub refused: Option<OperateError>,
}

/// What became of a request to many runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkPage {
    /// The runs it was for, the newest first; those named in their order.
    pub runs: Vec<Looked>,
    /// The run after which the next page begins; `None` on the last one.
    pub next: Option<RunId>,
}

impl Operator {
    /// Asks one thing of many runs; resolves once the requests are durable.
    ///
    /// # Errors
    /// The runs cannot be read, or the store cannot be written. What one of them refuses stands
    /// beside it.
    pub async fn bulk(&self, ask: &BulkAsk) -> Result<BulkPage, OperateError> {
        page(self, ask, |run| self.put(run, ask.request, &ask.reason)).await
    }

    /// Asks one thing of one run; resolves once the request is durable.
    ///
    /// # Errors
    /// See [`OperateError`].
    pub async fn put(
        &self,
        run: RunId,
        request: Request,
        reason: &str,
    ) -> Result<(), OperateError> {
        match request {
            Request::Cancel => self.cancel(run, reason).await,
            Request::Kill => self.kill(run, reason).await,
            Request::Pause => self.pause(run, reason).await,
            Request::Resume => self.resume(run).await,
            Request::Retry => self.retry(run, reason).await,
        }
    }

    /// Whether the run would take the request.
    async fn would(&self, run: RunId, request: Request) -> Result<(), OperateError> {
        let reason = String::new();
        let command = match request {
            Request::Cancel => return self.still_open(run, "cancelled").await,
            Request::Kill => return self.still_open(run, "killed").await,
            Request::Pause => Command::Pause { reason },
            Request::Resume => Command::Resume,
            Request::Retry => Command::Retry { reason },
        };
        self.takes(run, command).await
    }

    /// The runs a request is for, and where the next page begins.
    async fn meant(
        &self,
        ask: &BulkAsk,
    ) -> Result<(Vec<(RunId, Option<RunHead>)>, Option<RunId>), OperateError> {
        let filter = match &ask.whom {
            Whom::Where(filter) => filter.clone(),
            Whom::Runs(named) => {
                let mut runs = Vec::with_capacity(named.len());
                for run in named {
                    runs.push((*run, self.run(*run).await?.map(|view| view.head)));
                }
                return Ok((runs, None));
            }
        };
        let (mut runs, mut looked_at) = (Vec::new(), 0);
        let mut rest = filter.clone();
        loop {
            let heads = self.runs(rest.clone(), READ).await?;
            let Some(last) = heads.last().map(|view| view.head.run) else {
                return Ok((runs, None));
            };
            looked_at += heads.len();
            let full = heads.len() == READ;
            for view in heads {
                let status = view.head.status;
                if filter.status.is_none() && !ask.request.concerns(status) {
                    continue;
                }
                if runs.len() == ask.limit {
                    let next = runs.last().map(|(run, _)| *run);
                    return Ok((runs, next));
                }
                runs.push((view.head.run, Some(view.head)));
            }
            if !full {
                return Ok((runs, None));
            }
            if looked_at >= LOOKED_AT_MAX {
                return Ok((runs, Some(last)));
            }
            rest.before = Some(last);
        }
    }
}

impl Engine {
    /// Asks one thing of many runs; resolves once the requests are durable.
    ///
    /// # Errors
    /// The runs cannot be read, or the store cannot be written. What one of them refuses stands
    /// beside it.
    pub async fn bulk(&self, ask: &BulkAsk) -> Result<BulkPage, OperateError> {
        let (request, reason) = (ask.request, &ask.reason);
        page(self.operator(), ask, |run| async move {
            match request {
                Request::Cancel => self.cancel(run, reason).await,
                Request::Kill => self.kill(run, reason).await,
                Request::Pause => self.pause(run, reason).await,
                Request::Resume => self.resume(run).await,
                Request::Retry => self.retry(run, reason).await,
            }
        })
        .await
    }
}

/// Finds the runs, and asks each by `put`, unless nothing is to be asked.
async fn page<F>(
    operator: &Operator,
    ask: &BulkAsk,
    put: impl Fn(RunId) -> F,
) -> Result<BulkPage, OperateError>
where
    F: Future<Output = Result<(), OperateError>>,
{
    let (meant, next) = operator.meant(ask).await?;
    let put = &put;
    let asked = stream::iter(meant).map(|(run, head)| async move {
        let done = if ask.dry_run {
            operator.would(run, ask.request).await
        } else {
            put(run).await
        };
        let refused = done.err();
        Looked { run, head, refused }
    });
    let runs: Vec<Looked> = asked.buffered(AT_A_TIME).collect().await;
    let stopped = |looked: &Looked| match &looked.refused {
        // Whoever stopped the store refuses all of them.
        Some(error @ OperateError::NotStored { .. }) => Some(error.clone()),
        Some(_) | None => None,
    };
    match runs.iter().find_map(stopped) {
        Some(error) => Err(error),
        None => Ok(BulkPage { runs, next }),
    }
}
