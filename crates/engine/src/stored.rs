//! What a drive needs of a run, read from the store in one go.

use std::sync::Arc;

use stepwell_core::run::due_at;
use stepwell_core::{Payload, RunId};
use stepwell_store::{ReadError, Store};

use crate::host::{Loaded, Request, read_requests};
use crate::operator::{blocking, folded};
use crate::shared::Shared;

/// A run as stored.
pub(crate) struct Stored {
    pub(crate) loaded: Loaded,
    /// What was left for it, oldest first.
    pub(crate) requests: Vec<Request>,
    /// Its input; `None` for a run that has ended, and where a look of its own has to say what is
    /// wrong with it.
    pub(crate) input: Option<Payload>,
}

/// Reads `run`; `None` when there is no such run.
pub(crate) async fn read(shared: &Arc<Shared>, run: RunId) -> Result<Option<Stored>, ReadError> {
    let store = Arc::clone(&shared.store);
    blocking(move || read_now(store.as_ref(), run)).await
}

fn read_now(store: &dyn Store, run: RunId) -> Result<Option<Stored>, ReadError> {
    let journal = store.journal(run)?;
    if journal.is_empty() {
        return Ok(None);
    }
    let state = folded(run, &journal)?;
    let requests = match read_requests(store, run) {
        Ok(requests) => requests,
        Err(error @ ReadError::Failed { .. }) => return Err(error),
        Err(damage) => {
            // It says nothing of the run, which goes on without it.
            tracing::error!(%run, error = %damage, "requests left for the run cannot be read");
            Vec::new()
        }
    };
    let ended = state.outcome.is_some();
    let event = (!ended).then(|| store.event(&state.started.event));
    let input = event.and_then(Result::ok).flatten().map(|row| row.data);
    // The agenda row was written with the last entry, by this same function.
    let agenda = due_at(&state);
    Ok(Some(Stored {
        loaded: Loaded { state, agenda },
        requests,
        input,
    }))
}
