//! One listener for everything a node says over HTTP.
//!
//! ```text
//!  accept (≤ max connections) ─► HTTP/1.1 (header ≤ 10 s, ≤ 64 KiB) ─► routes ─► measure ─► role
//!                                          │ body ≤ read timeout
//!                        starting: management routes; all else 503 and how far the start is
//!                        ready:    management routes and the roles' (also under /prometheus)
//!                        stopping: no new connection; what was begun is finished
//! ```
//!
//! The listener is up before the roles are, so that a probe or a sender sees "starting, 3 of 17"
//! rather than a refused connection. HTTP/2 is not spoken: without TLS no client of ours asks for it,
//! and what is not there cannot be flooded with stream resets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::context::Context;
use crate::readiness::Readiness;
use crate::task::Tasks;

mod body;
mod measure;
mod routes;

pub use measure::HttpMetrics;

/// The time a client has to send a request's head, which is also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of a request's head; also the size to which a connection's read buffer grows.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// The pause after a failed `accept`, which mostly means that no file descriptor is free: without it
/// the loop would spin, with it connections end in the meantime.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where and within which limits a node serves HTTP.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[group(id = "web")]
pub struct Config {
    /// Address on which to serve the API, probes and metrics; port 0 takes a free one.
    #[arg(
        long = "web.listen-address",
        default_value = "127.0.0.1:9009",
        value_name = "ADDRESS",
        value_parser = parse_listen_address
    )]
    pub web_listen_address: SocketAddr,

    /// Most connections at a time; further ones wait to be accepted.
    #[arg(long = "web.max-connections", default_value_t = 512, value_name = "COUNT")]
    pub web_max_connections: usize,

    /// Time a client has to send a request's body.
    #[arg(
        long = "web.read-timeout",
        default_value = "5m",
        value_name = "DURATION",
        value_parser = crate::config::parse_duration
    )]
    pub web_read_timeout: Duration,
}

/// Why the server could not start or stop as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}: {source}; choose another with --web.listen-address")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Requests were still running at the deadline; their connections are cut.
    #[error("requests were still running after {after:?}; their connections were cut")]
    DrainTimeout {
        /// The deadline.
        after: Duration,
    },
}

/// A listening server. Serves until it is drained.
#[derive(Debug)]
pub struct Server {
    local_address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// What every connection needs.
#[derive(Debug)]
struct Shared {
    routes: ArcSwap<Router>,
    context: Context,
    readiness: Readiness,
    metrics: HttpMetrics,
    read_timeout: Duration,
    /// No further connection or request.
    stop: CancellationToken,
    /// Cut what is still open.
    cut: CancellationToken,
}

// === impl Server ===

impl Server {
    /// Listens at once; until [`Server::install`], all but the management routes answer 503.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(
        config: &Config,
        context: &Context,
        readiness: &Readiness,
    ) -> Result<Self, Error> {
        let address = config.web_listen_address;
        let in_error = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(in_error)?;
        let local_address = listener.local_addr().map_err(in_error)?;
        let metrics = HttpMetrics::register(&mut context.metrics.lock());
        let shared = Arc::new(Shared {
            routes: ArcSwap::from_pointee(routes::starting(context, readiness)),
            context: context.clone(),
            readiness: readiness.clone(),
            metrics,
            read_timeout: config.web_read_timeout,
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        let permits = Arc::new(Semaphore::new(config.web_max_connections.max(1)));
        let accept = accept(listener, Arc::clone(&shared), permits);
        let accepting = Mutex::new(Some(context.tasks.spawn("http-accept", accept)));
        Ok(Self { local_address, shared, accepting })
    }

    /// The address that is listened on, with the real port.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Serves the roles' routes from the next request on, as they are and below `/prometheus`.
    pub fn install(&self, roles: Router) {
        let Shared { context, readiness, metrics, .. } = &*self.shared;
        self.shared.routes.store(Arc::new(routes::ready(context, readiness, metrics, roles)));
    }

    /// Stops listening and waits until every request has been answered, at most `deadline`.
    ///
    /// # Errors
    /// When requests were still running by then; they are cut off.
    pub async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        self.shared.stop.cancel();
        let Some(accepting) = self.accepting.lock().take() else { return Ok(()) };
        if tokio::time::timeout(deadline, accepting).await.is_ok() {
            return Ok(());
        }
        self.shared.cut.cancel();
        Err(Error::DrainTimeout { after: deadline })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.cut.cancel();
    }
}

/// Accepts until told to stop, then waits for the open connections.
async fn accept(listener: TcpListener, shared: Arc<Shared>, permits: Arc<Semaphore>) {
    let connections = GracefulShutdown::new();
    let tasks = shared.context.tasks.clone();
    while let Some((stream, permit)) = next(&listener, &permits, &shared.stop).await {
        serve(&tasks, &connections, stream, permit, Arc::clone(&shared));
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = shared.cut.cancelled() => {}
    }
}

/// The next connection, once there is room for it; `None` when it is time to stop.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepted = async {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, permit)),
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        accepted = accepted => accepted,
        () = stop.cancelled() => None,
    }
}

/// Serves one connection in a task of its own; `permit` is returned when it closes.
fn serve(
    tasks: &Tasks,
    connections: &GracefulShutdown,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    shared: Arc<Shared>,
) {
    // Answers are written in one piece, so waiting for more to send only adds delay.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let cut = shared.cut.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let routes = Router::clone(&shared.routes.load());
        routes
            .oneshot(request.map(|body| Body::new(body::Deadlined::new(body, shared.read_timeout))))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tasks.spawn("http-connection", async move {
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                debug!(%error, "a connection ended early");
            },
            () = cut.cancelled() => {}
        }
        drop(permit);
    });
}

/// `host:port`, or `:port` for all addresses, as Prometheus writes it.
fn parse_listen_address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.replacen("localhost:", "127.0.0.1:", 1),
    };
    full.parse().map_err(|_| format!("{text:?} is not an address like 127.0.0.1:9009 or :9009"))
}

#[cfg(test)]
mod tests;
