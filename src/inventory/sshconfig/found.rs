//! What the files say for one host so far: the first value of each keyword wins.
//!
//! Owns: taking a value that a line gives. Must not: walk over lines, expand tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Asked;
use super::hop::{self, Hop};
use super::keyword::Taken;
use super::settings::Family;
use crate::diag::{Diagnostic, Source, Span, Spanned};

/// OpenSSH's own limits.
const MOST_IDENTITIES: usize = 100;
const MOST_FILES: usize = 32;
const MOST_DOMAINS: usize = 32;

type Slot<T> = Option<Spanned<T>>;

/// How a host is gone to, if not directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    /// A command whose input and output is the connection; `none` is none.
    Command(String),
    /// Over these; none: directly.
    Jump(Vec<Hop>),
}

/// `CanonicalizeHostname`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Canonicalize {
    #[default]
    No,
    Yes,
    Always,
}

/// Values as they are written; tokens are expanded when all is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) hostname: Slot<String>,
    pub(super) port: Slot<u16>,
    pub(super) user: Slot<String>,
    pub(super) identities: Vec<Spanned<String>>,
    pub(super) certificates: Vec<Spanned<String>>,
    pub(super) identities_only: Slot<bool>,
    pub(super) agent: Slot<String>,
    pub(super) alias: Slot<String>,
    pub(super) proxy: Slot<Proxy>,
    pub(super) user_known: Vec<Spanned<String>>,
    pub(super) global_known: Vec<Spanned<String>>,
    pub(super) connect_timeout: Slot<Duration>,
    pub(super) family: Slot<Family>,
    pub(super) bind: Slot<String>,
    pub(super) public_key: Slot<bool>,
    pub(super) password: Slot<bool>,
    pub(super) interactive: Slot<bool>,
    pub(super) preferred: Slot<String>,
    pub(super) tag: Slot<String>,
    pub(super) canonicalize: Slot<Canonicalize>,
    pub(super) max_dots: Slot<u32>,
    pub(super) fallback: Slot<bool>,
    pub(super) domains: Vec<Spanned<String>>,
    pub(super) cnames: Vec<Spanned<String>>,
    pub(super) ignore_unknown: Slot<String>,
    /// Keywords that are refused, each with its first value and the help.
    pub(super) refused: BTreeMap<String, (Spanned<String>, &'static str, &'static str)>,
}

impl Found {
    /// What is said already.
    pub(super) fn of(asked: &Asked<'_>) -> Self {
        let nowhere = Span::new(&Source::new("inventory", ""), 0, 0);
        let said = |text: &str| Spanned::new(text.to_owned(), nowhere.clone());
        Self {
            hostname: asked.address.map(|a| said(&a.replace('%', "%%"))),
            port: asked.port.map(|p| Spanned::new(p, nowhere.clone())),
            user: asked.user.map(said),
            proxy: asked
                .jump
                .map(|j| Spanned::new(Proxy::Jump(j.to_vec()), nowhere.clone())),
            ..Self::default()
        }
    }

    pub(super) fn canonicalizes(&self) -> bool {
        self.canonicalize.as_ref().is_some_and(|c| c.value != Canonicalize::No)
    }

    /// True if no bastion and no command is in between.
    pub(super) fn direct(&self) -> bool {
        match self.proxy.as_ref().map(|p| &p.value) {
            None => true,
            Some(Proxy::Command(command)) => command.eq_ignore_ascii_case("none"),
            Some(Proxy::Jump(hops)) => hops.is_empty(),
        }
    }

    /// From here on `HostName` is this.
    pub(super) fn settle_host(&mut self, host: &str) {
        let span = self.hostname.as_ref().map(|h| h.span.clone());
        let span = span.unwrap_or_else(|| Span::new(&Source::new("inventory", ""), 0, 0));
        self.hostname = Some(Spanned::new(host.to_owned(), span));
    }

    /// Takes what a line says, if its block is `active`. A value that cannot be read is told in any case.
    pub(super) fn take(&mut self, keyword: Taken, line: &Words<'_>, active: bool) -> Result<(), Wrong> {
        match keyword {
            Taken::Hostname => once(&mut self.hostname, active, line.text()?),
            Taken::User => once(&mut self.user, active, line.text()?),
            Taken::HostKeyAlias => once(&mut self.alias, active, line.text()?),
            Taken::BindAddress => once(&mut self.bind, active, line.text()?),
            Taken::IdentityAgent => once(&mut self.agent, active, line.text()?),
            Taken::PreferredAuthentications => once(&mut self.preferred, active, line.text()?),
            Taken::Tag => once(&mut self.tag, active, line.text()?),
            Taken::Port => once(&mut self.port, active, line.one(hop::number, "a port is 1 to 65535")?),
            Taken::ConnectTimeout => {
                let limit = line.one(time, TIME)?;
                // `none` says nothing: a later line still counts.
                once(
                    &mut self.connect_timeout,
                    active && limit.is_some(),
                    limit.map(Option::unwrap_or_default),
                );
            }
            Taken::CanonicalizeMaxDots => once(
                &mut self.max_dots,
                active,
                line.one(|t| t.parse().ok(), "write a number")?,
            ),
            Taken::AddressFamily => once(&mut self.family, active, line.one(family, "write any, inet or inet6")?),
            Taken::CanonicalizeHostname => {
                once(
                    &mut self.canonicalize,
                    active,
                    line.one(canonicalize, "write yes, no or always")?,
                );
            }
            Taken::CanonicalizeFallbackLocal => once(&mut self.fallback, active, line.one(flag, FLAG)?),
            Taken::IdentitiesOnly => once(&mut self.identities_only, active, line.one(flag, FLAG)?),
            Taken::PasswordAuthentication => once(&mut self.password, active, line.one(flag, FLAG)?),
            Taken::KbdInteractiveAuthentication => once(&mut self.interactive, active, line.one(flag, FLAG)?),
            Taken::PubkeyAuthentication => {
                once(
                    &mut self.public_key,
                    active,
                    line.one(public_key, "write yes, no, unbound or host-bound")?,
                );
            }
            Taken::IdentityFile => several(&mut self.identities, active, line.text()?, MOST_IDENTITIES)?,
            Taken::CertificateFile => several(&mut self.certificates, active, line.text()?, MOST_IDENTITIES)?,
            Taken::UserKnownHostsFile => list(&mut self.user_known, active, line.all()?, MOST_FILES)?,
            Taken::GlobalKnownHostsFile => list(&mut self.global_known, active, line.all()?, MOST_FILES)?,
            Taken::CanonicalDomains => {
                let domains = line.all()?;
                if let Some(wrong) = domains.iter().find(|d| !hop::is_domain(d)) {
                    return Err(Wrong::value(wrong, "write a domain, as example.com"));
                }
                list(&mut self.domains, active, domains, MOST_DOMAINS)?;
            }
            Taken::CanonicalizePermittedCnames => {
                let cnames = line.all()?;
                let good = |c: &str| {
                    c == "*" || c.eq_ignore_ascii_case("none") || c.split_once(':').is_some_and(|(_, t)| !t.is_empty())
                };
                if let Some(wrong) = cnames.iter().find(|c| !good(c)) {
                    return Err(Wrong::value(wrong, "write SOURCES:TARGETS, `*` or none"));
                }
                list(&mut self.cnames, active, cnames, MOST_DOMAINS)?;
            }
            Taken::ProxyCommand => {
                let command = line.whole()?.map(Proxy::Command);
                once(&mut self.proxy, active, command);
            }
            Taken::ProxyJump => {
                let text = line.whole()?;
                let Some(hops) = hop::parse(&text) else {
                    return Err(Wrong {
                        code: "PS0462",
                        ..Wrong::value(
                            &text,
                            "write [USER@]HOST[:PORT], several with commas between them, or none",
                        )
                    });
                };
                once(&mut self.proxy, active, text.map(|_| Proxy::Jump(hops)));
            }
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Slot<T>, active: bool, value: Spanned<T>) {
    if active && slot.is_none() {
        *slot = Some(value);
    }
}

/// Of these every line counts; repeats are left out.
fn several(list: &mut Vec<Spanned<String>>, active: bool, value: Spanned<String>, most: usize) -> Result<(), Wrong> {
    if !active || list.iter().any(|v| v.value == value.value) {
        return Ok(());
    }
    if list.len() >= most {
        return Err(Wrong::value(&value, "these are too many"));
    }
    list.push(value);
    Ok(())
}

/// Of these the first line counts, with all its values. `none` stands alone.
fn list(slot: &mut Vec<Spanned<String>>, active: bool, values: Vec<Spanned<String>>, most: usize) -> Result<(), Wrong> {
    let none = values.iter().find(|v| v.eq_ignore_ascii_case("none"));
    if let (Some(none), true) = (none, values.len() > 1) {
        return Err(Wrong::value(none, "`none` stands alone"));
    }
    if active && slot.is_empty() {
        if let Some(over) = values.get(most) {
            return Err(Wrong::value(over, "these are too many"));
        }
        *slot = values;
    }
    Ok(())
}

/// What is wrong with a line.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) code: &'static str,
    pub(super) span: Span,
    pub(super) why: String,
    pub(super) help: &'static str,
}

impl Wrong {
    pub(super) fn value(written: &Spanned<String>, help: &'static str) -> Self {
        Self {
            code: "PS0454",
            span: written.span.clone(),
            why: format!("cannot be `{}`", written.value),
            help,
        }
    }

    /// As a diagnostic about a keyword.
    pub(super) fn of(self, keyword: &Spanned<String>) -> Diagnostic {
        let name = if keyword.span.text().is_empty() {
            &keyword.value
        } else {
            keyword.span.text()
        };
        let d = Diagnostic::error(
            self.code,
            format!("`{name}` {}", self.why),
            self.span,
            "ssh refuses this too",
        );
        d.help(self.help)
    }
}

/// The arguments of a line.
pub(super) struct Words<'a> {
    pub(super) keyword: &'a Spanned<String>,
    pub(super) args: &'a [Spanned<String>],
    pub(super) rest: &'a Spanned<String>,
}

impl Words<'_> {
    fn line(&self, span: &Span, why: &str, help: &'static str) -> Wrong {
        Wrong {
            code: "PS0453",
            span: span.clone(),
            why: why.to_owned(),
            help,
        }
    }

    /// The one argument.
    pub(super) fn text(&self) -> Result<Spanned<String>, Wrong> {
        match self.args {
            [one] if !one.value.is_empty() => Ok(one.clone()),
            [_, more, ..] => Err(self.line(&more.span, "takes one argument", "put quotes round it if it has spaces")),
            _ => Err(self.line(&self.keyword.span, "has no argument", "write one, or take the line out")),
        }
    }

    fn one<T>(&self, read: impl Fn(&str) -> Option<T>, help: &'static str) -> Result<Spanned<T>, Wrong> {
        let text = self.text()?;
        let value = read(&text).ok_or_else(|| Wrong::value(&text, help))?;
        Ok(Spanned::new(value, text.span))
    }

    /// All arguments; none of them may be empty.
    pub(super) fn all(&self) -> Result<Vec<Spanned<String>>, Wrong> {
        match self.args.iter().find(|a| a.value.is_empty()) {
            Some(empty) => Err(self.line(&empty.span, "has an empty argument", "take it out")),
            None => Ok(self.args.to_vec()),
        }
    }

    /// The rest of the line as it stands.
    fn whole(&self) -> Result<Spanned<String>, Wrong> {
        if self.rest.value.is_empty() {
            return Err(self.line(&self.keyword.span, "has no argument", "write one, or take the line out"));
        }
        let begins = self.rest.value.trim_start_matches([' ', '\t', '\r', '\n', '=']);
        let cut = self.rest.value.len() - begins.len();
        let span = Span::new(&self.rest.span.source, self.rest.span.start + cut, self.rest.span.end);
        Ok(Spanned::new(begins.to_owned(), span))
    }
}

const FLAG: &str = "write yes or no";
const TIME: &str = "write seconds, or a time as 1m30s";

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

fn public_key(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "unbound" | "host-bound" => Some(true),
        other => flag(other),
    }
}

fn family(text: &str) -> Option<Family> {
    match text.to_ascii_lowercase().as_str() {
        "any" => Some(Family::Any),
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => None,
    }
}

fn canonicalize(text: &str) -> Option<Canonicalize> {
    match text.to_ascii_lowercase().as_str() {
        "always" => Some(Canonicalize::Always),
        other => flag(other).map(|yes| if yes { Canonicalize::Yes } else { Canonicalize::No }),
    }
}

/// `90`, `1m30s`; zero is no limit, `none` no answer.
fn time(text: &str) -> Option<Option<Duration>> {
    if text == "none" {
        return Some(None);
    }
    let (mut total, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    if !digits.is_empty() {
        total = total.checked_add(digits.parse().ok()?)?;
    }
    (!text.is_empty() && total <= 0x7fff_ffff).then(|| Some(Duration::from_secs(total)))
}
