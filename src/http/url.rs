//! The URLs this client can ask: `http://host:port/path?query`.
//!
//! Owns: reading them strictly. Must not: resolve names or decode what the server reads.

use std::fmt;
use std::net::Ipv6Addr;

/// A longer one is a mistake.
const MAX_LEN: usize = 8 * 1024;

/// Plain or TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

/// A URL that can be asked. Path and query may hold a token: neither `Debug` nor `Display` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port, also where none was written.
    pub port: u16,
    /// Path and query, as they are sent; begins with `/`.
    pub path: String,
}

/// What is wrong with a URL, without repeating it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} (character {at} of the URL)")]
pub struct UrlError {
    /// From 1.
    pub at: usize,
    /// What is wrong.
    pub why: String,
}

fn wrong<T>(at: usize, why: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError {
        at: at + 1,
        why: why.into(),
    })
}

impl Url {
    /// Reads a URL. A fragment is dropped, as it is never sent.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_LEN {
            return wrong(MAX_LEN, "a URL may have 8 KiB");
        }
        if let Some((at, letter)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic()) {
            return wrong(
                at,
                format!("{letter:?} must be written with % and its bytes, in a host name as xn--…"),
            );
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong(0, "a URL begins with http:// or https://");
        };
        let (scheme, standard) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            _ => return wrong(0, "only http and https can be asked"),
        };
        let start = text.len() - rest.len();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return wrong(
                start,
                "a name or password does not belong into a URL: send it in a header",
            );
        }
        let (host, port) = host_and_port(authority, start)?;
        let path = path.split('#').next().unwrap_or("");
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(standard),
            path: format!("{slash}{path}"),
        })
    }

    /// Host and port as the `Host` header has them.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// True if both are asked over the same connection.
    pub fn same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

fn host_and_port(authority: &str, start: usize) -> Result<(String, Option<u16>), UrlError> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let Some((address, rest)) = inner.split_once(']') else {
                return wrong(start, "the bracket is never closed");
            };
            let Ok(address) = address.parse::<Ipv6Addr>() else {
                return wrong(start + 1, "this is no IPv6 address");
            };
            (address.to_string(), rest)
        }
        None => {
            let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            if rest.matches(':').count() > 1 {
                return wrong(start, "an IPv6 address stands in brackets: [::1]");
            }
            let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if host.is_empty() || host.len() > 253 {
                return wrong(start, "the host is missing or too long");
            }
            if let Some(at) = host.bytes().position(|b| !letters(b)) {
                return wrong(start + at, "this does not belong into a host name");
            }
            (host.to_ascii_lowercase(), rest)
        }
    };
    let port_at = start + authority.len() - rest.len();
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return wrong(port_at, "only a port may follow the bracket"),
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(port),
            _ => return wrong(port_at + 1, "a port is a number from 1 to 65535"),
        },
    };
    Ok((host, port))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self}/…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_taken_apart() {
        for (text, host, port, path, authority) in [
            ("http://web1", "web1", 80, "/", "web1"),
            (
                "HTTPS://Web1.Example.com/a?b=c#d",
                "web1.example.com",
                443,
                "/a?b=c",
                "web1.example.com",
            ),
            ("http://web1:8080?x", "web1", 8080, "/?x", "web1:8080"),
            ("http://web1:443/", "web1", 443, "/", "web1:443"),
            ("https://[2001:DB8::1]/x", "2001:db8::1", 443, "/x", "[2001:db8::1]"),
            ("https://[::1]:8443/a@b:c", "::1", 8443, "/a@b:c", "[::1]:8443"),
            ("http://127.0.0.1#x", "127.0.0.1", 80, "/", "127.0.0.1"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.path.as_str()),
                (host, port, path),
                "{text}"
            );
            assert_eq!(url.authority(), authority);
        }
    }

    #[test]
    fn wrong_urls_are_refused_with_the_place() {
        for (text, at) in [
            ("", 1),
            ("web1/x", 1),
            ("ftp://web1", 1),
            ("http://", 8),
            ("http:///x", 8),
            ("http://user:pw@web1/", 8),
            ("http://we b1/", 10),
            ("http://web1/\r\nX: y", 13),
            ("http://wéb1/", 9),
            ("http://we\\b1/", 10),
            ("http://web1:0/", 13),
            ("http://web1:65536/", 13),
            ("http://web1:+80/", 13),
            ("http://web1:/", 13),
            ("http://::1/", 8),
            ("http://[::1/", 8),
            ("http://[::g]/", 9),
            ("http://[::1]x/", 13),
            ("http://[fe80::1%25eth0]/", 9),
        ] {
            assert_eq!(Url::parse(text).map_err(|error| error.at), Err(at), "{text}");
        }
        assert!(Url::parse(&format!("http://web1/{}", "x".repeat(MAX_LEN))).is_err());
    }

    #[test]
    fn a_token_in_a_url_is_not_shown() {
        let url = Url::parse("https://chat.example.com/hooks/T0K3N?key=T0K3N").unwrap();
        assert!(!format!("{url} {url:?}").contains("T0K3N"));
    }
}
