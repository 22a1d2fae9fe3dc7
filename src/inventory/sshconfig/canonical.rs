//! The canonical form of a host: addresses by themselves, names only where the DNS need not be asked.
//!
//! Owns: when `CanonicalizeHostname` would act. Must not: ask the DNS.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::found::{Canonicalize, Found};
use crate::diag::{Diagnostic, Diagnostics};

/// OpenSSH's default of `CanonicalizeMaxDots`.
const MAX_DOTS: u32 = 1;

/// The host as OpenSSH goes on with it. `None`: the DNS would have to be asked; told in `diags`.
pub(super) fn canonical(found: &Found, host: String, diags: &mut Diagnostics) -> Option<String> {
    if let Some(address) = address(&host) {
        return Some(address);
    }
    let host = host.to_ascii_lowercase();
    let mode = found.canonicalize.as_ref().map(|c| c.value).unwrap_or_default();
    let asked = found.direct() || mode == Canonicalize::Always;
    if !asked || host.contains([':', '%']) {
        return Some(host);
    }
    let cnames = found.cnames.first().filter(|c| !c.eq_ignore_ascii_case("none"));
    let dots = host.matches('.').count();
    let most = found.max_dots.as_ref().map_or(MAX_DOTS, |m| m.value);
    let few = host.ends_with('.') || u32::try_from(dots).is_ok_and(|dots| dots <= most);
    let domains = found.domains.first().filter(|d| !d.eq_ignore_ascii_case("none"));
    let strict = found.fallback.as_ref().filter(|f| !f.value).map(|f| &f.span);
    let looked_up = (mode != Canonicalize::No && few)
        .then(|| {
            domains
                .map(|d| &d.span)
                .or(strict)
                .or(host.ends_with('.').then_some(&found.canonicalize.as_ref()?.span))
        })
        .flatten();
    let Some(place) = looked_up.or(cnames.map(|c| &c.span)) else {
        return Some(host);
    };
    let d = Diagnostic::error(
        "PS0461",
        format!("ssh would ask the DNS which host `{host}` is"),
        place.clone(),
        "this is not done here",
    );
    diags.push(d.help(format!(
        "write `HostName` for it, or `CanonicalizeHostname no` in a block before: `Host {host}`"
    )));
    None
}

/// The usual form of an address; `None`: a name.
fn address(host: &str) -> Option<String> {
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return Some(v4.to_string());
    }
    let (bare, scope) = match host.split_once('%') {
        Some((bare, scope)) => (bare, format!("%{scope}")),
        None => (host, String::new()),
    };
    if let Ok(v6) = bare.parse::<Ipv6Addr>() {
        return Some(format!("{v6}{scope}"));
    }
    short_v4(host).map(|v4| v4.to_string())
}

/// `127.1`, `0x7f000001`, `0177.0.0.1`: what the C library takes for an address too.
fn short_v4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(part).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|p| *p > 255) {
        return None;
    }
    let left = 4 - first.len();
    let fits = left == 4 || u64::from(*last) < 1_u64 << (8 * left);
    let mut whole = *last;
    for (n, part) in first.iter().enumerate() {
        whole |= part << (24 - 8 * n);
    }
    fits.then(|| Ipv4Addr::from(whole))
}

fn part(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
        _ => text
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for (text, form) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("127.1", Some("127.0.0.1")),
            ("10.1.258", Some("10.1.1.2")),
            ("0x7f000001", Some("127.0.0.1")),
            ("0177.0.0.01", Some("127.0.0.1")),
            ("123", Some("0.0.0.123")),
            ("2001:DB8:0::1", Some("2001:db8::1")),
            ("fe80::1%eth0", Some("fe80::1%eth0")),
            ("1.2.3.4.5", None),
            ("256.1.1.1", None),
            ("1.2.3.", None),
            ("web1", None),
            ("+1", None),
            ("", None),
        ] {
            assert_eq!(address(text).as_deref(), form, "{text}");
        }
    }
}
