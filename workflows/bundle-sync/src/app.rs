//! One of the two apps: its name, and what its workflows reach. Which of the two it is, is a setting.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stepwell::sqlx::Sqlite;
use thiserror::Error;

use crate::bridge::Bridge;
use crate::db;
use crate::event::{Envelope, VERSION};
use crate::mail::Mail;

/// The name journals give an app's database.
pub const DATABASE_LABEL: &str = "bundle-sync";

/// The apps there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppName {
    /// Total TypeScript, which sells bundles.
    TotalTypescript,
    /// AI Hero, which grants what others sold.
    AiHero,
}

/// A name that is no app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("read the app's name: expected total-typescript or ai-hero")]
pub struct UnknownApp;

/// What the workflows of one app work with. Cloning it shares it.
#[derive(Clone)]
pub struct App {
    /// Which app this is.
    pub name: AppName,
    /// Its database.
    pub db: Sqlite,
    /// The way to the other app.
    pub bridge: Arc<dyn Bridge>,
    /// The mail provider.
    pub mail: Arc<dyn Mail>,
}

impl AppName {
    /// The name as events and tables hold it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TotalTypescript => "total-typescript",
            Self::AiHero => "ai-hero",
        }
    }

    /// The app on the other side of the bridge.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::TotalTypescript => Self::AiHero,
            Self::AiHero => Self::TotalTypescript,
        }
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AppName {
    type Err = UnknownApp;

    fn from_str(name: &str) -> Result<Self, UnknownApp> {
        [Self::TotalTypescript, Self::AiHero]
            .into_iter()
            .find(|app| app.as_str() == name)
            .ok_or(UnknownApp)
    }
}

impl App {
    /// What an event of this app's says of itself.
    pub(crate) fn envelope(&self) -> Envelope {
        Envelope {
            version: VERSION,
            source_app: self.name,
            emitted_at: db::now(),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "App({})", self.name)
    }
}
