//! How a command gets at runs: over HTTP from a running engine, or from the data directory itself.

mod http;
mod offline;
mod repair;

pub use http::Http;
pub(crate) use offline::Offline;

use std::path::PathBuf;

use clap::Args;
use stepwell_core::run::RunStatus;
use stepwell_core::{EventId, RunId, WorkflowName};
use stepwell_engine::{BulkAsk, Clock, ForkAsk, Request};
use stepwell_server::wire::{BulkJson, EventRunJson, ForkJson, JournalJson, RunJson, RunListJson};
use stepwell_store::RunFilter;
use stepwell_store_sled::OpenError;

use crate::engine_file::EngineFile;
use crate::exit::Exit;
use crate::failure::Failure;

/// Where an engine is unless told otherwise.
const URL: &str = "http://127.0.0.1:8288";

/// Which engine, or which data directory.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Target {
    /// Engine to ask [env: STEPWELL_URL] [default: http://127.0.0.1:8288]
    #[arg(long, value_name = "URL", help_heading = "Where")]
    url: Option<String>,

    /// Data directory to open itself; when an engine holds it, that engine is asked
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "url",
        help_heading = "Where"
    )]
    data: Option<PathBuf>,
}

/// A way to runs.
pub(crate) enum Reach {
    /// A running engine.
    Engine(Http),
    /// A data directory no engine has open.
    Store(Offline),
}

impl Target {
    /// Does `work` there. A data directory is closed cleanly whatever came of it, so that a mistyped
    /// id does not leave the next opening with a tail to replay.
    pub(crate) async fn visit<T>(
        &self,
        work: impl AsyncFnOnce(&Reach) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let reach = self.reach().await?;
        let done = work(&reach).await;
        let closed = reach.close().await;
        // What failed first is what there is to tell.
        done.and_then(|done| closed.map(|()| done))
    }

    /// The way there. Opening a data directory takes its lock until [`Reach::close`].
    async fn reach(&self) -> Result<Reach, Failure> {
        let Some(data) = &self.data else {
            return Ok(Reach::Engine(self.engine()?));
        };
        match Offline::open(data).await {
            Ok(store) => Ok(Reach::Store(store)),
            Err(OpenError::Locked { directory, pid }) => {
                match EngineFile::of_holder(data, pid) {
                    Some(engine) => Ok(Reach::Engine(Http::new(&engine.url)?)),
                    // Another command, or an engine that is still opening.
                    None => Err(OpenError::Locked { directory, pid }.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The engine, where only a running one will do.
    pub(crate) fn engine(&self) -> Result<Http, Failure> {
        if let Some(data) = &self.data {
            return match EngineFile::of_running(data) {
                Some(engine) => Http::new(&engine.url),
                None => Err(Failure::no_engine_in(data)),
            };
        }
        let given = self.url.clone();
        let url = given.or_else(|| {
            std::env::var("STEPWELL_URL")
                .ok()
                .filter(|url| !url.is_empty())
        });
        Http::new(url.as_deref().unwrap_or(URL))
    }

    /// The data directory, where only that will do.
    pub(crate) fn data(&self) -> Option<&PathBuf> {
        self.data.as_ref()
    }
}

/// Which runs a list wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) status: Option<RunStatus>,
    pub(crate) workflow: Option<String>,
    pub(crate) cursor: Option<RunId>,
    pub(crate) limit: usize,
}

impl Wanted {
    fn filter(&self) -> RunFilter {
        RunFilter {
            status: self.status,
            workflow: self.workflow.as_deref().map(WorkflowName::new),
            before: self.cursor,
        }
    }
}

impl Reach {
    pub(crate) async fn runs(&self, wanted: &Wanted) -> Result<RunListJson, Failure> {
        match self {
            Self::Engine(engine) => engine.runs(wanted).await,
            Self::Store(store) => {
                let views = store
                    .operator()
                    .runs(wanted.filter(), wanted.limit + 1)
                    .await?;
                Ok(RunListJson::page(views, wanted.limit))
            }
        }
    }

    /// Ids of up to `limit` runs below `past`, highest first.
    pub(crate) async fn runs_below(
        &self,
        past: RunId,
        limit: usize,
    ) -> Result<Vec<String>, Failure> {
        let wanted = Wanted {
            cursor: Some(past),
            limit,
            ..Wanted::default()
        };
        let page = self.runs(&wanted).await?;
        Ok(page.data.into_iter().map(|run| run.id).collect())
    }

    pub(crate) async fn run(&self, run: RunId) -> Result<RunJson, Failure> {
        match self {
            Self::Engine(engine) => engine.run(run).await,
            Self::Store(store) => {
                let view = store.operator().run(run).await?;
                Ok(view.ok_or_else(|| no_such_run(run))?.into())
            }
        }
    }

    pub(crate) async fn journal(&self, run: RunId) -> Result<JournalJson, Failure> {
        match self {
            Self::Engine(engine) => engine.journal(run).await,
            Self::Store(store) => {
                let view = store.operator().journal(run).await?;
                Ok(view.ok_or_else(|| no_such_run(run))?.into())
            }
        }
    }

    pub(crate) async fn runs_of_event(&self, id: &EventId) -> Result<Vec<EventRunJson>, Failure> {
        match self {
            Self::Engine(engine) => engine.runs_of_event(id.as_str()).await,
            Self::Store(store) => {
                let views = store.operator().runs_of_event(id.clone()).await?;
                let views = views.ok_or_else(|| Failure::no_such_event(id))?;
                Ok(views.into_iter().map(EventRunJson::from).collect())
            }
        }
    }

    /// Asks one thing of one run.
    pub(crate) async fn put(
        &self,
        run: RunId,
        request: Request,
        reason: &str,
    ) -> Result<RunJson, Failure> {
        match self {
            Self::Engine(engine) => engine.put(run, request, reason).await,
            Self::Store(store) => {
                store.operator().put(run, request, reason).await?;
                self.run(run).await
            }
        }
    }

    /// Asks one thing of many runs, one page of them.
    pub(crate) async fn bulk(&self, ask: &BulkAsk) -> Result<BulkJson, Failure> {
        match self {
            Self::Engine(engine) => engine.bulk(ask).await,
            Self::Store(store) => Ok(BulkJson::of(ask, store.operator().bulk(ask).await?)),
        }
    }

    /// Forks a run, or says what forking it would come to.
    pub(crate) async fn fork(&self, ask: &ForkAsk, dry_run: bool) -> Result<ForkJson, Failure> {
        let operator = match self {
            Self::Engine(engine) => return engine.fork(ask, dry_run).await,
            Self::Store(store) => store.operator(),
        };
        let now = Clock::Wall.now();
        let forked = if dry_run {
            operator.preview_fork(ask, now).await?
        } else {
            operator.fork(ask, now).await?
        };
        Ok(ForkJson::of(ask, forked))
    }

    /// A run's journal with its input, as one line of JSON without a line break.
    pub(crate) async fn export(&self, run: RunId) -> Result<String, Failure> {
        match self {
            Self::Engine(engine) => engine.export(run).await,
            Self::Store(store) => {
                let exported = store.operator().export(run).await?;
                exported.to_json().map_err(|wrong| {
                    let sentence = format!("run {run} cannot be exported: {}", wrong.why);
                    Failure::said(Exit::Corrupt, "damaged", sentence)
                })
            }
        }
    }

    /// Gives a data directory back, cleanly closed.
    async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Engine(_) => Ok(()),
            Self::Store(store) => store.close().await,
        }
    }
}

fn no_such_run(run: RunId) -> Failure {
    Failure::from(stepwell_server::ApiError::NoSuchRun { run })
}
