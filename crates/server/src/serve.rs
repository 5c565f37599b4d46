//! The accept loop: how many connections there may be, and how long each may take to speak.
//!
//! A connection that sends nothing, or sends its head byte by byte, is closed when its time is up;
//! connections beyond the cap wait in the system's queue. Only HTTP/1.1 is spoken: what HTTP/2
//! adds in throughput it adds in ways to hold resources, and a proxy in front speaks it anyway.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use crate::guard::Peer;

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Most connections at a time.
    pub connections_max: usize,
    /// How long a connection may take to send the head of a request, idle time before included.
    pub head_within: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            head_within: Duration::from_secs(20),
        }
    }
}

/// A bound address and the connections made to it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: ServeLimits,
    connections: GracefulShutdown,
}

impl Server {
    /// Binds `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr, limits: ServeLimits) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            listener,
            limits,
            connections: GracefulShutdown::new(),
        })
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections and serves `router` on them until the future is dropped, which stops
    /// accepting and leaves what is connected to [`Server::close`].
    pub async fn accept(&mut self, router: Router) {
        let room = Arc::new(Semaphore::new(self.limits.connections_max));
        loop {
            // The semaphore is never closed; if it were, nothing more could be accepted.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => self.serve(stream, peer, router.clone(), permit),
                Err(error) => {
                    tracing::warn!(%error, "connection could not be accepted");
                    // Out of descriptors, most likely: give those in use time to be given back.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Lets requests in progress be answered for up to `limit`, then drops what is left.
    /// Answers whether all were.
    pub async fn close(self, limit: Duration) -> bool {
        drop(self.listener);
        tokio::time::timeout(limit, self.connections.shutdown())
            .await
            .is_ok()
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        router: Router,
        permit: OwnedSemaphorePermit,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection keeps small packets back");
        }
        let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            request.map(axum::body::Body::new) as Request
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_within)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = self.connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Clients come and go as they like; none of it concerns the engine.
                tracing::debug!(%error, "connection ended");
            }
            drop(permit);
        });
    }
}
