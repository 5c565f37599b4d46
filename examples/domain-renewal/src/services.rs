//! What the workflow reaches outside: a bank, the post, a domain registry.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a service answers, once it does.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// Why a service did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// It may work later.
    #[error("{service} cannot be reached: try again later")]
    Unreachable {
        /// Which.
        service: &'static str,
    },
    /// It never will.
    #[error("{service} refuses: {why}")]
    Refused {
        /// Which.
        service: &'static str,
        /// What it says.
        why: String,
    },
}

/// Charges cards.
pub trait Bank: Send + Sync {
    /// Charges `card`, once for each `key` however often it is asked; answers a receipt.
    fn charge<'a>(&'a self, key: &'a str, card: &'a str, cents: u64) -> Answer<'a, String>;
}

/// Sends mails.
pub trait Post: Send + Sync {
    /// Sends a mail, once for each `key`.
    fn send<'a>(&'a self, key: &'a str, to: &'a str, text: &'a str) -> Answer<'a, ()>;
}

/// Keeps domains.
pub trait DomainRegistry: Send + Sync {
    /// Sets the year a domain is paid until. Setting it twice changes nothing.
    fn paid_until<'a>(&'a self, domain: &'a str, year: u32) -> Answer<'a, ()>;
}

/// All of them. Clones share them.
#[derive(Clone)]
pub struct Services {
    /// Charges cards.
    pub bank: Arc<dyn Bank>,
    /// Sends mails.
    pub post: Arc<dyn Post>,
    /// Keeps domains.
    pub domains: Arc<dyn DomainRegistry>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}
