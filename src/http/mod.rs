//! The one HTTP client: HTTP/1.1, one connection at a time, a limit on everything.
//!
//! Owns: URLs, TLS to servers, requests and answers, and the difference between "nothing was sent" and "nobody knows". Must
//! not: follow redirects, keep cookies, retry, use proxies, or know who asks.

mod connection;
mod exchange;
mod tls;
mod url;

pub use connection::Connection;
pub use exchange::{Body, HttpError, Request, Response};
pub use tls::Tls;
pub use url::{Scheme, Url, UrlError};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// One request and its whole answer, unless the request says otherwise.
    pub request: Duration,
    /// Bytes of an answer's body.
    pub body: usize,
    /// Bytes of an answer's status line and headers; at least 8 KiB.
    pub head: usize,
    /// Number of an answer's headers.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            body: 16 * 1024 * 1024,
            head: 64 * 1024,
            headers: 100,
        }
    }
}

/// One request over a connection of its own, which is closed afterwards. The request's `timeout` covers connecting too.
///
/// # Errors
/// See [`HttpError`]; only [`HttpError::may_have_acted`] tells whether a changing request may be sent again.
pub async fn fetch(request: &Request, tls: &Tls, limits: Limits) -> Result<Response, HttpError> {
    // A request that cannot be sent does not even open a connection.
    let ready = request.to_hyper()?;
    let whole = request.timeout.unwrap_or(limits.request);
    let began = Instant::now();
    let connect = limits.connect.min(whole);
    let mut connection = Connection::open(&request.url, tls, Limits { connect, ..limits }).await?;
    let left = whole.saturating_sub(began.elapsed());
    connection.send_last(request, ready, left).await
}

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, HttpError>> + Send>>;

/// Whoever answers requests: the network, or a script. A value that is handed down, so that a test of a runbook never
/// reaches a server.
#[derive(Clone)]
pub struct Client(Arc<dyn Fn(Request, Limits) -> Answering + Send + Sync>);

impl Client {
    /// One that answers by itself.
    pub fn new(answers: impl Fn(Request, Limits) -> Answering + Send + Sync + 'static) -> Self {
        Self(Arc::new(answers))
    }

    /// [`fetch`] over the network.
    pub fn network(tls: Tls) -> Self {
        Self::new(move |request, limits| {
            let tls = tls.clone();
            Box::pin(async move { fetch(&request, &tls, limits).await })
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// As [`fetch`].
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Response, HttpError> {
        (self.0)(request, limits).await
    }
}
