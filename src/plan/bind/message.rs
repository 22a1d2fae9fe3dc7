//! Silences and messages.
//!
//! Owns: how they are planned, and that what they go through is in `pitstop.yml`. Must not: send anything.

use std::collections::BTreeMap;

use super::{Binder, names};
use crate::diag::{Diagnostic, Spanned, nearest};
use crate::plan::{PlannedHook, PlannedNotice, PlannedNotifier, PlannedSilence, PlannedSilencer, SecretSource};
use crate::runbook::outside::{Address, Notifier};

/// Secrets by name.
type Secrets = BTreeMap<String, SecretSource>;
/// Commands of secret providers.
type Providers = BTreeMap<String, Vec<String>>;

impl Binder<'_, '_> {
    pub(super) fn silences(&self) -> Vec<PlannedSilence> {
        let silences = self.input.runbook.silences.iter().map(|s| {
            let mut texts = s.matchers.iter().map(|(_, text)| names::template_names(text));
            let by_host = texts.any(|reads| names::read_host(&reads));
            let matchers = s
                .matchers
                .iter()
                .map(|(name, text)| (name.value.clone(), text.value.clone()));
            PlannedSilence {
                via: s.via.value.clone(),
                matchers: matchers.collect(),
                by_host,
            }
        });
        silences.collect()
    }

    pub(super) fn notices(&self) -> Vec<PlannedNotice> {
        let notices = self.input.runbook.notices.iter().map(|notice| PlannedNotice {
            events: notice.events.clone(),
            via: notice.via.value.clone(),
        });
        notices.collect()
    }

    /// The monitoring that silences go through.
    pub(super) fn silencers(
        &mut self,
        secrets: &mut Secrets,
        providers: &mut Providers,
    ) -> BTreeMap<String, PlannedSilencer> {
        let (runbook, known) = (self.input.runbook, &self.input.outside.silencers);
        let mut used = BTreeMap::new();
        for silence in &runbook.silences {
            let via = &silence.via;
            let Some(silencer) = known.get(&via.value) else {
                let what = "no monitoring";
                let form = format!("silence: {{ {}: {{ alertmanager: URL }} }}", via.value);
                self.not_outside(
                    "PS0534",
                    what,
                    via,
                    "nothing would keep quiet",
                    known.keys().map(String::as_str),
                    &form,
                );
                continue;
            };
            let token = silencer.token.as_ref().map(|from| {
                self.provider(from, &via.span, providers);
                let name = format!("silence:{}", via.value);
                secrets.insert(name.clone(), from.clone());
                name
            });
            let planned = PlannedSilencer {
                alertmanager: silencer.alertmanager.value.clone(),
                token,
                for_ms: u64::try_from(silencer.lasts.as_millis()).unwrap_or(u64::MAX),
            };
            used.insert(via.value.clone(), planned);
        }
        used
    }

    /// What sends the messages.
    pub(super) fn notifiers(
        &mut self,
        secrets: &mut Secrets,
        providers: &mut Providers,
    ) -> BTreeMap<String, PlannedNotifier> {
        let (runbook, known) = (self.input.runbook, &self.input.outside.notifiers);
        let mut used = BTreeMap::new();
        for notice in &runbook.notices {
            let via = &notice.via;
            let planned = match known.get(&via.value) {
                Some(Notifier::Command(argv)) => PlannedNotifier::Command(argv.clone()),
                Some(Notifier::Hook(hook, Address::Written(url))) => PlannedNotifier::Hook(PlannedHook {
                    hook: *hook,
                    url: Some(url.value.clone()),
                    secret: None,
                }),
                Some(Notifier::Hook(hook, Address::Secret(from))) => {
                    self.provider(from, &via.span, providers);
                    let name = format!("notify:{}", via.value);
                    secrets.insert(name.clone(), from.clone());
                    PlannedNotifier::Hook(PlannedHook {
                        hook: *hook,
                        url: None,
                        secret: Some(name),
                    })
                }
                None => {
                    let form = format!("notify: {{ {}: [PROGRAM, ARGUMENT] }}", via.value);
                    self.not_outside(
                        "PS0231",
                        "no `notify`",
                        via,
                        "nothing would send this message",
                        known.keys().map(String::as_str),
                        &form,
                    );
                    continue;
                }
            };
            used.insert(via.value.clone(), planned);
        }
        used
    }

    fn not_outside<'k>(
        &mut self,
        code: &'static str,
        what: &str,
        via: &Spanned<String>,
        so: &'static str,
        known: impl Iterator<Item = &'k str>,
        form: &str,
    ) {
        let message = format!("pitstop.yml has {what} `{}`", via.value);
        let d = Diagnostic::error(code, message, via.span.clone(), so);
        self.diags.push(match nearest(via, known) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!("write `{form}` in pitstop.yml")),
        });
    }
}
