//! A data directory that no engine has open.

use std::path::Path;
use std::sync::Arc;

use stepwell_engine::Operator;
use stepwell_store::Store;
use stepwell_store_sled::{OpenError, Options, SledStore};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::serving::blocking;

/// An opened store and somebody to look at it.
pub(crate) struct Offline {
    store: Arc<SledStore>,
    operator: Operator,
}

impl Offline {
    /// Opens the store in `data`; never makes one.
    pub(crate) async fn open(data: &Path) -> Result<Self, OpenError> {
        let directory = data.to_owned();
        let opening = move || SledStore::open_existing(directory, Options::default());
        let stopped = |error: tokio::task::JoinError| OpenError::Io {
            file: data.display().to_string(),
            source: std::io::Error::other(error),
        };
        let opened = tokio::task::spawn_blocking(opening).await;
        let store = Arc::new(opened.map_err(stopped)??);
        let operator = Operator::new(Arc::clone(&store) as Arc<dyn Store>);
        Ok(Self { store, operator })
    }

    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    pub(crate) fn store(&self) -> &Arc<SledStore> {
        &self.store
    }

    /// Makes what was asked for durable and seals the store.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let store = self.store;
        blocking(move || store.close())
            .await?
            .map_err(|error| Failure::new(Exit::Io, "store-stopped", error))
    }
}
