//! What a product may add to the binary.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use axum::Router;
use clap::{ArgMatches, Command};
use futures_util::future::BoxFuture;
use stepwell::{Client, Registry};

use crate::failure::Failure;

/// A product: workflows with what they depend on, HTTP routes, commands, stand-ins for services.
pub trait Product: Send + Sync + 'static {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// Its workflows without what they depend on: for lists made while no engine runs.
    fn workflows(&self) -> Registry;

    /// Its workflows with dependencies that touch nothing: for replays that call no body, before a
    /// deploy. Code that asks for one that is missing cannot be checked past that place.
    ///
    /// No file, no database, no network: what is given is never used, only handed out. Called
    /// inside a tokio runtime.
    fn unplugged(&self) -> Registry {
        self.workflows()
    }

    /// Opens what the workflows depend on. The data directory exists and is held by this process.
    fn connect<'a>(&'a self, setting: Setting<'a>) -> BoxFuture<'a, anyhow::Result<Connected>>;

    /// Starts stand-ins for the services it calls, for `dev`; `None` when it calls none.
    fn rehearse(&self) -> BoxFuture<'_, anyhow::Result<Option<Rehearsal>>> {
        Box::pin(async { Ok(None) })
    }

    /// Commands of its own, beside the binary's.
    fn commands(&self) -> Vec<Box<dyn ProductCommand>> {
        Vec::new()
    }
}

/// A command a product adds.
pub trait ProductCommand: Send + Sync {
    /// Its name, arguments and help.
    fn command(&self) -> Command;

    /// Does it.
    fn run<'a>(&'a self, matches: &'a ArgMatches) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Where a product is to work.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The data directory: files of the product may be kept there under its own names.
    pub data: &'a Path,
    /// Named values: read settings from here, not from the process.
    pub environment: &'a Environment,
}

/// The process's environment, with values put in front of it.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's environment with `values` taking precedence.
    #[must_use]
    pub fn with(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<OsString> {
        match self.0.get(name) {
            Some(value) => Some(value.into()),
            None => std::env::var_os(name),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets: the names alone are shown.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A product's routes, once there is an engine to send events to.
pub type Routes = Box<dyn FnOnce(Client) -> Router + Send>;

/// A product that is ready to be served.
pub struct Connected {
    /// Its workflows with what they depend on.
    pub registry: Registry,
    /// Its routes, if it has any.
    pub routes: Option<Routes>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.is_some();
        f.debug_struct("Connected")
            .field("registry", &self.registry)
            .field("routes", &routes)
            .finish()
    }
}

/// Running stand-ins for the services a product calls.
pub struct Rehearsal {
    /// Where they are.
    pub url: String,
    /// The values that point the product at them.
    pub environment: Vec<(String, String)>,
    /// Shell lines worth trying against the engine at the given URL, with a comment above each.
    pub worth_trying: fn(engine: &str, stand_ins: &str) -> Vec<String>,
    /// Whatever keeps them running; dropped when the engine ends.
    pub running: Box<dyn Any + Send>,
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Workflows without anything else, as a product.
pub(crate) struct Plain(pub(crate) Registry);

impl Product for Plain {
    fn name(&self) -> &'static str {
        "workflows"
    }

    fn workflows(&self) -> Registry {
        self.0.clone()
    }

    fn connect<'a>(&'a self, _: Setting<'a>) -> BoxFuture<'a, anyhow::Result<Connected>> {
        let registry = self.0.clone();
        Box::pin(async move {
            Ok(Connected {
                registry,
                routes: None,
            })
        })
    }
}
