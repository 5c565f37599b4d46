//! Who may have a body in flight: everybody, or one suspected run alone.
//!
//! A run that was in flight when the engine died is driven alone until progress of it is durable,
//! so that the next death, if it comes, convicts the right one. Bodies of other runs wait
//! meanwhile. Both waits are bounded: a suspect that cannot get the engine to itself soon goes on in company, and
//! one whose body takes long gives the engine back; neither earns a mark that counts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Longest wait of a suspect for the bodies of others to end.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(5);

/// Longest a suspect keeps the engine to itself.
pub(crate) const ALONE_AT_MOST: Duration = Duration::from_secs(10);

/// The gate before bodies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    bodies: Arc<RwLock<()>>,
    suspects: Arc<Mutex<()>>,
}

/// Held while a body is in flight in company.
#[derive(Debug)]
pub(crate) struct InCompany(
    #[expect(dead_code, reason = "held for its Drop")] OwnedRwLockReadGuard<()>,
);

/// Held while a suspect has the engine to itself.
#[derive(Debug)]
pub(crate) struct Alone {
    bodies: OwnedRwLockWriteGuard<()>,
    turn: OwnedMutexGuard<()>,
}

impl Alone {
    /// Gives the engine back while a body goes on: others come in, and the next suspect waits for
    /// this body like for any other.
    pub(crate) fn into_company(self) -> InCompany {
        let Self { bodies, turn } = self;
        let company = InCompany(bodies.downgrade());
        drop(turn);
        company
    }
}

impl Gate {
    /// Waits while a suspect is alone.
    pub(crate) async fn enter(&self) -> InCompany {
        InCompany(Arc::clone(&self.bodies).read_owned().await)
    }

    /// Waits for this suspect's turn, then until no body is in flight, and keeps new ones out;
    /// `None` when bodies in flight take too long to end.
    pub(crate) async fn alone(&self) -> Option<Alone> {
        let turn = Arc::clone(&self.suspects).lock_owned().await;
        let waiting = Arc::clone(&self.bodies).write_owned();
        let bodies = tokio::time::timeout(WAIT_FOR_OTHERS, waiting).await.ok()?;
        Some(Alone { bodies, turn })
    }
}
