//! `ProxyJump`: the bastions on the way, and how OpenSSH writes one.
//!
//! Owns: `[user@]host[:port]`, `ssh://` and lists of them. Must not: know the bastions' own settings.

/// A bastion, as the one who names it writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// As it would be typed after `ssh`.
    pub host: String,
    /// The login name there, if it is said.
    pub user: Option<String>,
    /// The port, if it is said.
    pub port: Option<u16>,
}

impl Hop {
    /// One bastion, as `ProxyJump` and the inventory's `jump` write it. `None`: not to be understood.
    pub fn parse(text: &str) -> Option<Self> {
        one(text)
    }
}

/// A list of bastions in the order they are gone through. Empty: `none`, no bastion. `None`: not to be understood.
pub(super) fn parse(text: &str) -> Option<Vec<Hop>> {
    let text = text
        .split('#')
        .next()
        .unwrap_or("")
        .trim_end_matches([' ', '\t', '\r', '\n']);
    if text.eq_ignore_ascii_case("none") {
        return Some(Vec::new());
    }
    text.split(',').map(one).collect()
}

/// One bastion.
fn one(text: &str) -> Option<Hop> {
    match text.strip_prefix("ssh://") {
        Some(rest) => uri(rest),
        None => {
            let (user, place) = match text.rsplit_once('@') {
                Some(("", _)) => return None,
                Some((user, place)) => (Some(user.to_owned()), place),
                None => (None, text),
            };
            let (host, port) = host_and_port(place)?;
            let port = match port.filter(|p| !p.is_empty()) {
                Some(p) => Some(number(p)?),
                None => None,
            };
            Some(Hop { host, user, port })
        }
    }
}

fn uri(text: &str) -> Option<Hop> {
    let (user, place) = match text.split_once('@') {
        Some((user, place)) => {
            let user = user.split(';').next().unwrap_or("");
            if user.is_empty() {
                return None;
            }
            (Some(unescape(user)?), place)
        }
        None => (None, text),
    };
    let (place, path) = match place.find('/') {
        // Inside brackets a slash is part of an address.
        Some(at) if !place.starts_with('[') || place.find(']').is_some_and(|close| close < at) => {
            (place.get(..at)?, place.get(at + 1..)?)
        }
        _ => (place, ""),
    };
    if !path.is_empty() {
        return None;
    }
    let (host, port) = host_and_port(place)?;
    let port = match port.filter(|p| !p.is_empty()) {
        Some(p) => Some(number(p)?),
        None => None,
    };
    is_domain(&host).then_some(Hop { host, user, port })
}

/// Host and what follows the colon; brackets round an address are taken off.
fn host_and_port(place: &str) -> Option<(String, Option<&str>)> {
    let (host, port) = if place.starts_with('[') {
        let close = place.find(']')?;
        let behind = place.get(close + 1..)?;
        let port = match behind.strip_prefix([':', '/']) {
            Some(port) => Some(port),
            None if behind.is_empty() => None,
            None => return None,
        };
        (place.get(1..close)?, port)
    } else {
        match place.find([':', '/']) {
            Some(at) => (place.get(..at)?, place.get(at + 1..)),
            None => (place, None),
        }
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// A port: 1 to 65535.
pub(super) fn number(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|p| *p > 0)
}

/// What may stand as a host in a URI.
pub(super) fn is_domain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(good) && !name.contains("..")
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(host: &str, user: Option<&str>, port: Option<u16>) -> Hop {
        Hop {
            host: host.to_owned(),
            user: user.map(str::to_owned),
            port,
        }
    }

    #[test]
    fn bastions_are_written_in_all_the_ways_of_openssh() {
        for (text, hops) in [
            ("none", vec![]),
            ("NONE # x", vec![]),
            ("jump", vec![hop("jump", None, None)]),
            ("anna@jump:2222", vec![hop("jump", Some("anna"), Some(2222))]),
            ("a@b@jump", vec![hop("jump", Some("a@b"), None)]),
            (
                "[2001:db8::1]:22,j2",
                vec![hop("2001:db8::1", None, Some(22)), hop("j2", None, None)],
            ),
            ("ssh://anna;x=y@jump:2200/", vec![hop("jump", Some("anna"), Some(2200))]),
            ("ssh://a%40b@jump", vec![hop("jump", Some("a@b"), None)]),
            ("jump:", vec![hop("jump", None, None)]),
        ] {
            assert_eq!(parse(text), Some(hops), "{text}");
        }
        for wrong in [
            "",
            "@jump",
            "jump:0",
            "jump:x",
            "jump:70000",
            "a,,b",
            "[::1",
            "[::1]x",
            "ssh://",
            "ssh://jump/path",
            "ssh://-x",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
