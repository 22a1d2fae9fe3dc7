//! Whom a project tells of its runs: monitoring that is kept quiet, and what sends messages.
//!
//! Owns: these keys of `pitstop.yml`. Must not: contact anybody, or judge a URL (whoever may name the HTTP client does).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretSource;
use super::fields::Fields;
use super::keys;
use super::lower::declare::secret_source;
use super::project::command;
use super::yaml::{Entry, NodeKind};
use crate::diag::{Diagnostic, Diagnostics, Spanned};

/// How long a silence is set where nothing is written.
const LASTS: Duration = Duration::from_secs(30 * 60);
/// A shorter one could end between two renewals.
const SHORTEST: Duration = Duration::from_secs(10);
/// A longer one would outlive a controller that died by too much.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// `silence` and `notify` of `pitstop.yml`.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// Monitoring by name.
    pub silencers: BTreeMap<String, Silencer>,
    /// What sends messages, by name.
    pub notifiers: BTreeMap<String, Notifier>,
}

/// Monitoring in which silences are set.
#[derive(Clone, Debug)]
pub struct Silencer {
    /// The URL of Alertmanager.
    pub alertmanager: Spanned<String>,
    /// Where its token comes from.
    pub token: Option<SecretSource>,
    /// How long a silence is set.
    pub lasts: Duration,
}

/// What sends a message.
#[derive(Clone, Debug)]
pub enum Notifier {
    /// An argument list.
    Command(Vec<String>),
    /// A web address.
    Hook(Hook, Address),
}

/// Who reads the body of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Anybody: pitstop's own JSON.
    Webhook,
    /// Slack's incoming webhooks.
    Slack,
    /// Workflows of Microsoft Teams.
    Teams,
}

impl Hook {
    /// Its key in `pitstop.yml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }
}

/// A URL.
#[derive(Clone, Debug)]
pub enum Address {
    /// As it is written.
    Written(Spanned<String>),
    /// A secret.
    Secret(SecretSource),
}

impl Outside {
    /// Reads both keys; what is wrong below them goes into `diags`.
    pub(super) fn read(f: &mut Fields<'_>, diags: &mut Diagnostics) -> Self {
        let mut outside = Self::default();
        for e in f.map("silence").unwrap_or_default() {
            if let Some(silencer) = silencer(e, diags) {
                outside.silencers.insert(e.key.value.clone(), silencer);
            }
        }
        for e in f.map("notify").unwrap_or_default() {
            let notifier = match e.value.kind {
                NodeKind::Map(_) => hook(e, diags),
                _ => match command(e, "notify") {
                    Ok(argv) => Some(Notifier::Command(argv)),
                    Err(d) => {
                        diags.push(d);
                        None
                    }
                },
            };
            if let Some(notifier) = notifier {
                outside.notifiers.insert(e.key.value.clone(), notifier);
            }
        }
        outside
    }

    /// Every URL that is written.
    pub fn urls(&self) -> impl Iterator<Item = &Spanned<String>> {
        let written = |n| match n {
            &Notifier::Hook(_, Address::Written(ref url)) => Some(url),
            _ => None,
        };
        let monitoring = self.silencers.values().map(|s| &s.alertmanager);
        monitoring.chain(self.notifiers.values().filter_map(written))
    }
}

fn silencer(e: &Entry, diags: &mut Diagnostics) -> Option<Silencer> {
    let mut f = Fields::of(&e.value, &keys::SILENCER, diags)?;
    let alertmanager = f.text("alertmanager");
    let lasts = f.duration("for");
    if let Some(wrong) = lasts.as_ref().filter(|d| !(SHORTEST..=LONGEST).contains(&d.value)) {
        let d = Diagnostic::error(
            "PS0532",
            "a silence is set for 10 s to 24 h",
            wrong.span.clone(),
            "this is out of these bounds",
        );
        f.complain(d.help("it is renewed while the run lives: write how long it may outlive a controller that died"));
    }
    let token = f.entry("token");
    f.finish(diags);
    Some(Silencer {
        alertmanager: alertmanager?,
        token: match token {
            Some(entry) => Some(secret_source(entry, diags)?),
            None => None,
        },
        lasts: lasts.map_or(LASTS, |d| d.value),
    })
}

fn hook(e: &Entry, diags: &mut Diagnostics) -> Option<Notifier> {
    let mut f = Fields::of(&e.value, &keys::HOOK, diags)?;
    f.exactly_one();
    let mut found = None;
    for kind in [Hook::Webhook, Hook::Slack, Hook::Teams] {
        let Some(entry) = f.entry(kind.as_str()) else { continue };
        found = Some((kind, entry));
    }
    f.finish(diags);
    let (kind, entry) = found?;
    // Whoever knows the URL of a Slack or Teams webhook may write there: it is a secret. One's own may be one.
    let address = match entry.value.kind {
        NodeKind::Scalar { .. } if kind == Hook::Webhook => match super::fields::text(&entry.value) {
            Ok(url) => Address::Written(url),
            Err(d) => {
                diags.push(d);
                return None;
            }
        },
        _ => Address::Secret(secret_source(entry, diags)?),
    };
    Some(Notifier::Hook(kind, address))
}
