//! Silences and messages.
//!
//! Owns: how they are planned. Must not: send anything.

use std::collections::BTreeMap;

use super::{Binder, names};
use crate::diag::{Diagnostic, nearest};
use crate::plan::{PlannedNotice, PlannedSilence};

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

    /// The messages, and the commands that send them.
    pub(super) fn notices(&mut self) -> (Vec<PlannedNotice>, BTreeMap<String, Vec<String>>) {
        let (mut notices, mut notifiers) = (Vec::new(), BTreeMap::new());
        let known = self.input.notifiers;
        for notice in &self.input.runbook.notices {
            let via = &notice.via;
            match known.get(&via.value) {
                Some(argv) => {
                    notifiers.insert(via.value.clone(), argv.clone());
                }
                None => {
                    let d = Diagnostic::error(
                        "PS0231",
                        format!("pitstop.yml has no `notify` command `{}`", via.value),
                        via.span.clone(),
                        "nothing would send this message",
                    );
                    self.diags.push(match nearest(via, known.keys().map(String::as_str)) {
                        Some(near) => d.help(format!("did you mean `{near}`?")),
                        None => d.help(format!(
                            "write `notify: {{ {}: [PROGRAM, ARGUMENT] }}` in pitstop.yml",
                            via.value
                        )),
                    });
                }
            }
            notices.push(PlannedNotice {
                events: notice.events.clone(),
                via: via.value.clone(),
            });
        }
        (notices, notifiers)
    }
}
