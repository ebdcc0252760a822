//! HTTP on `[agent] listen`: metrics, health, and what the reading commands say, as JSON and as a stream. Read-only.
//!
//! ```text
//!   GET /                                 the web page
//!   GET /metrics                          OpenMetrics text
//!   GET /healthz, /readyz                 200, or 503 and why
//!   GET /api/v1/status, lists, events, explain/{service}    the JSON of the commands
//!   GET /api/v1/stream                    server-sent events: status, lists, event
//! ```
//! [`HttpServer::run`] is one task, owned by whoever spawned it; it is woken by connections and owns a task for each.
//! Cancelling it hangs up on every client and loses nothing but their answers. A client can cost the agent no more than one
//! of [`MAX_CLIENTS`] connections, and loses it when it does not send its request or does not read its answer in time.

mod api;
pub mod page;
mod stream;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, warn};

use crate::{
    control::server::ControlSource,
    events::{EventKind, Happening},
};

/// Clients at one time; a further one is hung up on.
pub const MAX_CLIENTS: usize = 64;
/// A client that takes longer to send its request is hung up on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes longer to read what was sent is hung up on, by the kernel.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two tries to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(5);
/// Before trying again when no connection can be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the server answers with.
pub trait HttpSource: ControlSource {
    /// The metrics, as text. Must not wait.
    fn metrics(&self) -> String;

    /// Whether the agent works.
    ///
    /// # Errors
    /// It does not; why.
    fn is_healthy(&self) -> Result<(), String>;

    /// Whether this node can take its part: it has a quorum, and may vote.
    ///
    /// # Errors
    /// It can't; why.
    fn is_ready(&self) -> Result<(), String>;

    /// Adds an event that happens now.
    fn report(&self, happening: Happening);
}

/// Serves HTTP at one address.
#[derive(Clone, Copy, Debug)]
pub struct HttpServer {
    address: SocketAddr,
}

impl HttpServer {
    /// One that is to listen there.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Answers clients until it is cancelled. An address that can't be had is an event and is tried again: no failover waits
    /// for it.
    pub async fn run<S: HttpSource>(self, source: Arc<S>) {
        let router = api::router(Arc::clone(&source));
        let mut has_failed = false;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if !has_failed => source.report(self.cannot_listen(&error)),
                Err(error) => debug!(%error, "still cannot listen"),
            }
            has_failed = true;
            sleep(LISTEN_PAUSE).await;
        };
        if has_failed {
            source
                .report(Happening::new(EventKind::Recovered, format!("HTTP is served on {}", self.address)));
        }
        accept(&listener, &router).await;
    }

    fn cannot_listen(self, error: &io::Error) -> Happening {
        Happening::new(
            EventKind::Fault,
            format!(
                "no metrics: cannot listen on {}: {error}; free it, or name another address in [agent] listen",
                self.address
            ),
        )
    }
}

async fn accept(listener: &TcpListener, router: &Router) {
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) if clients.len() < MAX_CLIENTS => {
                clients.spawn(serve(stream, router.clone()));
            }
            Ok((_, peer)) => debug!(%peer, "too many HTTP clients"),
            Err(error) => {
                warn!(%error, "cannot accept an HTTP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(READ_TIMEOUT)) {
        debug!(%error, "an HTTP client that does not read may stay for long");
    }
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        debug!(%error, "hung up on an HTTP client");
    }
}

#[cfg(test)]
mod tests;
