//! A request, its answer, and the ways in which there is none.
//!
//! Owns: these types, and the check that a request is one request. Must not: send anything.

use std::fmt;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method};

use super::url::Url;
use crate::secret::Secret;

/// Headers that say where a message ends or what becomes of the connection: they are the client's own.
const OWN: [&str; 7] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where to.
    pub url: Url,
    /// Headers; every value may be a secret.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Option<Body>,
    /// For the whole exchange; else the connection's limit.
    pub timeout: Option<Duration>,
}

/// A request's body; it is never printed.
#[derive(Clone)]
pub enum Body {
    /// Text, which may be or hold a secret.
    Text(Secret),
    /// Any bytes.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[body]")
    }
}

/// A whole answer. It was said by a host: data, never a template.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 404, …
    pub status: u16,
    /// Names in lower case, in the order received; bytes that are no UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request cannot be sent as it is written.
    #[error("this request cannot be sent: {why}")]
    Invalid {
        /// Why.
        why: String,
    },
    /// Not one byte of the request was sent.
    #[error("nothing was sent to {server}: {why}")]
    NotSent {
        /// Scheme, host and port.
        server: String,
        /// Why.
        why: String,
        /// A limit was over, rather than a refusal.
        timed_out: bool,
    },
    /// It was sent, at least in part, and the answer was not complete in time.
    #[error("{server} gave no whole answer within {} s; the request was sent", after.as_secs_f32())]
    TimedOut {
        /// Scheme, host and port.
        server: String,
        /// The status, if that much came.
        status: Option<u16>,
        /// The limit.
        after: Duration,
    },
    /// It was sent, at least in part, and the connection ended before the answer did.
    #[error("the connection to {server} ended before the answer did: {why}")]
    Cut {
        /// Scheme, host and port.
        server: String,
        /// The status, if that much came.
        status: Option<u16>,
        /// Why.
        why: String,
    },
    /// An answer came that is too large or is no HTTP.
    #[error("{server} gave an answer that cannot be read: {why}")]
    BadAnswer {
        /// Scheme, host and port.
        server: String,
        /// The status, if that much could be read.
        status: Option<u16>,
        /// Why.
        why: String,
    },
}

impl HttpError {
    /// True if the server may have acted on the request: then the outcome of a changing one is unknown.
    pub fn may_have_acted(&self) -> bool {
        !matches!(self, Self::Invalid { .. } | Self::NotSent { .. })
    }
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: impl Into<String>, url: Url) -> Self {
        Self {
            method: method.into(),
            url,
            headers: Vec::new(),
            body: None,
            timeout: None,
        }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    /// The form that is sent; it cannot be more than one request.
    pub(super) fn to_hyper(&self) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
        let invalid = |why: String| HttpError::Invalid { why };
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| invalid(format!("{:?} is no method", self.method)))?;
        if method == Method::CONNECT {
            return Err(invalid("CONNECT is not supported".to_owned()));
        }
        let body = match &self.body {
            None => Bytes::new(),
            Some(Body::Text(text)) => Bytes::copy_from_slice(text.expose().as_bytes()),
            Some(Body::Bytes(bytes)) => Bytes::copy_from_slice(bytes),
        };
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(self.url.path.as_str())
            .body(Full::new(body))
            .map_err(|_| invalid("the path of the URL has a character that must be written with %".to_owned()))?;
        *request.headers_mut() = self.header_map()?;
        Ok(request)
    }

    fn header_map(&self) -> Result<HeaderMap, HttpError> {
        let invalid = |why: String| HttpError::Invalid { why };
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(format!("{name:?} is no header")))?;
            if OWN.contains(&name.as_str()) {
                return Err(invalid(format!("the header {name} is set by pitstop itself")));
            }
            if name == HOST && map.contains_key(HOST) {
                return Err(invalid("the header host stands there twice".to_owned()));
            }
            // The value is not repeated in the message: it may be a secret.
            let mut value = HeaderValue::from_bytes(value.expose().as_bytes())
                .map_err(|_| invalid(format!("the header {name} has a line end or control character in it")))?;
            value.set_sensitive(true);
            map.append(name, value);
        }
        if !map.contains_key(HOST) {
            let host = HeaderValue::from_str(&self.url.authority())
                .map_err(|_| invalid("the host of the URL is no host".to_owned()))?;
            map.insert(HOST, host);
        }
        let agent = HeaderValue::from_static(concat!("pitstop/", env!("CARGO_PKG_VERSION")));
        map.entry(USER_AGENT).or_insert(agent);
        Ok(map)
    }
}
