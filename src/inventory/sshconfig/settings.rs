//! What came of it: the settings of one connection, each with the place it was said at.
//!
//! Owns: tokens, defaults of OpenSSH that matter, and what cannot be honoured. Must not: read a file.

use std::path::PathBuf;
use std::time::Duration;

use super::Asked;
use super::expand::{About, Tokens};
use super::files::Operator;
use super::found::{Found, Proxy};
use super::hop::Hop;
use crate::diag::{Diagnostic, Diagnostics, Spanned};

/// `AddressFamily`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Any.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// `IdentityAgent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentAt {
    /// Not to be asked.
    Nowhere,
    /// What `SSH_AUTH_SOCK` says.
    Usual,
    /// This socket.
    Socket(PathBuf),
}

/// What the config says of a host. What it does not say is `None` or empty; what was [`Asked`] is not repeated.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where it goes: a name or an address.
    pub hostname: String,
    /// Where `HostName` was said.
    pub said_hostname: Option<Spanned<String>>,
    /// `Port`.
    pub port: Option<Spanned<u16>>,
    /// `User`.
    pub user: Option<Spanned<String>>,
    /// `IdentityFile`; `Some` and empty: `none`, no file at all.
    pub identity: Option<Vec<Spanned<PathBuf>>>,
    /// `CertificateFile`.
    pub certificates: Vec<Spanned<PathBuf>>,
    /// `IdentitiesOnly`.
    pub identities_only: Option<Spanned<bool>>,
    /// `IdentityAgent`.
    pub agent: Option<Spanned<AgentAt>>,
    /// `HostKeyAlias`.
    pub key_alias: Option<Spanned<String>>,
    /// `ProxyJump`, in the order they are gone through; `Some` and empty: `none`.
    pub jump: Option<Spanned<Vec<Hop>>>,
    /// `ProxyCommand` for `/bin/sh`, its tokens put in; not `none`, and not beside `ProxyJump`.
    pub proxy_command: Option<Spanned<String>>,
    /// `UserKnownHostsFile`; `Some` and empty: `none`.
    pub user_known_hosts: Option<Vec<Spanned<PathBuf>>>,
    /// `GlobalKnownHostsFile`; the same.
    pub global_known_hosts: Option<Vec<Spanned<PathBuf>>>,
    /// `ConnectTimeout`, if it is a limit.
    pub connect_timeout: Option<Spanned<Duration>>,
    /// `AddressFamily`.
    pub family: Option<Spanned<Family>>,
    /// `BindAddress`.
    pub bind: Option<Spanned<String>>,
    /// False: no key may be offered.
    pub public_key: Option<Spanned<bool>>,
    /// False: no password may be given.
    pub password: Option<Spanned<bool>>,
}

impl Settings {
    /// Everything that is said, for people: keyword, value, and the place.
    pub fn said(&self) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        let mut say = |name, value: String, span: &crate::diag::Span| out.push((name, value, place(span)));
        let paths = |list: &[Spanned<PathBuf>]| {
            let names: Vec<String> = list.iter().map(|p| p.display().to_string()).collect();
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        if let Some(v) = &self.said_hostname {
            say("HostName", self.hostname.clone(), &v.span);
        }
        if let Some(v) = &self.port {
            say("Port", v.value.to_string(), &v.span);
        }
        if let Some(v) = &self.user {
            say("User", v.value.clone(), &v.span);
        }
        if let Some(v) = &self.jump {
            let hops: Vec<&str> = v.value.iter().map(|h| h.host.as_str()).collect();
            let hops = if hops.is_empty() {
                "none".to_owned()
            } else {
                hops.join(", ")
            };
            say("ProxyJump", hops, &v.span);
        }
        if let Some(v) = &self.proxy_command {
            say("ProxyCommand", v.value.clone(), &v.span);
        }
        if let Some(v) = self.identity.as_ref().and_then(|list| Some((list, list.first()?))) {
            say("IdentityFile", paths(v.0), &v.1.span);
        }
        if let Some(v) = self.certificates.first() {
            say("CertificateFile", paths(&self.certificates), &v.span);
        }
        if let Some(v) = &self.identities_only {
            say("IdentitiesOnly", yes(v.value), &v.span);
        }
        if let Some(v) = &self.agent {
            let agent = match &v.value {
                AgentAt::Nowhere => "none".to_owned(),
                AgentAt::Usual => "SSH_AUTH_SOCK".to_owned(),
                AgentAt::Socket(path) => path.display().to_string(),
            };
            say("IdentityAgent", agent, &v.span);
        }
        if let Some(v) = &self.key_alias {
            say("HostKeyAlias", v.value.clone(), &v.span);
        }
        for (name, list) in [
            ("UserKnownHostsFile", &self.user_known_hosts),
            ("GlobalKnownHostsFile", &self.global_known_hosts),
        ] {
            if let Some(first) = list.as_ref().and_then(|l| l.first()) {
                say(name, paths(list.as_deref().unwrap_or_default()), &first.span);
            }
        }
        if let Some(v) = &self.connect_timeout {
            say("ConnectTimeout", format!("{} s", v.value.as_secs()), &v.span);
        }
        if let Some(v) = self.family.as_ref().filter(|f| f.value != Family::Any) {
            let word = if v.value == Family::V4 { "inet" } else { "inet6" };
            say("AddressFamily", word.to_owned(), &v.span);
        }
        if let Some(v) = &self.bind {
            say("BindAddress", v.value.clone(), &v.span);
        }
        if let Some(v) = self.public_key.as_ref().filter(|v| !v.value) {
            say("PubkeyAuthentication", yes(v.value), &v.span);
        }
        if let Some(v) = self.password.as_ref().filter(|v| !v.value) {
            say("PasswordAuthentication", yes(v.value), &v.span);
        }
        out
    }
}

fn yes(value: bool) -> String {
    (if value { "yes" } else { "no" }).to_owned()
}

/// `FILE:LINE`.
fn place(span: &crate::diag::Span) -> String {
    format!("{}:{}", span.source.name, span.line_col().0)
}

/// The host after `HostName`.
pub(super) fn host_name(found: &Found, asked: &Asked<'_>, diags: &mut Diagnostics) -> Option<String> {
    let Some(written) = &found.hostname else {
        return Some(asked.host.to_owned());
    };
    match Tokens::host_only(asked.host).expand(written, None) {
        Ok(host) => Some(host),
        Err(why) => {
            diags.push(token(written, &why));
            None
        }
    }
}

fn token(written: &Spanned<String>, why: &str) -> Diagnostic {
    Diagnostic::error(
        "PS0460",
        format!("cannot use `{}`: {why}", written.value),
        written.span.clone(),
        "ssh refuses this too",
    )
    .help("tokens are %%, %h, %n, %p, %r, %u, %d, %i, %k, %l, %L, %j and %C; variables are written ${NAME}")
}

/// Judges and expands. `host` is the final one.
pub(super) fn finish(
    found: Found,
    asked: &Asked<'_>,
    host: String,
    operator: &Operator,
    diags: &mut Diagnostics,
) -> Option<Settings> {
    refused(&found, asked, diags);
    let login = found.user.as_ref().map_or(operator.user.clone(), |u| u.value.clone());
    let alias = found.alias.as_ref().map(|a| a.value.to_ascii_lowercase());
    let hops: &[Hop] = match found.proxy.as_ref().map(|p| &p.value) {
        Some(Proxy::Jump(hops)) => hops,
        _ => &[],
    };
    let mut about = About {
        host: &host,
        original: asked.host,
        port: found.port.as_ref().map_or(22, |p| p.value),
        user: &login,
        alias: alias.as_deref(),
        jump: hops.last().map_or("", |h| h.host.as_str()),
    };
    let mut x = Expander {
        tokens: Tokens::all(operator, &about),
        operator,
        diags,
    };
    let user = match found.user.filter(|_| asked.user.is_none()) {
        Some(written) if written.value.contains(['%', '$']) => Some(x.text(&written)?),
        other => other,
    };
    if let Some(user) = &user {
        about.user = &user.value;
        x.tokens = Tokens::all(operator, &about);
    }
    let proxy_command = match &found.proxy {
        Some(Spanned {
            value: Proxy::Command(text),
            span,
        }) if asked.jump.is_none() && !text.eq_ignore_ascii_case("none") => {
            Some(x.command(&Spanned::new(text.clone(), span.clone()), &about)?)
        }
        _ => None,
    };
    let jump = match found.proxy.filter(|_| asked.jump.is_none()) {
        Some(Spanned {
            value: Proxy::Jump(hops),
            span,
        }) => {
            let hops = hops
                .into_iter()
                .map(|h| x.hop(h, &span))
                .collect::<Option<Vec<Hop>>>()?;
            Some(Spanned::new(hops, span))
        }
        _ => None,
    };
    let settings = Settings {
        said_hostname: found
            .hostname
            .filter(|_| asked.address.is_none())
            .filter(|h| !h.span.source.text.is_empty()),
        port: found.port.filter(|_| asked.port.is_none()),
        identity: x.identities(found.identities)?,
        certificates: x.paths(found.certificates, true)?,
        identities_only: found.identities_only,
        agent: match found.agent {
            Some(written) => Some(x.agent(written)?),
            None => None,
        },
        key_alias: found.alias.map(|a| a.map(|a| a.to_ascii_lowercase())),
        jump,
        proxy_command,
        user_known_hosts: x.known(found.user_known, true)?,
        global_known_hosts: x.known(found.global_known, false)?,
        connect_timeout: found.connect_timeout.filter(|t| !t.value.is_zero()),
        family: found.family,
        bind: found.bind,
        public_key: methods(found.public_key, found.preferred.as_ref(), &["publickey"]),
        password: passwords(found.password, found.interactive, found.preferred.as_ref()),
        user,
        hostname: host,
    };
    (usable(&settings, asked, diags) && !loops(&settings, asked, &login, diags)).then_some(settings)
}

/// False where the keyword says no, or the list of methods leaves it out.
fn methods(flag: Option<Spanned<bool>>, preferred: Option<&Spanned<String>>, names: &[&str]) -> Option<Spanned<bool>> {
    let left_out = preferred.filter(|list| !list.split(',').any(|m| names.contains(&m)));
    match (flag, left_out) {
        (Some(no), _) if !no.value => Some(no),
        (_, Some(list)) => Some(Spanned::new(false, list.span.clone())),
        (flag, None) => flag,
    }
}

/// A password goes in by either of two methods.
fn passwords(
    password: Option<Spanned<bool>>,
    interactive: Option<Spanned<bool>>,
    preferred: Option<&Spanned<String>>,
) -> Option<Spanned<bool>> {
    let both = interactive.is_some_and(|i| !i.value);
    methods(
        password.filter(|p| p.value || both),
        preferred,
        &["password", "keyboard-interactive"],
    )
}

/// What would change the connection and is not honoured.
fn refused(found: &Found, asked: &Asked<'_>, diags: &mut Diagnostics) {
    for (value, harmless, help) in found.refused.values() {
        let name = value.span.text();
        if value.value.eq_ignore_ascii_case(harmless) {
            continue;
        }
        let d = Diagnostic::error(
            "PS0459",
            format!(
                "`{name}` of the ssh config is not honoured, and `{}` would be reached otherwise than by ssh",
                asked.host
            ),
            value.span.clone(),
            "said for this host",
        );
        diags.push(
            d.help(*help)
                .help(format!("or say `{name} {harmless}` for it in a block before this one")),
        );
    }
}

/// Hosts and users reach lines of logs and reports: no control characters, no spaces, no leading dash.
fn usable(settings: &Settings, asked: &Asked<'_>, diags: &mut Diagnostics) -> bool {
    let bad = |text: &str| {
        text.is_empty()
            || text.starts_with('-')
            || text
                .chars()
                .any(|c| c.is_control() || c.is_whitespace() || c == '\u{fffd}')
    };
    let host = Some(&settings.hostname)
        .filter(|h| bad(h))
        .map(|h| ("HostName", h, &settings.said_hostname));
    let user = settings.user.as_ref().filter(|u| bad(&u.value));
    let (name, text, span) = match (host, user) {
        (Some((name, text, said)), _) => (name, text, said.as_ref().map(|s| s.span.clone())),
        (None, Some(user)) => ("User", &user.value, Some(user.span.clone())),
        (None, None) => return true,
    };
    let message = format!("`{name}` of `{}` cannot be `{text}`", asked.host);
    let d = match span {
        Some(span) => Diagnostic::error("PS0463", message, span, "not usable"),
        None => super::about("PS0463", asked.host, message, "not usable"),
    };
    diags.push(d.help("no spaces, no control characters, and no dash at the beginning"));
    false
}

/// A bastion that is the host itself.
fn loops(settings: &Settings, asked: &Asked<'_>, login: &str, diags: &mut Diagnostics) -> bool {
    let Some(jump) = &settings.jump else { return false };
    let Some(last) = jump.value.last() else { return false };
    let port = asked.port.or(settings.port.as_ref().map(|p| p.value)).unwrap_or(22);
    let user = last.user.as_deref().unwrap_or(login);
    if last.host != settings.hostname || last.port.unwrap_or(22) != port || user != login {
        return false;
    }
    let d = Diagnostic::error(
        "PS0462",
        format!("the way to `{}` goes over itself", asked.host),
        jump.span.clone(),
        "ssh refuses this too",
    );
    diags.push(d.help(format!(
        "say `ProxyJump none` in a block before this one: `Host {}`",
        asked.host
    )));
    true
}

struct Expander<'a> {
    tokens: Tokens,
    operator: &'a Operator,
    diags: &'a mut Diagnostics,
}

impl Expander<'_> {
    fn text(&mut self, written: &Spanned<String>) -> Option<Spanned<String>> {
        match self.tokens.expand(written, Some(&self.operator.env)) {
            Ok(text) => Some(Spanned::new(text, written.span.clone())),
            Err(why) => {
                self.diags.push(token(written, &why));
                None
            }
        }
    }

    fn path(&mut self, written: &Spanned<String>) -> Option<Spanned<PathBuf>> {
        let Some(whole) = self.operator.tilde(written) else {
            self.diags.push(token(written, "there is no such user"));
            return None;
        };
        let text = self.text(&Spanned::new(whole, written.span.clone()))?;
        Some(text.map(PathBuf::from))
    }

    fn paths(&mut self, written: Vec<Spanned<String>>, expand: bool) -> Option<Vec<Spanned<PathBuf>>> {
        let one = |w: Spanned<String>| {
            if expand {
                self.path(&w)
            } else {
                Some(w.map(PathBuf::from))
            }
        };
        written.into_iter().map(one).collect()
    }

    /// `ProxyCommand`: the tokens stand in it as they are, and a shell reads it. So none of them may be more than a plain word.
    fn command(&mut self, written: &Spanned<String>, about: &About<'_>) -> Option<Spanned<String>> {
        let plain = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || "._-:@+".contains(c));
        let words = [('h', about.host), ('n', about.original), ('r', about.user)];
        let used = |letter: char| written.contains(&format!("%{letter}"));
        if let Some((letter, word)) = words.iter().find(|(letter, word)| used(*letter) && !plain(word)) {
            let d = Diagnostic::error(
                "PS0458",
                format!("`{word}` goes into a `ProxyCommand`, and the shell would read more than a name in it"),
                written.span.clone(),
                format!("as %{letter}"),
            );
            self.diags.push(d.help(
                "give the host or the user a name of letters, digits, dots and dashes, with `HostName` or `User`",
            ));
            return None;
        }
        match Tokens::of_command(about).expand(written, None) {
            Ok(text) => Some(Spanned::new(text, written.span.clone())),
            Err(why) => {
                self.diags.push(token(written, &why));
                None
            }
        }
    }

    /// `none` among them is no file; when nothing is said there are the usual ones.
    fn identities(&mut self, mut written: Vec<Spanned<String>>) -> Option<Option<Vec<Spanned<PathBuf>>>> {
        if written.is_empty() {
            return Some(None);
        }
        written.retain(|w| !w.eq_ignore_ascii_case("none"));
        self.paths(written, true).map(Some)
    }

    fn known(&mut self, written: Vec<Spanned<String>>, expand: bool) -> Option<Option<Vec<Spanned<PathBuf>>>> {
        match written.first() {
            None => Some(None),
            Some(first) if first.eq_ignore_ascii_case("none") => Some(Some(Vec::new())),
            Some(_) => self.paths(written, expand).map(Some),
        }
    }

    /// `none`, `SSH_AUTH_SOCK`, `$NAME`, or a path.
    fn agent(&mut self, written: Spanned<String>) -> Option<Spanned<AgentAt>> {
        let path = self.path(&written)?;
        let text = path.value.to_string_lossy().into_owned();
        let agent = match text.strip_prefix('$') {
            _ if text.eq_ignore_ascii_case("none") => AgentAt::Nowhere,
            _ if text == "SSH_AUTH_SOCK" => AgentAt::Usual,
            Some(name) => match self.operator.env.get(name).filter(|v| !v.is_empty()) {
                Some(socket) => AgentAt::Socket(PathBuf::from(socket)),
                None => {
                    self.diags
                        .push(token(&written, &format!("the environment has no `{name}`")));
                    return None;
                }
            },
            None => AgentAt::Socket(path.value),
        };
        Some(Spanned::new(agent, written.span))
    }

    fn hop(&mut self, hop: Hop, span: &crate::diag::Span) -> Option<Hop> {
        let mut part = |text: String| match self.tokens.expand(&text, None) {
            Ok(text) => Some(text),
            Err(why) => {
                self.diags.push(token(&Spanned::new(text, span.clone()), &why));
                None
            }
        };
        Some(Hop {
            host: part(hop.host)?,
            user: match hop.user {
                Some(user) => Some(part(user)?),
                None => None,
            },
            port: hop.port,
        })
    }
}
