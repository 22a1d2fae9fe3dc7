//! One connection: opened, used for one request after the other, and dead after the first that went wrong.
//!
//! Owns: the socket, the one clock of an exchange, and the count of bytes written, which tells "not sent" from "unknown".
//! Must not: open itself again or send anything twice.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONNECTION, HeaderValue};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Limits;
use super::exchange::{HttpError, Request, Response};
use super::tls::Tls;
use super::url::{Scheme, Url};

/// hyper panics below this.
const MIN_HEAD: usize = 8 * 1024;

/// A connection to one server. It lives in the task that uses it: dropped, it is closed.
pub struct Connection {
    url: Url,
    limits: Limits,
    live: Option<Live>,
}

struct Live {
    sender: SendRequest<Full<Bytes>>,
    /// hyper's half that reads and writes; `None` when it has ended.
    driver: Option<Driver>,
    written: Arc<AtomicU64>,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}, open: {})", self.url, self.is_open())
    }
}

impl Connection {
    /// Connects to the server of `url`, over TLS if it says so.
    ///
    /// # Errors
    /// Always [`HttpError::NotSent`].
    pub async fn open(url: &Url, tls: &Tls, limits: Limits) -> Result<Self, HttpError> {
        let not_sent = |why: String, timed_out: bool| HttpError::NotSent {
            server: url.to_string(),
            why,
            timed_out,
        };
        let stream = match timeout(limits.connect, dial(url, tls, limits.connect)).await {
            Ok(dialled) => dialled.map_err(|why| not_sent(why, false))?,
            Err(_) => {
                let seconds = limits.connect.as_secs_f32();
                return Err(not_sent(format!("no connection within {seconds} s"), true));
            }
        };
        let written = Arc::new(AtomicU64::new(0));
        let counted = TokioIo::new(Counted {
            stream,
            written: Arc::clone(&written),
        });
        let (sender, driver) = Builder::new()
            .max_headers(limits.headers)
            .max_buf_size(limits.head.max(MIN_HEAD))
            .max_header_size(limits.head)
            .handshake(counted)
            .await
            .map_err(|error| not_sent(error.to_string(), false))?;
        let driver: Driver = Box::pin(driver);
        Ok(Self {
            url: url.clone(),
            limits,
            live: Some(Live {
                sender,
                driver: Some(driver),
                written,
            }),
        })
    }

    /// False after an error, or when the server closed it.
    pub fn is_open(&self) -> bool {
        self.live
            .as_ref()
            .is_some_and(|live| live.driver.is_some() && !live.sender.is_closed())
    }

    /// Sends one request and reads the whole answer; the connection stays open if the server lets it.
    ///
    /// # Errors
    /// See [`HttpError`]; after any but [`HttpError::Invalid`] the connection is closed.
    pub async fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        let limit = request.timeout.unwrap_or(self.limits.request);
        self.exchange(request, request.to_hyper()?, limit).await
    }

    /// Sends `ready`, the form of `request`, and tells the server that nothing follows.
    pub(super) async fn send_last(
        &mut self,
        request: &Request,
        mut ready: hyper::Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response, HttpError> {
        ready
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        self.exchange(request, ready, limit).await
    }

    async fn exchange(
        &mut self,
        request: &Request,
        ready: hyper::Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response, HttpError> {
        if !self.url.same_server(&request.url) {
            let why = format!("it is for {}, the connection goes to {}", request.url, self.url);
            return Err(HttpError::Invalid { why });
        }
        // Taken out: whatever ends this function early, a future that is dropped included, leaves the connection closed.
        let Some(mut live) = self.live.take() else {
            return Err(self.not_sent("the connection is closed".to_owned(), false));
        };
        let before = live.written.load(Ordering::Relaxed);
        let mut status = None;
        let began = Instant::now();
        let result = timeout(limit, live.exchange(ready, self.limits, &mut status)).await;
        let sent = live.written.load(Ordering::Relaxed) > before;
        let server = self.url.to_string();
        match result {
            Ok(Ok(response)) => {
                if live.driver.is_some() {
                    self.live = Some(live);
                }
                Ok(response)
            }
            Ok(Err(Broken::Answer(why) | Broken::Cut(why))) if !sent => Err(self.not_sent(why, false)),
            Ok(Err(Broken::Answer(why))) => Err(HttpError::BadAnswer { server, status, why }),
            Ok(Err(Broken::Cut(why))) => Err(HttpError::Cut { server, status, why }),
            Err(_) if sent => Err(HttpError::TimedOut {
                server,
                status,
                after: limit,
            }),
            Err(_) => {
                let seconds = began.elapsed().as_secs_f32();
                Err(self.not_sent(format!("it could not be sent within {seconds} s"), true))
            }
        }
    }

    fn not_sent(&self, why: String, timed_out: bool) -> HttpError {
        HttpError::NotSent {
            server: self.url.to_string(),
            why,
            timed_out,
        }
    }
}

/// Why an exchange ended early.
enum Broken {
    /// No more bytes come.
    Cut(String),
    /// The bytes that came are no answer we take.
    Answer(String),
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        let mut why = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            why = format!("{why}: {cause}");
        }
        if error.is_parse() {
            Self::Answer(why)
        } else {
            Self::Cut(why)
        }
    }
}

impl Live {
    async fn exchange(
        &mut self,
        request: hyper::Request<Full<Bytes>>,
        limits: Limits,
        status: &mut Option<u16>,
    ) -> Result<Response, Broken> {
        let Self { sender, driver, .. } = self;
        // The driver goes first, so that a connection the server has closed meanwhile is noticed before anything is sent.
        alongside(driver, sender.ready()).await?;
        let answer = alongside(driver, sender.send_request(request)).await?;
        *status = Some(answer.status().as_u16());
        let (head, mut body) = answer.into_parts();
        let body = read_body(driver, &mut body, limits.body).await?;
        let headers = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body,
        })
    }
}

async fn read_body(driver: &mut Option<Driver>, body: &mut Incoming, limit: usize) -> Result<Vec<u8>, Broken> {
    let too_large = || Broken::Answer(format!("its body is larger than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = alongside(driver, body.frame()).await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Runs `work` while the connection's own half is driven in the same task: no task of ours outlives the connection.
async fn alongside<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Some(running) = driver
            && running.as_mut().poll(cx).is_ready()
        {
            // Its error, if there is one, reaches `work` too.
            *driver = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn dial(url: &Url, tls: &Tls, limit: Duration) -> Result<Box<dyn Stream>, String> {
    let tcp = connect(url, limit).await?;
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    match url.scheme {
        Scheme::Http => Ok(Box::new(tcp)),
        Scheme::Https => {
            let name =
                ServerName::try_from(url.host.clone()).map_err(|_| "the host is no name TLS knows".to_owned())?;
            let connector = TlsConnector::from(tls.config()?);
            let stream = connector
                .connect(name, tcp)
                .await
                .map_err(|error| format!("TLS: {error}"))?;
            Ok(Box::new(stream))
        }
    }
}

/// Every address of the name in turn; each may take its share of the limit, so that a dead one does not eat it all.
async fn connect(url: &Url, limit: Duration) -> Result<TcpStream, String> {
    let found = lookup_host((url.host.as_str(), url.port)).await;
    let addresses: Vec<_> = found
        .map_err(|error| format!("the name cannot be resolved: {error}"))?
        .collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failed = "the name has no address".to_owned();
    for address in addresses {
        failed = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => format!("{address}: {error}"),
            Err(_) => format!("{address}: no answer"),
        };
    }
    Err(failed)
}

/// A stream that counts what was written to it.
struct Counted {
    stream: Box<dyn Stream>,
    written: Arc<AtomicU64>,
}

impl Counted {
    fn count(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &done {
            self.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        done
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
